"""Who of the engines should answer and gives no canary of its own, and who started anew: pure.

A watch asks only an engine that is up for a token. One that served and is down, loads or is warmed
again misses its canaries all the same: clients find nobody there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, FrozenSet, List, Mapping, Sequence, Tuple

from provision.agent.report import ReplicaReport
from provision.agent.supervise import Phase

_ASKED = (Phase.READY, Phase.HUNG)
Start = Tuple[str, str]


@dataclass(frozen=True)
class Roll:
    """What is remembered of the engines between two calls, by their index.

    ``served`` were ready once since this agent runs: an engine that still comes up on a new host
    is missed by nobody. ``said`` is when each last had a canary, its own or a missed one.
    """

    served: FrozenSet[int] = frozenset()
    said: Mapping[int, float] = field(default_factory=dict)
    starts: Mapping[int, Start] = field(default_factory=dict)

    def heard(self, index: int, now: float) -> Roll:
        """An engine had a canary of its own."""
        return Roll(self.served, {**self.said, index: now}, self.starts)


@dataclass(frozen=True)
class Called:
    """What came of a roll call: canaries that are *missed*, and engines that *restarted*."""

    roll: Roll
    missed: Tuple[int, ...]
    restarted: Tuple[int, ...]


def call(
    roll: Roll,
    reports: Sequence[ReplicaReport],
    *,
    away: bool,
    interval_s: float,
    now: float,
) -> Called:
    """Call the roll. Whoever is *away* on purpose is not missed.

    An engine restarted when its container is the same and has another start: whoever did it,
    Docker, the agent or a person. A release brings a new container.
    """
    ready = {one.index for one in reports if one.state.phase is Phase.READY}
    served = roll.served | ready
    said: Dict[int, float] = dict(roll.said)
    missed: List[int] = []
    for one in reports:
        absent = away or one.away is not None or one.changing or one.index not in served
        if absent or one.state.phase in _ASKED:
            continue
        if now - said.get(one.index, 0.0) >= interval_s:
            said[one.index] = now
            missed.append(one.index)
    starts = {one.index: (one.container, one.started_at) for one in reports if one.container}
    known = {index: (box, start or "") for index, (box, start) in starts.items()}
    restarted = [
        index
        for index, (box, start) in known.items()
        if roll.starts.get(index, ("", ""))[0] == box and roll.starts[index][1] != start
    ]
    return Called(Roll(served, said, {**roll.starts, **known}), tuple(missed), tuple(restarted))
