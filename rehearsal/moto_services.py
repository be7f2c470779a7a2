"""moto's ECS as the rehearsal's tasks have it: a service has as many tasks as really run.

moto says of every service that all its tasks run at once, and of its revisions that they are the
first one's. Here counts and deployments are what the follower (``ecs_follow.py``) reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from moto.backends import get_backend
from moto.ecs.models import EC2ContainerServiceBackend, Task

from rehearsal.ecs_rules import Service
from rehearsal.settings import ACCOUNT

ACTIVE, PRIMARY = "ACTIVE", "PRIMARY"
IN_PROGRESS, COMPLETED, FAILED = "IN_PROGRESS", "COMPLETED", "FAILED"
EVENTS_KEPT, REASON_MAX = 100, 1000


def teach(replace: Callable[[type, str, Any], None]) -> None:
    """Let moto count only what runs."""
    update = EC2ContainerServiceBackend.update_service

    def update_service(backend: Any, properties: dict[str, Any]) -> Any:
        cluster, name = properties.get("cluster", "default"), properties["service"].split("/")[-1]
        service = backend._get_service(cluster, name)
        before, running = service.task_definition, service.running_count
        service = update(backend, properties)
        service.running_count = running
        service.pending_count = max(0, service.desired_count - running)
        wanted = service.task_definition = _arn(backend, str(service.task_definition))
        if wanted != before:
            _begin(service, wanted)
        service.deployments[0]["desiredCount"] = service.desired_count
        return service

    replace(EC2ContainerServiceBackend, "update_service", update_service)


def services(region: str) -> Iterator[Service]:
    """Every service on Fargate."""
    for one in list(_backend(region).services.values()):
        if one.launch_type != "FARGATE" or one.status != ACTIVE:
            continue
        network = one.network_configuration["awsvpcConfiguration"]
        balancer = one.load_balancers[0]
        yield Service(
            cluster=one.cluster_name,
            name=one.name,
            definition=one.task_definition,
            desired=one.desired_count,
            subnets=tuple(network["subnets"]),
            groups=tuple(network["securityGroups"]),
            target_group=balancer["targetGroupArn"],
            port=int(balancer["containerPort"]),
            registry=one.service_registries[0]["registryArn"].rpartition("/")[2],
        )


def report(region: str, of: Service, *, running: int, alone: bool) -> None:
    """So many tasks run; *alone*: all that are wanted, by the wanted revision, and no others."""
    service = _service(region, of)
    service.running_count = running
    service.pending_count = max(0, service.desired_count - running)
    now = service.deployments[0]
    now["runningCount"], now["pendingCount"] = running, service.pending_count
    if not alone or service.task_definition != of.definition:
        return
    del service.deployments[1:]
    if now["rolloutState"] == IN_PROGRESS:
        _say(now, COMPLETED, f"ECS deployment {now['id']} completed.")
        tell(region, of, f"({of.name}) has reached a steady state.")


def fail(region: str, of: Service, *, back_to: str, reason: str) -> None:
    """The revision does not come up: it is given up, for the last good one if there is one."""
    service = _service(region, of)
    if service.task_definition != of.definition:
        return  # somebody moved it meanwhile
    _say(service.deployments[0], FAILED, f"tasks failed to start: {reason}")
    tell(region, of, f"({of.name}) deployment failed: tasks failed to start.")
    if back_to and back_to != of.definition:
        service.task_definition = back_to
        _begin(service, back_to)
        tell(region, of, f"({of.name}) rolling back to {back_to}.")


def stopped(region: str, of: Service, reason: str) -> None:
    """A task that ended, for whoever asks ECS why."""
    backend = _backend(region)
    cluster = backend._get_cluster(of.cluster)
    network = {"subnets": list(of.subnets), "securityGroups": list(of.groups)}
    task = Task(
        cluster,
        backend.describe_task_definition(of.definition),
        container_instance_arn=None,
        resource_requirements=None,
        backend=backend,
        group=f"service:{of.name}",
        launch_type="FARGATE",
        networking_configuration={"awsvpcConfiguration": network},
    )
    task.desired_status = task.last_status = "STOPPED"
    task.stopped_reason = reason[:REASON_MAX]
    backend.tasks.setdefault(cluster.name, {})[task.task_arn] = task
    tell(region, of, f"({of.name}) stopped a task: {reason[:200]}")


def tell(region: str, of: Service, message: str) -> None:
    """A line of the service's own log, the newest first."""
    event = {"id": f"{of.name}", "createdAt": datetime.now(UTC), "message": message}
    events = _service(region, of).events
    events.insert(0, event)
    del events[EVENTS_KEPT:]


def _arn(backend: Any, named: str) -> str:
    """Of a revision that was named by its family, or by family and number."""
    arn: str = backend.describe_task_definition(named).arn
    return arn


def _begin(service: Any, definition: str) -> None:
    number = len(service.events) + len(service.deployments) + 1
    before = service.deployments[0]
    now = datetime.now(UTC)
    new = {
        **before,
        "id": f"ecs-svc/{number:019d}",
        "status": PRIMARY,
        "taskDefinition": definition,
        "createdAt": now,
        "runningCount": 0,
        "failedTasks": 0,
    }
    before["status"] = ACTIVE
    _say(new, IN_PROGRESS, f"ECS deployment {new['id']} in progress.")
    service.deployments.insert(0, new)


def _say(deployment: dict[str, Any], state: str, reason: str) -> None:
    now = datetime.now(UTC)
    deployment |= {"rolloutState": state, "rolloutStateReason": reason, "updatedAt": now}


def _service(region: str, of: Service) -> Any:
    return _backend(region)._get_service(of.cluster, of.name)


def _backend(region: str) -> Any:
    return get_backend("ecs")[ACCOUNT][region]
