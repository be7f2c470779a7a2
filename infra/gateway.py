"""The gateway: the front and LiteLLM in each task on Fargate, under one name for hosts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws.cloudwatch as cloudwatch
import pulumi_aws.ecs as ecs
import pulumi_aws.iam as iam
import pulumi_aws.servicediscovery as servicediscovery
from pulumi import Output, ResourceOptions

from infra.firewall import FRONT_PORT
from infra.gateway_rights import execution_policy
from infra.names import gateway_log_group
from infra.policies import document, trust_service
from provision.config.environment import Environment
from provision.config.timeouts import chain
from provision.render.front import gateway_config, gateway_name
from provision.render.gateway_image import gateway_image
from provision.render.gateway_task import RUN_VOLUME, containers, statements
from provision.render.release import front_image

SERVICE = "gateway"
TTL_S = 10  # as long as a front of a host believes a name
GRACE_S = 120


@dataclass(frozen=True)
class GatewayArgs:
    """Where the tasks stand, what they are told, and through which rule they are reached.

    *document* is :func:`provision.render.gateway.gateway_document`'s. A target group takes no task
    before a load balancer has it: *reached_through* is the rule.
    """

    environment: Environment
    account_id: Output[str]
    vpc_id: Output[str]
    subnet_ids: Sequence[Output[str]]
    security_group_id: Output[str]
    target_group_arn: Output[str]
    repository_url: Output[str]
    repository_arn: Output[str]
    document: str
    reached_through: pulumi.Resource


class Gateway(pulumi.ComponentResource):
    """A service without tasks, until `fab deploy` has brought the image.

    From then on its task definition and its number of tasks are `fab deploy`'s: an `up` describes
    what is wanted and replaces nobody who serves.
    """

    cluster: Output[str]
    service: Output[str]
    family: Output[str]
    log_group: Output[str]

    def __init__(self, name: str, args: GatewayArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Gateway", name, None, opts)
        self._name, self._args = name, args
        self._prefix = args.environment.prefix
        self._children = ResourceOptions(parent=self)
        logs = self._logs()
        task = self._task(logs, self._execution_role(logs), self._task_role())
        cluster = self._cluster()
        service = self._service(cluster, task, self._registry())
        self.cluster, self.service = cluster.name, service.name
        self.family, self.log_group = task.family, logs.name
        self.register_outputs({})

    def _logs(self) -> cloudwatch.LogGroup:
        name = gateway_log_group(self._args.environment)
        return cloudwatch.LogGroup(
            f"{self._name}-logs",
            name=name,
            retention_in_days=self._args.environment.observability.log_retention_days,
            tags={"Name": name},
            opts=self._children,
        )

    def _execution_role(self, logs: cloudwatch.LogGroup) -> iam.Role:
        policy = Output.all(self._args.repository_arn, logs.arn).apply(
            lambda known: json.dumps(
                execution_policy(repository_arn=known[0], log_group_arn=known[1])
            )
        )
        return self._role("execution", "Starts the gateway's tasks", policy)

    def _task_role(self) -> iam.Role:
        environment = self._args.environment
        policy = self._args.account_id.apply(
            lambda account: json.dumps(document(statements(environment, account_id=account)))
        )
        return self._role("task", "The gateway's tasks", policy)

    def _role(self, name: str, description: str, policy: Output[str]) -> iam.Role:
        environment = self._args.environment
        full = f"{self._prefix}-{environment.region}-gateway-{name}"
        role = iam.Role(
            f"{self._name}-{name}",
            name=full,  # role names are global in the account
            description=f"{description}, of {self._prefix}",
            assume_role_policy=json.dumps(trust_service("ecs-tasks.amazonaws.com")),
            tags={"Name": full},
            opts=self._children,
        )
        iam.RolePolicy(
            f"{self._name}-{name}",
            name=name,
            role=role.name,
            policy=policy,
            opts=self._children,
        )
        return role

    def _task(
        self, logs: cloudwatch.LogGroup, execution: iam.Role, task: iam.Role
    ) -> ecs.TaskDefinition:
        args, fallback = self._args, self._args.environment.fallback
        definitions = Output.all(args.repository_url, logs.name).apply(
            lambda known: json.dumps(self._containers(*known), sort_keys=True)
        )
        return ecs.TaskDefinition(
            f"{self._name}-task",
            family=f"{self._prefix}-gateway",
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(fallback.task_cpu),
            memory=str(fallback.task_memory_mib),
            runtime_platform=ecs.TaskDefinitionRuntimePlatformArgs(
                cpu_architecture="X86_64",  # the image is built on a GPU host
                operating_system_family="LINUX",
            ),
            execution_role_arn=execution.arn,
            task_role_arn=task.arn,
            volumes=[ecs.TaskDefinitionVolumeArgs(name=RUN_VOLUME)],
            container_definitions=definitions,
            # The revisions before stay: tasks run by them until `fab deploy` moves the service.
            skip_destroy=True,
            tags={"Name": f"{self._prefix}-gateway"},
            opts=self._children,
        )

    def _containers(self, repository_url: str, log_group: str) -> list[dict[str, object]]:
        environment = self._args.environment
        return containers(
            environment,
            gateway_image=str(gateway_image(environment, repository_url)["target"]),
            front_image=front_image(environment, repository_url),
            document=self._args.document,
            nginx_config=gateway_config(environment.front, chain=chain(environment.engine)),
            log_group=log_group,
        )

    def _cluster(self) -> ecs.Cluster:
        return ecs.Cluster(
            f"{self._name}-cluster",
            name=self._prefix,
            settings=[ecs.ClusterSettingArgs(name="containerInsights", value="disabled")],
            tags={"Name": self._prefix},
            opts=self._children,
        )

    def _registry(self) -> servicediscovery.Service:
        """One name for hosts. A front that can't look it up loses requests, not its start."""
        name, _, zone = gateway_name(self._args.environment).partition(".")
        namespace = servicediscovery.PrivateDnsNamespace(
            f"{self._name}-names",
            name=zone,
            vpc=self._args.vpc_id,
            description=f"Names inside {self._prefix}",
            tags={"Name": zone},
            opts=self._children,
        )
        return servicediscovery.Service(
            f"{self._name}-name",
            name=name,
            dns_config=servicediscovery.ServiceDnsConfigArgs(
                namespace_id=namespace.id,
                routing_policy="MULTIVALUE",
                dns_records=[servicediscovery.ServiceDnsConfigDnsRecordArgs(type="A", ttl=TTL_S)],
            ),
            # ECS says who is healthy.
            health_check_custom_config=servicediscovery.ServiceHealthCheckCustomConfigArgs(),
            force_destroy=True,
            tags={"Name": f"{name}.{zone}"},
            opts=self._children,
        )

    def _service(
        self, cluster: ecs.Cluster, task: ecs.TaskDefinition, registry: servicediscovery.Service
    ) -> ecs.Service:
        args = self._args
        return ecs.Service(
            f"{self._name}-service",
            name=SERVICE,
            cluster=cluster.arn,
            task_definition=task.arn,
            desired_count=0,
            launch_type="FARGATE",
            network_configuration=ecs.ServiceNetworkConfigurationArgs(
                subnets=args.subnet_ids,
                security_groups=[args.security_group_id],
                assign_public_ip=False,
            ),
            load_balancers=[
                ecs.ServiceLoadBalancerArgs(
                    target_group_arn=args.target_group_arn,
                    container_name="front",
                    container_port=FRONT_PORT,
                )
            ],
            service_registries=ecs.ServiceServiceRegistriesArgs(registry_arn=registry.arn),
            health_check_grace_period_seconds=GRACE_S,
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker=ecs.ServiceDeploymentCircuitBreakerArgs(
                enable=True, rollback=True
            ),
            enable_execute_command=False,  # whoever is in a container sees the providers' keys
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            wait_for_steady_state=False,
            tags={"Name": f"{self._prefix}-{SERVICE}"},
            opts=ResourceOptions(
                parent=self,
                depends_on=[args.reached_through],
                ignore_changes=["desired_count", "task_definition"],
            ),
        )
