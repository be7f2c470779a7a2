"""Wait until nothing runs or waits in any engine of this host, and nothing comes any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional, Sequence

from provision.agent.errors import AgentError
from provision.agent.events import Clock, Events
from provision.agent.metrics import Metrics

_LOOK_S = 0.25
_SAY_S = 5.0

Look = Callable[[], Sequence[Metrics]]


@dataclass(frozen=True)
class _Load:
    """What all engines together do. *steps* is None while one of them does not answer."""

    busy: Optional[int]
    steps: Optional[float]


def drain(look: Look, *, quiet_s: float, timeout_s: float, clock: Clock, events: Events) -> float:
    """Return the seconds that it took until every engine was idle for *quiet_s* on end.

    Idle is: no request runs or waits, and the step counter stands still, so that nothing came and
    went between two looks. An engine that does not answer carries nothing that could be lost by
    waiting no longer: it counts as idle. Raises AgentError when it is not so within *timeout_s*.
    """
    begun = clock.monotonic()
    quiet_since, said = begun, begun
    before = _load(look())
    while True:
        now = clock.monotonic()
        if not before.busy and now - quiet_since >= quiet_s:
            events.emit("drained", seconds=round(now - begun, 3))
            return now - begun
        if now - begun >= timeout_s:
            raise AgentError(
                f"{before.busy or 'some'} request(s) still run after {timeout_s:.0f} s",
                hint="is the host out of the load balancer? `fab status` shows running and waiting",
            )
        if before.busy and now - said >= _SAY_S:
            said = now
            events.emit("progress", phase="drain", running=before.busy)
        clock.sleep(_LOOK_S)
        after = _load(look())
        if after.busy or after.steps != before.steps:
            quiet_since = clock.monotonic()
        before = after


def _load(metrics: Sequence[Metrics]) -> _Load:
    answering = [one for one in metrics if one.running is not None]
    steps = [one.steps for one in answering if one.steps is not None]
    return _Load(
        busy=sum((one.running or 0) + (one.waiting or 0) for one in answering),
        steps=sum(steps) if steps else None,
    )
