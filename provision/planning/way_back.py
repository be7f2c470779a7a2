"""The way back from a rollout: values in, a Plan out."""

from __future__ import annotations

from provision.config.environment import Environment
from provision.facts.host import HostFacts
from provision.planning.actions import SetCurrent
from provision.planning.intent import Intent
from provision.planning.plan import Plan, Step, Wave
from provision.planning.rollout import eased, freed, grip, held, odd_hosts, prepared, rollout
from provision.planning.situation import Situation, served, serving
from provision.planning.stations import move


def plan_return(environment: Environment, intent: Intent, situation: Situation) -> Plan:
    """Bring every host back to what it ran before the rollout of *intent*, and into traffic.

    First of all, booting hosts take again what they took then. A host that ran nothing is left as
    it is: there is nothing to return to. One that joined meanwhile, and took the rollout's
    release, gets what booting hosts take.
    """
    moves = []
    for name, facts in sorted(situation.facts.items()):
        release = _of_before(intent, name, facts)
        if release is not None and not served(name, release, situation):
            moves.append(move(situation, name, why="goes back", wanted=release))
    waves = rollout(
        moves,
        environment,
        eased(intent.pace, situation),
        serving=len(serving(situation)),
        whatever_serves=True,
    )
    processes = grip(situation)
    far = [one for one in moves if one.fetch]
    return Plan(
        title=f"bring {environment.name} back to what it ran",
        waves=(*_pointer(intent, situation), *prepared(far), *held(waves, processes)),
        expects={one.host.name: one.facts.release for one in moves},
        notes=tuple(odd_hosts(situation)),
        left_out={n: why for n, why in situation.unreachable.items() if intent.before.get(n)},
        afterwards=freed(waves, processes),
        intent=intent,
    )


def _pointer(intent: Intent, situation: Situation) -> tuple[Wave, ...]:
    moved = intent.release is not None and situation.current == intent.release
    if not moved or intent.current is None or intent.current == intent.release:
        return ()
    reason = f"booting hosts take {situation.current} now"
    pointer = SetCurrent(intent.current, before=intent.previous)
    step = Step(None, f"make {intent.current} current again", reason, pointer)
    return (Wave("booting hosts", (step,)),)


def _of_before(intent: Intent, name: str, facts: HostFacts) -> str | None:
    if name in intent.before:
        return intent.before[name]
    joined = intent.whole and intent.release is not None and facts.release == intent.release
    return intent.current if joined else None
