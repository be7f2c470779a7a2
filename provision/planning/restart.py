"""A rolling restart, and the way back from a rollout that failed: values in, a Plan out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from provision.config.environment import Environment
from provision.errors import PlanError
from provision.facts.host import HostFacts
from provision.planning.finish import finish
from provision.planning.plan import Plan
from provision.planning.rollout import Move, Pace, freed, held, refuse_unseen, rollout
from provision.planning.situation import Situation, serves, serving


def plan_restart(
    environment: Environment,
    situation: Situation,
    pace: Pace,
    *,
    chat: bool = True,
    older_than_s: float | None = None,
) -> Plan:
    """Start every engine anew, host by host, each with the release that it runs.

    With *older_than_s* only hosts with an engine that has run for longer. Raises PlanError when no
    host runs anything, Refused when too few would serve meanwhile or a host can't be reached.
    """
    moves = [
        _move(situation, name, facts, why=why)
        for name, facts in sorted(situation.facts.items())
        if facts.release is not None and (why := _why(facts, older_than_s))
    ]
    if not any(facts.release for facts in situation.facts.values()):
        reasons = "".join(f"\n  {name}: {why}" for name, why in situation.unreachable.items())
        raise PlanError(
            f"no host of {environment.name} runs a release{reasons}",
            hint="`fab deploy` brings one, `fab doctor` finds out why a host can't be reached",
        )
    if moves:
        refuse_unseen(situation.unreachable)
    waves = rollout(moves, environment, pace, serving=len(serving(situation)))
    model = environment.model.served_name or environment.model.name
    last = finish(model, chat=chat)
    return Plan(
        title=f"restart the engines of {environment.name}",
        waves=(*held(waves), last) if waves else (),
        expects={move.host.name: move.facts.release for move in moves},
        notes=tuple(_notes(situation)),
        left_out=dict(situation.unreachable),
        afterwards=freed(waves),
    )


def plan_return(
    environment: Environment, before: Mapping[str, str | None], situation: Situation, pace: Pace
) -> Plan:
    """Bring every host back to what it ran *before* (host -> release), and into traffic.

    A host that ran nothing then is left as it is: there is nothing to return to.
    """
    moves = []
    for name, release in sorted(before.items()):
        facts = situation.facts.get(name)
        if facts is not None and release is not None and not _is_back(situation, name, release):
            moves.append(_move(situation, name, facts, why="goes back", wanted=release))
    # Whoever serves now may be the last one: going back must not be refused for that.
    calm = replace(pace, min_healthy=0)
    waves = rollout(moves, environment, calm, serving=len(serving(situation)))
    return Plan(
        title=f"bring {environment.name} back to what it ran",
        waves=held(waves),
        expects={move.host.name: move.facts.release for move in moves},
        notes=tuple(_notes(situation)),
        left_out={name: why for name, why in situation.unreachable.items() if before.get(name)},
        afterwards=freed(waves),
    )


def _move(
    situation: Situation, name: str, facts: HostFacts, *, why: str, wanted: str | None = None
) -> Move:
    host = next(host for host in situation.inventory if host.name == name)
    return Move(
        host=host,
        facts=facts,
        in_traffic=serves(host, situation),
        wanted=wanted or facts.release or "",
        why=why,
        restart=wanted is None,
    )


def _is_back(situation: Situation, name: str, release: str) -> bool:
    facts = situation.facts[name]
    agent = facts.agent or {}
    return (
        facts.release == release
        and agent.get("ready_for") == release
        and name in situation.in_traffic
    )


def _why(facts: HostFacts, older_than_s: float | None) -> str:
    """Why a host is restarted, "" when it is not."""
    if older_than_s is None:
        return "restart"
    ages = [
        float(replica["uptime_s"])
        for replica in (facts.agent or {}).get("replicas", ())
        if replica.get("uptime_s") is not None
    ]
    if ages and max(ages) <= older_than_s:
        return ""
    return f"runs for {max(ages) / 3600:.1f} h" if ages else "nobody knows for how long it runs"


def _notes(situation: Situation) -> Iterator[str]:
    for name, reason in situation.unreachable.items():
        yield f"{name} is left out: {reason.splitlines()[0]}"
    strange = sorted(
        name
        for name, facts in situation.facts.items()
        if situation.current and facts.release not in (None, situation.current)
    )
    if strange:
        names = ", ".join(strange)
        yield f"{names} do not run {situation.current}, which booting hosts take: `fab deploy`"
