"""What is wrong with the gateway: its tasks, what they run by, their image and keys. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provision.config.environment import Environment
from provision.config.hosted import key_secrets
from provision.facts.gateway import ServiceNow, TaskDefinition, short
from provision.planning.finding import Finding, failed, ok
from provision.planning.gateway import FRONT, GATEWAY, Gateway, differences

_DEPLOY = "fab deploy"


def words(service: ServiceNow, newest: TaskDefinition, *, tasks: int, healthy: int) -> str:
    """How many tasks run by which revision, and how many of them the load balancer calls healthy.

    Also that another revision waits for a deploy.
    """
    said = f"{service.running} of {tasks} task(s) run {short(service.definition)}"
    waits = "" if service.definition == newest.arn else f"; {newest.name} waits for `fab deploy`"
    return f"{said}, {healthy} healthy{waits}"


def judge(
    environment: Environment, gateway: Gateway, states: Sequence[str], *, log_group: str
) -> tuple[Finding, ...]:
    """Every check; *states* are the load balancer's words for the tasks."""
    return (
        _tasks(gateway, states, log_group),
        _revision(environment, gateway),
        _image(environment, gateway),
        *_keys(environment, gateway),
    )


def _tasks(gateway: Gateway, states: Sequence[str], log_group: str) -> Finding:
    name, service, wanted = "gateway-tasks", gateway.now.service, gateway.target.tasks
    healthy = sum(state == "healthy" for state in states)
    said = words(service, gateway.now.newest, tasks=wanted, healthy=healthy)
    if not service.desired:
        return failed(name, "it has no tasks: there is no way out", _DEPLOY)
    if service.desired != wanted:
        return failed(name, f"{said}; {service.desired} shall run, the file says {wanted}", _DEPLOY)
    if service.running < wanted or healthy < wanted:
        others = ", ".join(sorted({state for state in states if state != "healthy"}))
        why = f" (others: {others})" if others else ""
        last = f"; ECS: {service.events[0]}" if service.events else ""
        return failed(name, f"{said}{why}{last}", f"aws logs tail {log_group} --since 30m")
    return ok(name, said)


def _revision(environment: Environment, gateway: Gateway) -> Finding:
    name, service, newest = "gateway-revision", gateway.now.service, gateway.now.newest
    other = [*differences(gateway)]
    if other:
        cause = f"{newest.name} is not what the environment's file says ({', '.join(other)})"
        return failed(name, cause, f"pulumi up -s {environment.name}")
    if service.definition != newest.arn:
        cause = f"it shall run {short(service.definition)}; {newest.name} was described since"
        return failed(name, cause, _DEPLOY)
    return ok(name, f"{newest.name} is what the environment's file says")


def _image(environment: Environment, gateway: Gateway) -> Finding:
    name, newest = "gateway-image", gateway.now.newest
    wanted = {GATEWAY: gateway.target.image.target, FRONT: gateway.target.front}
    wrong = [one for one, image in wanted.items() if newest.images.get(one) != image]
    if wrong:
        cause = f"{newest.name} has another image of {', '.join(wrong)} than this program makes"
        return failed(name, cause, f"pulumi up -s {environment.name}")
    if not gateway.now.mirrored:
        cause = f"{gateway.target.image.tag} is not in the registry: no new task can start"
        return failed(name, cause, _DEPLOY)
    return ok(name, f"{gateway.target.image.tag} is in the registry")


def _keys(environment: Environment, gateway: Gateway) -> Iterator[Finding]:
    for company, secret in key_secrets(environment).items():
        name, filled = f"{company}-key", gateway.now.secrets.get(secret)
        put = f"aws secretsmanager put-secret-value --secret-id {secret} --secret-string file://KEY"
        if filled:
            yield ok(name, f"{secret} has a value")
        elif filled is None:
            yield failed(name, f"there is no secret {secret}", f"pulumi up -s {environment.name}")
        else:
            yield failed(name, f"{secret} is empty", put)
