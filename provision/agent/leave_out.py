"""One engine is away on purpose: the front leaves it out at once, and the others serve."""

from __future__ import annotations

from typing import Any, FrozenSet, List, Mapping, Optional

from provision.agent.errors import AgentError
from provision.agent.events import Clock
from provision.agent.maintenance import Maintenance, Mark
from provision.agent.out import Out
from provision.agent.paths import Paths
from provision.agent.wait import AskStatus, of_replica

_TAKE_IN_S = 20.0
_STEP_S = 0.5


def leave_out(
    paths: Paths,
    status: Optional[Mapping[str, Any]],
    index: int,
    *,
    now: float,
    lease_s: float,
    why: str,
) -> Mark:
    """Set, or renew, the mark of the engine *index*, and let the front know.

    Raises AgentError when no other engine would serve; *status* is the agent's document.
    """
    if status is None:
        raise AgentError(
            "the agent does not answer, so nobody knows who else serves",
            hint="systemctl status llm-fleet-agent on the host",
        )
    replicas: List[Mapping[str, Any]] = status["replicas"]
    if index not in [one["index"] for one in replicas]:
        raise AgentError(f"there is no replica {index}", hint="`fab status` shows them")
    if not any(_serves(one) for one in replicas if one["index"] != index):
        raise AgentError(
            f"without replica {index} nobody would serve on this host",
            hint="wait until another one is ready, or take the whole host away",
        )
    marks: List[Mark] = []

    def with_it(out: FrozenSet[int]) -> FrozenSet[int]:
        marks.append(Maintenance(paths.maintenance_of(index)).begin(now, lease_s=lease_s, why=why))
        return out | {index}

    Out(paths.out).update(with_it)
    return marks[0]


def take_in(paths: Paths, index: int, *, ask: AskStatus, clock: Clock) -> bool:
    """End the maintenance of the engine *index*; False when there was none.

    Returns when the front sends it requests again. Raises AgentError when it does not, because the
    engine is not ready, or the agent does not answer.
    """
    was_away = Maintenance(paths.maintenance_of(index)).end()
    until = clock.monotonic() + _TAKE_IN_S
    while True:
        status = of_replica(ask, index)()
        if status is not None and not status["replicas"][0]["out"]:
            return was_away
        if clock.monotonic() >= until:
            why = status["reason"] if status else "the agent says nothing of it"
            raise AgentError(
                f"replica {index} is left out still: {why}", hint="`fab status` shows its state"
            )
        clock.sleep(_STEP_S)


def _serves(replica: Mapping[str, Any]) -> bool:
    return replica["ready_for"] is not None and not replica["out"]
