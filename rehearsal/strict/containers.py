"""Rules of tasks and services on Fargate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rehearsal.strict.refusal import Look, Params, Refusal, Rule

DEFINITION_MAX = 65_536
STOP_TIMEOUT_MAX_S = 120
# CPU units -> the MiB that Fargate sells with them.
SIZES = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4097, 1024)),
    1024: tuple(range(2048, 8193, 1024)),
    2048: tuple(range(4096, 16_385, 1024)),
    4096: tuple(range(8192, 30_721, 1024)),
}


def definition(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """What Fargate takes."""
    size = len(json.dumps(params).encode())
    if size > DEFINITION_MAX:
        return Refusal("ClientException", f"a definition of {size} bytes; 64 KiB are allowed")
    if "FARGATE" not in params.get("requiresCompatibilities", ()):
        return None
    wrong = next(_wrong(params), None)
    return Refusal("ClientException", wrong) if wrong else None


def _wrong(params: Params) -> Iterator[str]:
    if params.get("networkMode") != "awsvpc":
        yield "Fargate only supports network mode 'awsvpc'"
    cpu, memory = int(params.get("cpu", 0)), int(params.get("memory", 0))
    if memory not in SIZES.get(cpu, ()):
        yield f"no Fargate task has {cpu} CPU units and {memory} MiB"
    if "executionRoleArn" not in params:
        yield "Fargate needs an execution role to pull from ECR and to write logs"
    containers = params["containerDefinitions"]
    volumes = {volume["name"] for volume in params.get("volumes", ())}
    names = {container["name"] for container in containers}
    for container in containers:
        yield from _wrong_container(container, volumes, names)


def _wrong_container(container: Any, volumes: set[str], names: set[str]) -> Iterator[str]:
    name = container["name"]
    if container.get("stopTimeout", 0) > STOP_TIMEOUT_MAX_S:
        yield f"{name}: stopTimeout is at most {STOP_TIMEOUT_MAX_S} on Fargate"
    for mount in container.get("mountPoints", ()):
        if mount["sourceVolume"] not in volumes:
            yield f"{name}: unknown volume {mount['sourceVolume']}"
    for other in container.get("dependsOn", ()):
        if other["containerName"] not in names:
            yield f"{name} depends on {other['containerName']}, which is not in the task"


def service(params: Params, look: Look) -> Refusal | None:
    """Its load balancer's container is in the task; the target group takes addresses and belongs to
    a load balancer already."""
    for balanced in params.get("loadBalancers", ()):
        found = look("elbv2").describe_target_groups(TargetGroupArns=[balanced["targetGroupArn"]])
        (group,) = found["TargetGroups"]
        if params.get("launchType") == "FARGATE" and group["TargetType"] != "ip":
            return Refusal("InvalidParameterException", "tasks on Fargate are targets of type ip")
        if not _reached(group["TargetGroupArn"], look):
            return Refusal(
                "InvalidParameterException",
                f"{group['TargetGroupArn']} does not have an associated load balancer",
            )
        if balanced["containerName"] not in _containers(params["taskDefinition"], look):
            return Refusal(
                "InvalidParameterException",
                f"The container {balanced['containerName']} does not exist in the task definition",
            )
    return None


def _containers(definition: str, look: Look) -> set[str]:
    found = look("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"]
    return {container["name"] for container in found["containerDefinitions"]}


def _reached(group: str, look: Look) -> bool:
    """Whether a rule of some load balancer forwards to it."""
    elbv2 = look("elbv2")
    return any(
        group in json.dumps(rule["Actions"])
        for balancer in elbv2.describe_load_balancers()["LoadBalancers"]
        for listener in elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])[
            "Listeners"
        ]
        for rule in elbv2.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    )


RULES: dict[tuple[str, str], tuple[Rule, ...]] = {
    ("ecs", "RegisterTaskDefinition"): (definition,),
    ("ecs", "CreateService"): (service,),
}
