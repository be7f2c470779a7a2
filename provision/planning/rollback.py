"""Back to a release that was published before: values in, a Plan out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provision.config.environment import Environment
from provision.errors import PlanError, Refused
from provision.facts.inventory import Host
from provision.planning.deploy import ANSWER_TIMEOUT_S
from provision.planning.plan import AskThroughLoadBalancer, Plan, SetCurrent, Step, Wave
from provision.planning.rollout import Move, Pace, free, hold, refuse_unseen, rollout
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
    promote = situation.current != release.id and not situation.partial
    finish = tuple(_finish(release, situation, promote=promote)) if waves or promote else ()
    last = (Wave("finish", finish, needs_all=True),) if finish else ()
    return Plan(
        title=f"bring {environment.name} to {release.id} ({release.model})",
        waves=(Wave("before", (hold(),)), *waves, *last) if waves else last,
        expects={host.name: situation.facts[host.name].release for host in situation.reachable},
        notes=_notes(release, situation),
        left_out=dict(situation.unreachable),
        afterwards=(free(),) if waves else (),
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


def _finish(release: Published, situation: Situation, *, promote: bool) -> Iterator[Step]:
    ask = AskThroughLoadBalancer(release.model, ANSWER_TIMEOUT_S, release.chat)
    reason = "an answer must come from our own engine"
    yield Step(None, "ask through the load balancer", reason, ask)
    if promote:
        now = situation.current or "nothing"
        yield Step(
            None,
            f"make {release.id} current",
            f"booting hosts take {now} now",
            SetCurrent(release.id, before=situation.current),
        )


def _notes(release: Published, situation: Situation) -> tuple[str, ...]:
    absent = [
        host.name
        for host in situation.reachable
        if release.id not in situation.facts[host.name].releases
    ]
    notes = [f"{', '.join(absent)} fetch the release from the bucket"] if absent else []
    if situation.partial and situation.current != release.id:
        notes.append(f"only some hosts: booting hosts keep taking {situation.current or 'nothing'}")
    return tuple(notes)
