"""A rolling restart, and the rest of one that broke off: values in, a Plan out."""

from __future__ import annotations

from provision.config.environment import Environment
from provision.errors import PlanError
from provision.facts.host import HostFacts
from provision.planning.finish import finish
from provision.planning.intent import Intent
from provision.planning.pace import Pace
from provision.planning.plan import Plan
from provision.planning.rollout import (
    eased,
    freed,
    grip,
    held,
    intend,
    odd_hosts,
    refuse_unseen,
    rollout,
)
from provision.planning.situation import Situation, premise, served, serving
from provision.planning.stations import Asked, Move, move

_CLOCKS_S = 2.0  # a host's facts and the lock's time are not read in one moment


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
        move(situation, name, why=why, restart=True, older_than_s=older_than_s)
        for name, facts in sorted(situation.facts.items())
        if facts.release is not None and (why := _why(facts, older_than_s))
    ]
    return _restart(environment, situation, pace, moves, chat=chat)


def plan_rest_of_restart(
    environment: Environment, situation: Situation, intent: Intent, *, elapsed_s: float
) -> Plan:
    """What a restart that began *elapsed_s* ago, and broke off, has not done yet.

    Engines that are younger than the rollout were started by it. Hosts that it left out of traffic
    are brought back.
    """
    moves = []
    for name, facts in sorted(situation.facts.items()):
        if facts.release is None or (name not in intent.before and not intent.whole):
            continue
        age = elapsed_s + _CLOCKS_S
        if name in intent.before and _why(facts, age):
            why = "was not restarted yet"
            moves.append(move(situation, name, why=why, restart=True, older_than_s=age))
        elif not served(name, facts.release, situation):
            moves.append(move(situation, name, why="goes on"))
    return _restart(environment, situation, intent.pace, moves, chat=intent.chat)


def _restart(
    environment: Environment, situation: Situation, pace: Pace, moves: list[Move], *, chat: bool
) -> Plan:
    if not any(facts.release for facts in situation.facts.values()):
        reasons = "".join(f"\n  {name}: {why}" for name, why in situation.unreachable.items())
        raise PlanError(
            f"no host of {environment.name} runs a release{reasons}",
            hint="`fab deploy` brings one, `fab doctor` finds out why a host can't be reached",
        )
    refuse_unseen(moves, situation.unreachable)
    ease = eased(pace, situation)
    model = environment.model.served_name or environment.model.name
    waves = rollout(
        moves, environment, ease, serving=len(serving(situation)), asked=Asked(None, chat)
    )
    processes = grip(situation)
    return Plan(
        title=f"restart the engines of {environment.name}",
        waves=(*held(waves, processes), finish(model, chat=chat)) if waves else (),
        expects={one.host.name: one.facts.release for one in moves},
        premise=premise(situation),
        notes=tuple(odd_hosts(situation)),
        left_out=dict(situation.unreachable),
        afterwards=freed(waves, processes),
        intent=intend(situation, pace, model, chat=chat) if waves else None,
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
