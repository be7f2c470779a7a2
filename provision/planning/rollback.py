"""Back to a release that was published before: values in, a Plan out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provision.config.environment import Environment
from provision.errors import PlanError, Refused
from provision.facts.host import HostFacts
from provision.planning.finish import finish, lagging, promotes
from provision.planning.pace import Pace
from provision.planning.plan import Plan
from provision.planning.rollout import (
    eased,
    freed,
    grip,
    held,
    intend,
    loose,
    prepared,
    refuse_unseen,
    rollout,
)
from provision.planning.situation import Situation, premise, served, serving
from provision.planning.stations import Asked, Shape, move


@dataclass(frozen=True, slots=True)
class Published:
    """A release as the environment's bucket holds it.

    Attributes:
        missing: what it needs and is not there any more, in words (images, weights, files).
        engines: how many engines it runs on a host.
        gpus_each: how many GPUs each of them takes. None is unknown, as for all numbers here.
        weights_bytes: what its weights weigh.
    """

    id: str
    model: str
    chat: bool = True
    missing: tuple[str, ...] = ()
    engines: int | None = None
    gpus_each: int | None = None
    weights_bytes: int | None = None


def plan_rollback(
    environment: Environment, release: Published, situation: Situation, pace: Pace
) -> Plan:
    """Bring every host of *situation* to *release*, at *pace*; empty when all serve it.

    Nothing is rendered, built or published. Raises Refused when something that the release needs
    is gone, when it does not fit a host, when a host can't be reached, or when too few would serve
    meanwhile; PlanError when there is no host.
    """
    if not situation.reachable:
        reasons = "".join(f"\n  {name}: {why}" for name, why in situation.unreachable.items())
        raise PlanError(f"no host can be reached{reasons}", hint="`fab doctor` finds the cause")
    if release.missing:
        raise Refused(
            f"{release.id} can't run any more: {'; '.join(release.missing)}",
            hint="`fab releases` shows others; `fab deploy` publishes what it needs",
        )
    _refuse_misfit(release, situation)
    shape = Shape(release.engines, release.model)
    moves = [
        move(situation, name, why=_why(release, facts), wanted=release.id, shape=shape)
        for name, facts in sorted(situation.facts.items())
        if not served(name, release.id, situation)
    ]
    refuse_unseen(moves, situation.unreachable)
    ease = eased(pace, situation)
    waves = rollout(
        moves,
        environment,
        ease,
        serving=len(serving(situation)),
        asked=Asked(release.model, release.chat),
    )
    promote = promotes(release.id, situation)
    last = finish(
        release.model,
        chat=release.chat,
        promote=release.id if promote else None,
        before=situation.current,
    )
    processes = grip(situation)
    return Plan(
        title=f"bring {environment.name} to {release.id} ({release.model})",
        waves=(*prepared(moves), *held(waves, processes), last) if waves or promote else (),
        expects={host.name: situation.facts[host.name].release for host in situation.reachable},
        premise=premise(situation),
        notes=tuple(_notes(release, situation)),
        left_out=dict(situation.unreachable),
        afterwards=freed(waves, processes) or (loose(situation) if promote else ()),
        intent=intend(situation, pace, release.model, chat=release.chat, release=release.id)
        if waves or promote
        else None,
    )


def _refuse_misfit(release: Published, situation: Situation) -> None:
    """Raise Refused when a host has fewer GPUs, or smaller ones, than the release was made for."""
    reasons = [
        f"\n  {name}: {why}"
        for name, facts in sorted(situation.facts.items())
        if (why := _misfit(release, facts))
    ]
    if reasons:
        raise Refused(
            f"{release.id} ({release.model}) does not fit{''.join(reasons)}",
            hint="`fab plan --model` says what fits these hosts",
        )


def _misfit(release: Published, facts: HostFacts) -> str:
    """Why the host can't run it, "" when it can, or when nobody knows."""
    if not facts.gpus or release.gpus_each is None or release.engines is None:
        return ""
    needed, there = release.engines * release.gpus_each, len(facts.gpus)
    if needed > there:
        return f"it needs {needed} GPU(s), and there are {there}"
    smallest = min(gpu.memory_mib for gpu in facts.gpus) / 1024
    share = (release.weights_bytes or 0) / release.gpus_each / 2**30
    if share > smallest:
        return f"each GPU would hold {share:.1f} GiB of weights, and has {smallest:.1f} GiB"
    return ""


def _why(release: Published, facts: HostFacts) -> str:
    runs = facts.release or "nothing"
    return f"runs {runs}" if facts.release != release.id else "its engine is not ready"


def _notes(release: Published, situation: Situation) -> Iterator[str]:
    absent = [
        host.name
        for host in situation.reachable
        if release.id not in situation.facts[host.name].releases
    ]
    if absent:
        yield f"{', '.join(absent)} fetch the release from the bucket"
    yield from lagging(release.id, situation)
