"""When an engine may take traffic: a pure state machine for one replica.

starting -> warming -> ready, and from any of them to hung, back to starting when the engine starts
anew, and to crash-loop, which only a new container leaves. Nothing is ready that was not warmed
after its last start, whoever started it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import List, Optional, Tuple

from provision.agent.engine import Verdict
from provision.agent.settings import LOOK_S, AgentSettings

_RETRY_WARM_UP_S = 5.0


class Phase(str, Enum):
    """Where a replica is."""

    STARTING = "starting"
    WARMING = "warming"
    READY = "ready"
    HUNG = "hung"
    CRASH_LOOP = "crash-loop"
    STOPPED = "stopped"


class Action(str, Enum):
    """What the caller is to do next; at most one of them takes long."""

    WARM_UP = "warm-up"
    CANARY = "canary"
    STOP = "stop"
    RESTART = "restart"


@dataclass(frozen=True)
class Observation:
    """One look at a replica. ``container`` is the container's id, None when there is none.

    ``healthy`` says that its port answers; ``warmed`` and ``canary`` are what came of the action
    that was asked for last.
    """

    container: Optional[str] = None
    started_at: str = ""
    running: bool = False
    will_restart: bool = False
    restart_count: int = 0
    exit_code: int = 0
    healthy: bool = False
    warmed: Optional[Verdict] = None
    canary: Optional[Verdict] = None


@dataclass(frozen=True)
class State:
    """What is remembered of a replica between two looks. Times are the caller's clock, seconds.

    ``exits`` are its deaths within the window, restarts of a hung engine among them; *restarting*
    from such a restart on until it is seen to have started.
    """

    phase: Phase = Phase.STARTING
    container: Optional[str] = None
    started_at: str = ""
    since: float = 0.0
    begun: float = 0.0
    restart_count: int = 0
    restarting: bool = False
    exits: Tuple[float, ...] = ()
    misses: int = 0
    healthy_at: Optional[float] = None
    ready_at: Optional[float] = None
    last_good: Optional[float] = None
    next_try: float = 0.0
    reason: str = ""


Step = Tuple[State, Tuple[Action, ...]]


def decide(state: State, seen: Observation, settings: AgentSettings, now: float) -> Step:
    """The next state of a replica and what is to be done."""
    if seen.container != state.container:
        state = State(
            container=seen.container,
            started_at=seen.started_at,
            since=now,
            begun=now,
            restart_count=seen.restart_count,
        )
        if _gave_up_before(seen, settings):
            return _to(state, Phase.CRASH_LOOP, now, _exit_reason(seen)), ()
    if state.phase is Phase.CRASH_LOOP:
        return _given_up(state, seen, settings, now)
    state = _count_exits(state, seen, settings, now)
    if len(state.exits) >= settings.crash.limit:
        return _give_up(state, seen, settings, now)
    if not seen.running:
        return _not_running(state, seen, now)
    if seen.started_at != state.started_at or state.phase is Phase.STOPPED:
        state = _started_anew(state, seen, now)
    return _BY_PHASE[state.phase](state, seen, settings, now)


def pause_s(state: State, pending: Observation, now: float) -> float:
    """How long to wait until the next look.

    None when something was answered that counts; never past the next canary.
    """
    if pending.canary is not None or pending.warmed is not None:
        return 0.0
    due_s = state.next_try - now
    return min(LOOK_S, due_s) if due_s > 0 else LOOK_S


def _starting(state: State, seen: Observation, settings: AgentSettings, now: float) -> Step:
    if seen.healthy:
        warming = replace(_to(state, Phase.WARMING, now, "warming up"), healthy_at=now)
        return warming, (Action.WARM_UP,)
    return _unless_late(state, settings, now)


def _warming(state: State, seen: Observation, settings: AgentSettings, now: float) -> Step:
    if seen.warmed is None:
        if now < state.next_try:
            return _unless_late(state, settings, now)
        return state, (Action.WARM_UP,)
    if seen.warmed.ok:
        ready = _to(state, Phase.READY, now, "")
        return replace(
            ready, ready_at=now, last_good=now, misses=0, next_try=now + settings.canary.interval_s
        ), ()
    failed = replace(state, reason=seen.warmed.reason, next_try=now + _RETRY_WARM_UP_S)
    return _unless_late(failed, settings, now)


def _ready(state: State, seen: Observation, settings: AgentSettings, now: float) -> Step:
    state = _count_canary(state, seen, now)
    if state.misses >= settings.canary.misses:
        state = _to(state, Phase.HUNG, now, f"{state.misses} canaries missed: {state.reason}")
    return _canary_if_due(state, settings, now)


def _hung(state: State, seen: Observation, settings: AgentSettings, now: float) -> Step:
    if seen.canary is not None and seen.canary.ok:
        warming = _to(state, Phase.WARMING, now, "answers again: warming up")
        return replace(warming, misses=0, begun=now), (Action.WARM_UP,)
    state = replace(_count_canary(state, seen, now), reason=state.reason)
    if now - state.since < settings.canary.restart_after_s:
        return _canary_if_due(state, settings, now)
    state = replace(state, exits=(*state.exits, now), since=now)
    if len(state.exits) >= settings.crash.limit:
        return _give_up(state, seen, settings, now)
    return replace(state, restarting=True), (Action.RESTART,)


_BY_PHASE = {
    Phase.STARTING: _starting,
    Phase.WARMING: _warming,
    Phase.READY: _ready,
    Phase.HUNG: _hung,
}


def _count_exits(state: State, seen: Observation, settings: AgentSettings, now: float) -> State:
    exits: List[float] = [at for at in state.exits if now - at <= settings.crash.window_s]
    if seen.restart_count < state.restart_count:
        # Somebody started it by hand, or this agent: Docker counts from zero again.
        exits = exits if state.restarting else []
        exits += [now] * seen.restart_count
    else:
        exits += [now] * (seen.restart_count - state.restart_count)
    return replace(state, exits=tuple(exits), restart_count=seen.restart_count)


def _given_up(state: State, seen: Observation, settings: AgentSettings, now: float) -> Step:
    """Stays down until a person starts it: then Docker counts its restarts from zero."""
    if not seen.running:
        return state, (Action.STOP,) if seen.will_restart else ()
    counts_anew = seen.restart_count < max(1, state.restart_count)
    if seen.started_at == state.started_at or not counts_anew:
        return state, (Action.STOP,)
    fresh = replace(_started_anew(state, seen, now), exits=(), restart_count=seen.restart_count)
    return _starting(fresh, seen, settings, now)


def _gave_up_before(seen: Observation, settings: AgentSettings) -> bool:
    """An agent that starts anew finds the engine that its predecessor gave up."""
    down = seen.container is not None and not seen.running and not seen.will_restart
    return down and seen.exit_code != 0 and seen.restart_count >= settings.crash.limit


def _give_up(state: State, seen: Observation, settings: AgentSettings, now: float) -> Step:
    reason = (
        f"the engine exited {len(state.exits)} times within {settings.crash.window_s:.0f} s "
        "and is stopped now"
    )
    if state.phase is Phase.HUNG:
        reason += f"; it hangs: {state.reason}"
    elif not seen.running:  # Docker may have started it again already: then the code says nothing
        reason += f"; {_exit_reason(seen)}"
    given_up = replace(state, started_at=seen.started_at, restarting=False)
    return _to(given_up, Phase.CRASH_LOOP, now, reason), (Action.STOP,)


def _not_running(state: State, seen: Observation, now: float) -> Step:
    if seen.container is None:
        return _to(state, Phase.STOPPED, now, "there is no engine container"), ()
    if seen.will_restart:
        return _to(state, Phase.STARTING, now, _exit_reason(seen)), ()
    return _to(state, Phase.STOPPED, now, _exit_reason(seen)), ()


def _started_anew(state: State, seen: Observation, now: float) -> State:
    fresh = _to(state, Phase.STARTING, now, "")
    return replace(
        fresh,
        started_at=seen.started_at,
        restarting=False,
        begun=now,
        since=now,
        misses=0,
        healthy_at=None,
        ready_at=None,
        last_good=None,
        next_try=0.0,
        reason="",
    )


def _unless_late(state: State, settings: AgentSettings, now: float) -> Step:
    if now - state.begun < settings.ready_timeout_s:
        return state, ()
    reason = f"not ready within {settings.ready_timeout_s:.0f} s"
    why = f"{reason}: {state.reason}" if state.reason else reason
    return _to(state, Phase.HUNG, now, why), ()


def _count_canary(state: State, seen: Observation, now: float) -> State:
    if seen.canary is None:
        return state
    if seen.canary.ok:
        return replace(state, misses=0, last_good=now, reason=seen.canary.reason)
    return replace(state, misses=state.misses + 1, reason=seen.canary.reason)


def _canary_if_due(state: State, settings: AgentSettings, now: float) -> Step:
    """The interval counts from one question to the next."""
    if now < state.next_try:
        return state, ()
    return replace(state, next_try=now + settings.canary.interval_s), (Action.CANARY,)


def _to(state: State, phase: Phase, now: float, reason: str) -> State:
    since = state.since if phase is state.phase else now
    return replace(state, phase=phase, since=since, reason=reason)


def _exit_reason(seen: Observation) -> str:
    return f"the engine's container ended with exit code {seen.exit_code}"
