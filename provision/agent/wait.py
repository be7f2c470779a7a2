"""Follow a host until its agent says ready for a release, or says that it never will be."""

from __future__ import annotations

import http.client
import json
from typing import Any, Callable, Dict, List, Mapping, Optional

from provision.agent.errors import AgentError
from provision.agent.events import Clock, Events

AGENT_PORT = 8081
_STEP_S = 1.0
_SETTLE_S = 30.0
_HOPELESS = ("crash-loop",)

AskStatus = Callable[[], Optional[Dict[str, Any]]]


def ask_status(port: int = AGENT_PORT) -> Optional[Dict[str, Any]]:
    """The agent's status document, None while it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", "/status")
        document: Dict[str, Any] = json.loads(connection.getresponse().read())
        return document
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def of_replica(ask: AskStatus, index: int) -> AskStatus:
    """The status of one engine, as if it were a host's only one; None without such an engine."""

    def narrowed() -> Optional[Dict[str, Any]]:
        status = ask()
        replicas = status["replicas"] if status else []
        for one in replicas:
            if status and one["index"] == index:
                alone = {**status, **one, "replicas": [one]}
                gone = {"ready_for": None, "reason": status["reason"]}
                return {**alone, **gone} if status.get("leaving") else alone
        return None

    return narrowed


def wait(
    release: str,
    timeout_s: float,
    *,
    ask: AskStatus,
    engine_log: Callable[[], List[str]],
    clock: Clock,
    events: Events,
) -> None:
    """Return when the agent is ready for *release*, having said so.

    Raises AgentError at once when the engine is given up or the host runs another release, and
    after *timeout_s* otherwise; its log holds the engine's last lines.
    """
    begun = clock.monotonic()
    said: Optional[str] = None
    status: Optional[Mapping[str, Any]] = None
    while True:
        status = ask()
        waited = clock.monotonic() - begun
        said = _say(events, status, said)
        if status and status["ready_for"] == release:
            events.emit(
                "ready",
                release=release,
                waterfall=status["waterfall"],
                kv_cache_tokens=status["kv_cache_tokens"],
            )
            return
        problem = hopeless(status, release, waited)
        if problem:
            raise _not_ready(problem, status, engine_log)
        if waited >= timeout_s:
            state = status["reason"] if status else "the agent does not answer"
            why = f"not ready for {release} after {waited:.0f} s: {state}"
            raise _not_ready(why, status, engine_log)
        clock.sleep(_STEP_S)


def hopeless(status: Optional[Mapping[str, Any]], release: str, waited_s: float) -> str:
    """Why waiting any longer makes no sense, empty while it does."""
    if status is None:
        return ""
    if status.get("leaving"):
        return f"this host is {status['reason']}"
    settled = waited_s >= _SETTLE_S
    if status["release"] != release:
        other = settled and status["release"] is not None
        return f"the host runs release {status['release']}, not {release}" if other else ""
    if status["state"] in _HOPELESS:
        return str(status["reason"] or "the engine is in a crash loop")
    if settled and status["state"] == "stopped":
        return f"the engine is stopped: {status['reason']}"
    return ""


def _say(events: Events, status: Optional[Mapping[str, Any]], said: Optional[str]) -> Optional[str]:
    state = status["state"] if status else "no-answer"
    reason = status["reason"] if status else "the agent does not answer yet"
    now = f"{state}: {reason}"
    if now != said:
        events.emit("state", state=state, reason=reason)
    return now


def _not_ready(
    problem: str, status: Optional[Mapping[str, Any]], engine_log: Callable[[], List[str]]
) -> AgentError:
    log = list(status["log"]) if status and status["log"] else engine_log()
    return AgentError(problem, hint="`fab logs` shows the engine's whole log", log=log)
