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
    move,
    refuse_unseen,
    rollout,
)
from provision.planning.situation import Situation, premise, served, serving


@dataclass(frozen=True, slots=True)
class Published:
    """A release as the environment's bucket holds it.

    Attributes:
        missing: what it needs and is not there any more, in words (images, weights, files).
    """

    id: str
    model: str
    chat: bool = True
    missing: tuple[str, ...] = ()


def plan_rollback(
    environment: Environment, release: Published, situation: Situation, pace: Pace
) -> Plan:
    """Bring every host of *situation* to *release*, at *pace*; empty when all serve it.

    Nothing is rendered, built or published. Raises Refused when something that the release needs
    is gone, when a host can't be reached, or when too few would serve meanwhile; PlanError when
    there is no host.
    """
    if not situation.reachable:
        reasons = "".join(f"\n  {name}: {why}" for name, why in situation.unreachable.items())
        raise PlanError(f"no host can be reached{reasons}", hint="`fab doctor` finds the cause")
    if release.missing:
        raise Refused(
            f"{release.id} can't run any more: {'; '.join(release.missing)}",
            hint="`fab releases` shows others; `fab deploy` publishes what it needs",
        )
    moves = [
        move(situation, name, why=_why(release, facts), wanted=release.id)
        for name, facts in sorted(situation.facts.items())
        if not served(name, release.id, situation)
    ]
    if moves:
        refuse_unseen(situation.unreachable)
    ease = eased(pace, situation)
    waves = rollout(moves, environment, ease, serving=len(serving(situation)))
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
        waves=(*held(waves, processes), last) if waves or promote else (),
        expects={host.name: situation.facts[host.name].release for host in situation.reachable},
        premise=premise(situation),
        notes=tuple(_notes(release, situation)),
        left_out=dict(situation.unreachable),
        afterwards=freed(waves, processes),
        intent=intend(situation, pace, release.model, chat=release.chat, release=release.id)
        if waves or promote
        else None,
    )


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
