"""One word for how a host is: dead, hung and overloaded are not the same. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Sequence

from provision.agent.report import ReplicaReport
from provision.agent.supervise import Phase


class Condition(str, Enum):
    """How a host is; only the first two take traffic.

    Overloaded is not dead: whoever ejects a host for its load loads the others.
    """

    OK = "ok"
    OVERLOADED = "overloaded"
    STARTING = "starting"
    AWAY = "away"
    HUNG = "hung"
    DEAD = "dead"


_DEAD = (Phase.CRASH_LOOP, Phase.STOPPED)


def condition(
    reports: Sequence[ReplicaReport], *, ready: bool, away: bool, now: float
) -> Condition:
    """The host's condition, from each engine's; *away*: somebody took it away on purpose.

    A host that is ready is overloaded when all engines that serve were full or slow at their last
    canary. Of one that is not, the worst engine speaks.
    """
    if away:
        return Condition.AWAY
    if ready:
        serving = [one for one in reports if one.away is None and not one.problem(now)]
        busy = bool(serving) and all(one.busy for one in serving)
        return Condition.OVERLOADED if busy else Condition.OK
    phases = [one.state.phase for one in reports]
    if any(phase in _DEAD for phase in phases):
        return Condition.DEAD
    silent = any(one.state.phase is Phase.READY and one.problem(now) for one in reports)
    if Phase.HUNG in phases or (silent and not any(one.changing for one in reports)):
        return Condition.HUNG
    return Condition.STARTING
