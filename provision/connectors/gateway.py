"""The gateway's service on ECS: what runs, what shall run, who is healthy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from provision.config.environment import Environment
from provision.connectors.aws_client import AwsClients, code_of
from provision.connectors.protocols import TargetHealth
from provision.connectors.targets import target_health
from provision.errors import CloudError, OutputsMissing
from provision.facts.gateway import ServiceNow, TaskDefinition
from provision.facts.outputs import FallbackOutputs, Outputs

_STOPPED_SHOWN = 10


class GatewayService(Protocol):
    """The AWS calls of the gateway, by what they mean. Errors are CloudError."""

    def newest(self) -> TaskDefinition:
        """What the last ``pulumi up`` described."""

    def definition(self, arn: str) -> TaskDefinition:
        """One revision."""

    def service(self) -> ServiceNow:
        """How the service stands."""

    def move(self, definition: str, tasks: int) -> None:
        """Let *tasks* run by the revision *definition*, one beside the other."""

    def targets(self) -> tuple[TargetHealth, ...]:
        """The fallback's target group as the load balancer sees it."""

    def stopped(self) -> tuple[str, ...]:
        """Why the tasks that ended lately did, as ECS says."""

    def filled(self, secret: str) -> bool | None:
        """Whether *secret* has a value, without reading it; None when there is no such secret."""


class AwsGateway:
    """Implements :class:`GatewayService` with boto3; *outputs* says where the gateway is."""

    def __init__(self, environment: Environment, outputs: Callable[[], Outputs]) -> None:
        self._aws = AwsClients(environment)
        self._name, self._outputs = environment.name, outputs

    def newest(self) -> TaskDefinition:
        """The newest active revision of the family."""
        family = self._known.gateway_family
        try:
            return self.definition(family)
        except CloudError as error:
            if code_of(error) == "ClientException":  # ECS has no word of its own for it
                raise self._never_made(f"no task definition {family}") from error
            raise

    def definition(self, arn: str) -> TaskDefinition:
        """A revision by its ARN, or the newest of a family."""
        said = self._aws.call("ecs", "describe_task_definition", arn, taskDefinition=arn)
        return _definition(said["taskDefinition"])

    def service(self) -> ServiceNow:
        """Its counts, its last change, its last events."""
        known = self._known
        said = self._aws.call(
            *("ecs", "describe_services", self._where),
            cluster=known.gateway_cluster,
            services=[known.gateway_service],
        )
        there = [one for one in said["services"] if one["status"] == "ACTIVE"]
        if not there:
            raise self._never_made(f"no service {self._where}")
        return _service(there[0])

    def move(self, definition: str, tasks: int) -> None:
        """ECS starts the new tasks beside the old ones, and goes back when they don't come up.

        It watches only what it calls a deployment, and one more is also the way on from one that it
        gave up.
        """
        known = self._known
        self._aws.call(
            *("ecs", "update_service", self._where),
            cluster=known.gateway_cluster,
            service=known.gateway_service,
            taskDefinition=definition,
            desiredCount=tasks,
            forceNewDeployment=True,
        )

    def targets(self) -> tuple[TargetHealth, ...]:
        """Each task by its address."""
        return target_health(self._aws, self._outputs().fallback_target_group_arn)

    def stopped(self) -> tuple[str, ...]:
        """ECS remembers a task for an hour after its end."""
        known = self._known
        there = {"cluster": known.gateway_cluster}
        names = self._aws.call(
            *("ecs", "list_tasks", self._where),
            **there,
            serviceName=known.gateway_service,
            desiredStatus="STOPPED",
            maxResults=_STOPPED_SHOWN,
        )["taskArns"]
        if not names:
            return ()
        said = self._aws.call("ecs", "describe_tasks", self._where, **there, tasks=names)
        return tuple(dict.fromkeys(filter(None, map(_end, said["tasks"]))))

    def filled(self, secret: str) -> bool | None:
        """By the versions that it has: nobody who deploys needs to read a provider's key."""
        try:
            said = self._aws.call("secretsmanager", "describe_secret", secret, SecretId=secret)
        except CloudError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        return any("AWSCURRENT" in stages for stages in _versions(said).values())

    @property
    def _known(self) -> FallbackOutputs:
        known = self._outputs().fallback
        if known is None:
            raise OutputsMissing(
                f"environment {self._name!r} describes a fallback that was never made",
                hint=f"run `pulumi up -s {self._name}` first",
            )
        return known

    def _never_made(self, what: str) -> CloudError:
        return CloudError(
            f"there is {what}", hint=f"run `pulumi up -s {self._name}` first: it makes one"
        )

    @property
    def _where(self) -> str:
        return f"{self._known.gateway_service} in {self._known.gateway_cluster}"


def _definition(said: Mapping[str, Any]) -> TaskDefinition:
    containers = said["containerDefinitions"]
    return TaskDefinition(
        arn=said["taskDefinitionArn"],
        images={one["name"]: one["image"] for one in containers},
        told={
            entry["name"]: entry["value"]
            for one in containers
            for entry in one.get("environment", ())
        },
    )


def _service(said: Mapping[str, Any]) -> ServiceNow:
    deployments = said.get("deployments", ())
    empty: Mapping[str, Any] = {}
    now = next((one for one in deployments if one["status"] == "PRIMARY"), empty)
    return ServiceNow(
        definition=said["taskDefinition"],
        desired=int(said["desiredCount"]),
        running=int(said["runningCount"]),
        replacing=len(deployments) > 1,
        rollout=now.get("rolloutState"),
        reason=str(now.get("rolloutStateReason", "")),
        events=tuple(str(event["message"]) for event in said.get("events", ())),
    )


def _end(task: Mapping[str, Any]) -> str:
    """The containers' own reasons say more than the task's."""
    of_containers = [
        f"{one['name']}: {one['reason']}" for one in task.get("containers", ()) if one.get("reason")
    ]
    return "; ".join(of_containers) or str(task.get("stoppedReason", ""))


def _versions(said: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    found: Mapping[str, Sequence[str]] = said.get("VersionIdsToStages") or {}
    return found
