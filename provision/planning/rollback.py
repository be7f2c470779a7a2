"""Back to a release that was published before: values in, a Plan out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provision.config.environment import Environment
from provision.errors import PlanError, Refused
from provision.facts.inventory import Host
from provision.planning.finish import finish, lagging, promotes
from provision.planning.plan import Plan
from provision.planning.rollout import Move, Pace, freed, held, refuse_unseen, rollout
from provision.planning.situation import Situation, serves, serving


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
    moves = [_move(release, situation, host) for host in _wanting(release, situation)]
    if moves:
        refuse_unseen(situation.unreachable)
    waves = rollout(moves, environment, pace, serving=len(serving(situation)))
    promote = promotes(release.id, situation)
    last = finish(
        release.model,
        chat=release.chat,
        promote=release.id if promote else None,
        before=situation.current,
    )
    return Plan(
        title=f"bring {environment.name} to {release.id} ({release.model})",
        waves=(*held(waves), last) if waves or promote else (),
        expects={host.name: situation.facts[host.name].release for host in situation.reachable},
        notes=tuple(_notes(release, situation)),
        left_out=dict(situation.unreachable),
        afterwards=freed(waves),
    )


def _wanting(release: Published, situation: Situation) -> Iterator[Host]:
    for host in situation.reachable:
        facts = situation.facts[host.name]
        ready = (facts.agent or {}).get("ready_for") == release.id
        if facts.release != release.id or not ready or host.name not in situation.in_traffic:
            yield host


def _move(release: Published, situation: Situation, host: Host) -> Move:
    facts = situation.facts[host.name]
    runs = facts.release or "nothing"
    why = f"runs {runs}" if facts.release != release.id else "its engine is not ready"
    fetch = release.id not in facts.releases
    return Move(host, facts, serves(host, situation), release.id, why, fetch=fetch)


def _notes(release: Published, situation: Situation) -> Iterator[str]:
    absent = [
        host.name
        for host in situation.reachable
        if release.id not in situation.facts[host.name].releases
    ]
    if absent:
        yield f"{', '.join(absent)} fetch the release from the bucket"
    yield from lagging(release.id, situation)
