"""Watch a host that came back into traffic: the first minutes show what a warm-up does not."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple

from provision.agent.errors import AgentError
from provision.agent.events import Clock, Events
from provision.agent.wait import AskStatus

_STEP_S = 1.0
_SILENT_S = 15.0


def bake(release: str, seconds: float, *, ask: AskStatus, clock: Clock, events: Events) -> None:
    """Return when the host was ready for *release* for *seconds* on end, having said so.

    Raises AgentError at the first sign that it is not: another release, an engine that is not
    ready, one that restarted, or an agent that says nothing for 15 s.
    """
    begun = heard = clock.monotonic()
    restarts: Optional[Tuple[int, ...]] = None
    while True:
        status, now = ask(), clock.monotonic()
        if status is not None:
            heard = now
            problem = _problem(status, release, restarts)
            if problem:
                log = list(status.get("log") or ())
                raise AgentError(f"{problem} after {now - begun:.0f} s", hint=_HINT, log=log)
            restarts = _restarts(status)
        elif now - heard >= _SILENT_S:
            raise AgentError(f"the agent says nothing for {_SILENT_S:.0f} s", hint=_HINT)
        if now - begun >= seconds:
            events.emit("baked", release=release, seconds=round(now - begun, 3))
            return
        clock.sleep(_STEP_S)


_HINT = "`fab logs` shows the engine's whole log"


def _problem(status: Mapping[str, Any], release: str, restarts: Optional[Tuple[int, ...]]) -> str:
    if status["release"] != release:
        return f"the host runs release {status['release']}, not {release},"
    if status["ready_for"] != release:
        return f"not ready any more: {status['reason']},"
    if restarts is not None and _restarts(status) != restarts:
        return "an engine restarted"
    return ""


def _restarts(status: Mapping[str, Any]) -> Tuple[int, ...]:
    return tuple(replica["restarts"] for replica in status["replicas"])
