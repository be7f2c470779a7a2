"""Clusters, task definitions and services on Fargate, and their names inside the network."""

from __future__ import annotations

import json
from typing import Any

from rehearsal.aws_resources.account import Account, Made, Maker, Request, capitalised


def cluster(account: Account, request: Request) -> Made:
    """A cluster: a name for services."""
    made = account.client("ecs").create_cluster(
        clusterName=request.inputs["name"],
        settings=request.inputs["settings"],
        tags=_tags(request),
    )["cluster"]
    return Made(made["clusterArn"], {"arn": made["clusterArn"]})


def task_definition(account: Account, request: Request) -> Made:
    """A revision of what a task is."""
    inputs = request.inputs
    made = account.client("ecs").register_task_definition(
        **request.given(
            family="family",
            requiresCompatibilities="requiresCompatibilities",
            networkMode="networkMode",
            cpu="cpu",
            memory="memory",
            runtimePlatform="runtimePlatform",
            executionRoleArn="executionRoleArn",
            taskRoleArn="taskRoleArn",
            volumes="volumes",
        ),
        containerDefinitions=json.loads(inputs["containerDefinitions"]),
        tags=_tags(request),
    )["taskDefinition"]
    arn, revision = made["taskDefinitionArn"], made["revision"]
    return Made(inputs["family"], {"arn": arn, "revision": revision})


def service(account: Account, request: Request) -> Made:
    """A service. moto starts no container: its tasks are whoever the rehearsal registers."""
    inputs = request.inputs
    network = dict(inputs["networkConfiguration"])
    network["assignPublicIp"] = "ENABLED" if network["assignPublicIp"] else "DISABLED"
    made = account.client("ecs").create_service(
        cluster=inputs["cluster"],
        serviceName=inputs["name"],
        **request.given(
            taskDefinition="taskDefinition",
            desiredCount="desiredCount",
            launchType="launchType",
            healthCheckGracePeriodSeconds="healthCheckGracePeriodSeconds",
            enableExecuteCommand="enableExecuteCommand",
            enableECSManagedTags="enableEcsManagedTags",
            propagateTags="propagateTags",
            loadBalancers="loadBalancers",
        ),
        serviceRegistries=[inputs["serviceRegistries"]],
        networkConfiguration={"awsvpcConfiguration": network},
        deploymentConfiguration={
            "minimumHealthyPercent": inputs["deploymentMinimumHealthyPercent"],
            "maximumPercent": inputs["deploymentMaximumPercent"],
            "deploymentCircuitBreaker": inputs["deploymentCircuitBreaker"],
        },
        tags=_tags(request),
    )["service"]
    return Made(made["serviceArn"], {"arn": made["serviceArn"]})


def names(account: Account, request: Request) -> Made:
    """A zone of names that only the network knows."""
    discovery = account.client("servicediscovery")
    operation = discovery.create_private_dns_namespace(
        **request.given(Name="name", Vpc="vpc", Description="description"),
        Tags=request.tag_list(),
    )["OperationId"]
    made = discovery.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
    arn = f"arn:aws:servicediscovery:{account.region}:{account.id}:namespace/{made}"
    return Made(made, {"arn": arn})


def name(account: Account, request: Request) -> Made:
    """One name of the zone, at which ECS registers tasks."""
    dns = capitalised(request.inputs["dnsConfig"])
    for record in dns["DnsRecords"]:
        record["TTL"] = record.pop("Ttl")
    made = account.client("servicediscovery").create_service(
        Name=request.inputs["name"],
        DnsConfig=dns,
        HealthCheckCustomConfig=capitalised(request.inputs["healthCheckCustomConfig"]),
        Tags=request.tag_list(),
    )["Service"]
    return Made(made["Id"], {"arn": made["Arn"]})


def _tags(request: Request) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in sorted(request.tags.items())]


MAKERS: dict[str, Maker] = {
    "aws:ecs/cluster:Cluster": cluster,
    "aws:ecs/taskDefinition:TaskDefinition": task_definition,
    "aws:ecs/service:Service": service,
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": names,
    "aws:servicediscovery/service:Service": name,
}
