"""The gateway's part of a deploy: what it lacks, and when it must not go on. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provision.config.environment import Environment
from provision.config.hosted import key_secrets, missing_keys
from provision.errors import Refused
from provision.facts.gateway import GAVE_UP, ServiceNow, TaskDefinition, short
from provision.facts.inventory import Host
from provision.planning.actions import ImageSpec
from provision.planning.gateway_actions import AskGateway, BuildGateway, MoveGateway, WaitGateway
from provision.planning.plan import Plan, Step, Wave

DOCUMENT = "GATEWAY"  # the variable that holds what the program is told
GATEWAY, FRONT = "gateway", "front"  # its containers
_UP_FIRST = "run `pulumi up` first: it describes the tasks that a deploy starts"
STAYS = "the gateway stays as it is: `fab deploy` afterwards brings what it lacks"
MOVED_STAYS = (
    "the gateway stays at the revision that it was moved to: `pulumi up` describes another one,"
    " and `fab deploy` moves it"
)
_ROUTES_S = 60.0  # fronts learn a new key within a minute


@dataclass(frozen=True, slots=True)
class GatewayTarget:
    """What shall answer while the fleet can't.

    ``files`` are the build context of ``image``; ``told`` is what the containers shall be told, by
    variable; ``steady_s`` is how long a change of tasks may take.
    """

    image: ImageSpec
    files: Mapping[str, bytes]
    front: str
    told: Mapping[str, str]
    tasks: int
    steady_s: float


@dataclass(frozen=True, slots=True)
class GatewayNow:
    """What is there.

    ``newest`` is what the last ``pulumi up`` described, ``runs`` what tasks run by, if any do.
    ``secrets`` are those of the providers' keys: whether each has a value, None when it does not
    exist.
    """

    newest: TaskDefinition
    runs: TaskDefinition
    service: ServiceNow
    mirrored: bool
    secrets: Mapping[str, bool | None]


@dataclass(frozen=True, slots=True)
class Gateway:
    """What shall run, and what is there now."""

    target: GatewayTarget
    now: GatewayNow

    @property
    def moved(self) -> bool:
        """Its service runs by another revision, with another number of tasks, or ECS gave up."""
        service = self.now.service
        wanted = (self.now.newest.arn, self.target.tasks)
        return (service.definition, service.desired) != wanted or service.rollout == GAVE_UP


def guard(environment: Environment, gateway: Gateway, *, model: str) -> None:
    """Raise Refused when no task could serve *model*: it is described otherwise, or has no key."""
    _guard_secrets(environment, gateway.now.secrets)
    _guard_description(gateway, model)


def build(gateway: Gateway, release_id: str, host: Host) -> tuple[Step, ...]:
    """Its image, built on *host*; nothing when the registry has it."""
    if gateway.now.mirrored:
        return ()
    image, files = gateway.target.image, dict(gateway.target.files)
    action = BuildGateway(release_id, image.target, image.source, str(image.dockerfile), files)
    return (Step(host, f"build {image.tag}", "not in the registry yet", action),)


def bring(environment: Environment, gateway: Gateway, *, model: str, chat: bool) -> Wave:
    """Its tasks; empty when they run as they shall."""
    return Wave("gateway", tuple(_bring(environment, gateway, model=model, chat=chat)))


def notes(gateway: Gateway) -> Iterator[str]:
    """What a person should know before the gateway comes along."""
    newest, runs = gateway.now.newest, gateway.now.runs
    other = [*differences(gateway)]
    if other:
        said = ", ".join(other)
        yield f"{newest.name} is not what the environment's file says ({said}): `pulumi up`"
    gone = [name for name in _names(runs) or () if name not in (_names(newest) or ())]
    if gateway.now.service.desired and gone:
        yield (
            f"from then on the gateway does not answer to {', '.join(gone)}, also when hosts go"
            " back to it"
        )


def differences(gateway: Gateway) -> Iterator[str]:
    """What the newest revision is told otherwise, by names that a person may know."""
    told = gateway.now.newest.told
    for variable, wanted in gateway.target.told.items():
        if variable != DOCUMENT:
            if told.get(variable) != wanted:
                yield "front"
            continue
        now, then = _document(told.get(variable)), _document(wanted)
        yield from sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))


def moves(plan: Plan) -> bool:
    """Whether the gateway's service is moved in *plan*."""
    return any(isinstance(step.action, MoveGateway) for wave in plan for step in wave.steps)


def _bring(environment: Environment, gateway: Gateway, *, model: str, chat: bool) -> Iterator[Step]:
    newest, service, tasks = gateway.now.newest, gateway.now.service, gateway.target.tasks
    if service.steady(newest.arn, tasks):
        return
    if gateway.moved:
        summary = f"move the gateway to {newest.name}, {tasks} task(s)"
        yield Step(
            None, summary, _runs(service), MoveGateway(newest.arn, tasks, service.definition)
        )
    waiting = WaitGateway(newest.arn, tasks, gateway.target.steady_s)
    reason = "ECS starts the new beside the old" if gateway.moved else _runs(service)
    yield Step(None, "wait until its tasks serve", reason, waiting)
    fallback = environment.fallback
    timeout_s = _ROUTES_S + len(fallback.providers) * fallback.timeout_s
    asking = AskGateway(model, chat, timeout_s)
    yield Step(None, "ask a hosted API for one token", "green targets prove no way out", asking)


def _runs(service: ServiceNow) -> str:
    if not service.desired:
        return "it has no tasks"
    return f"{service.running} of {service.desired} task(s) run {short(service.definition)}"


def _guard_secrets(environment: Environment, secrets: Mapping[str, bool | None]) -> None:
    absent = [name for name in key_secrets(environment).values() if secrets.get(name) is None]
    if absent:
        raise Refused(
            f"there is no secret {', '.join(absent)}; nothing was changed",
            hint="run `pulumi up` first: it makes the place, then fill it (docs/gateway.md)",
        )
    missing = [*missing_keys(environment, {name for name, full in secrets.items() if full})]
    if missing:
        lines = [f"\n  {one.message}\n    {one.hint}" for one in missing]
        raise Refused(
            f"the gateway lacks {len(missing)} key(s); nothing was changed{''.join(lines)}",
            hint="fill what is named above, then run the same command again",
        )


def _guard_description(gateway: Gateway, model: str) -> None:
    target, newest = gateway.target, gateway.now.newest
    wanted = {GATEWAY: target.image.target, FRONT: target.front}
    wrong = [name for name, image in wanted.items() if newest.images.get(name) != image]
    if wrong:
        lines = [f"\n  {n}: {newest.images.get(n, 'none')}, not {wanted[n]}" for n in wrong]
        raise Refused(
            f"{newest.name}, the newest that was described of the gateway, has other images;"
            f" nothing was changed{''.join(lines)}",
            hint=_UP_FIRST,
        )
    names = _names(newest)
    if names is not None and model not in names:
        raise Refused(
            f"the gateway, as {newest.name} describes it, answers to {', '.join(names)} and not to"
            f" {model}: in an outage clients would get 404; nothing was changed",
            hint="write the model into the environment's file, then `pulumi up`, then deploy",
        )


def _names(definition: TaskDefinition) -> list[str] | None:
    """The models that it answers to, None when that can't be read."""
    names = _document(definition.told.get(DOCUMENT)).get("names")
    return [str(name) for name in names] if isinstance(names, list) else None


def _document(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
