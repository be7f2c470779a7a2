"""One replica, watched: look, decide, act, and remember what to tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Optional, Sequence

from provision.agent import engine_log
from provision.agent.before import Before, Window
from provision.agent.docker import Container, Docker
from provision.agent.engine import Engine, Verdict
from provision.agent.errors import AgentError
from provision.agent.events import Clock, Events
from provision.agent.hearing import Heard
from provision.agent.last_good import LastGood, Proof, limit
from provision.agent.metrics import Metrics
from provision.agent.paths import Paths
from provision.agent.report import ReplicaReport, epoch, uptime_s
from provision.agent.settings import AgentSettings, Replica
from provision.agent.supervise import Action, Observation, Phase, State, decide, pause_s

_LOG_LINES = 3000
_STOP_GRACE_S = 5.0
_UNKNOWN = (Phase.STARTING, Phase.WARMING)


class Watch:
    """Supervises one replica. :meth:`step` is one turn; only one thread may call it."""

    def __init__(
        self,
        replica: Replica,
        settings: AgentSettings,
        *,
        release: str,
        docker: Docker,
        engine: Engine,
        paths: Paths,
        clock: Clock,
        events: Events,
    ) -> None:
        self.container = replica.container
        self.index = replica.index
        self.release = release
        self._last_good = LastGood(paths.last_good)
        self._before = Before(paths.before)
        self._replica = replica
        self._settings = settings
        self._docker = docker
        self._engine = engine
        self._clock = clock
        self._events = events
        self._state = State(since=clock.now(), begun=clock.now())
        self._metrics = Metrics()
        self._window = Window()
        self._first_token_s: Optional[float] = None
        self._start_up: Dict[str, float] = {}
        self._kv_cache_tokens: Optional[int] = None
        self._container: Optional[Container] = None
        self._log: List[str] = []
        self._pending = Observation()
        self._heard: Optional[Heard] = None
        self._busy = False
        self._loading_seen = ""
        self._known = False

    def step(
        self, container: Optional[Container], *, away_since: Optional[float] = None
    ) -> Optional[Heard]:
        """Look at *container*, decide, and carry out what was decided (a warm-up takes long).

        An engine that ran before the host was taken away (*away_since*) is being emptied: it gets
        no canary, which nobody could tell from a client's request. What came of one is returned.
        """
        before, self._heard = self._state, None
        seen = self._observe(container)
        self._state, actions = decide(before, seen, self._settings, self._clock.now())
        self._container, self._pending = container, Observation()
        if self._state.started_at != before.started_at or container is None:
            self._forget()
        if seen.running and self._state.phase is Phase.STARTING:
            self._loading_seen = seen.started_at
        if self._state.phase is not before.phase:
            self._changed(before)
        # Until it was seen to load, or found warm or in trouble, nobody knows how warm it is.
        loading = bool(self._loading_seen) and self._loading_seen == self._state.started_at
        self._known = self._known or loading or self._state.phase not in _UNKNOWN
        emptied = away_since is not None and _started_before(container, away_since)
        if emptied and away_since is not None:
            served = self._window.served()
            self._before.note(away_since, self._settings.layout, self.index, served)
        for action in actions:
            if not (emptied and action is Action.CANARY):
                self._act(action)
        return self._heard

    @property
    def pause_s(self) -> float:
        """How long to wait until the next step."""
        return pause_s(self._state, self._pending, self._clock.now())

    def report(self) -> ReplicaReport:
        """What there is to tell of this replica now."""
        container = self._container
        return ReplicaReport(
            index=self.index,
            release=self.release,
            fresh_s=self._settings.canary.fresh_s,
            state=self._state,
            metrics=self._metrics,
            started_at=container.started_at if container else None,
            uptime_s=uptime_s(container, self._clock.now()),
            restarts=container.restart_count if container else 0,
            start_up=dict(self._start_up),
            kv_cache_tokens=self._kv_cache_tokens,
            log=tuple(self._log),
            first_token_s=self._first_token_s,
            known=self._known,
            busy=self._busy,
            container=container.id if container else None,
        )

    def _forget(self) -> None:
        """Another start: what was measured of the one before says nothing of it."""
        self._window.clear()
        self._busy = False
        self._first_token_s = None
        self._metrics = Metrics()

    def _observe(self, container: Optional[Container]) -> Observation:
        if container is None:
            return Observation()
        asking = self._state.phase in (Phase.STARTING, Phase.STOPPED, Phase.CRASH_LOOP)
        return replace(
            self._pending,
            container=container.id,
            started_at=container.started_at,
            running=container.running,
            will_restart=container.status in ("restarting", "created"),
            restart_count=container.restart_count,
            exit_code=container.exit_code,
            healthy=container.running and asking and self._engine.healthy(),
        )

    def _act(self, action: Action) -> None:
        try:
            if action is Action.WARM_UP:
                self._warm_up()
            elif action is Action.CANARY:
                self._canary()
            elif action is Action.STOP:
                self._docker.stop(self._replica.container, grace_s=_STOP_GRACE_S)
            elif action is Action.RESTART:
                self._events.emit("restarting", replica=self.index)
                self._docker.restart(self._replica.container, grace_s=_STOP_GRACE_S)
        except AgentError as error:
            self._events.emit("trouble", replica=self.index, reason=error.reason)

    def _warm_up(self) -> None:
        warmup = self._settings.warmup
        proof = self._last_good.proof(self._settings.layout)
        verdict = self._engine.warm_up(warmup, limit(warmup, proof))
        self._pending = replace(self._pending, warmed=verdict)
        if verdict.ok:
            self._start_up["warm_up"] = round(verdict.seconds, 3)
            self._first_token_s = verdict.first_token_s
            self._first_ever(proof)

    def _first_ever(self, proof: Optional[Proof]) -> None:
        """With nothing to measure it by, the first engine that gets warm is the measure."""
        layout, took_s = self._settings.layout, self._first_token_s
        if proof is None and layout and took_s is not None:
            self._last_good.remember(Proof(self.release, layout, took_s, self._clock.now()))

    def _canary(self) -> None:
        self._look_at_metrics()  # right before: the canary is late only if nothing moves from here
        verdict: Verdict = self._engine.canary(
            self._settings.canary.deadline_s, self._metrics.steps
        )
        self._pending = replace(self._pending, canary=verdict)
        self._busy = verdict.busy
        now, started_at = self._clock.now(), self._state.started_at
        self._heard = Heard(self.index, now, started_at, verdict, self._metrics)

    def _look_at_metrics(self) -> None:
        self._metrics = self._engine.metrics()
        self._window.add(self._clock.now(), self._metrics.served)

    def _changed(self, before: State) -> None:
        state = self._state
        if state.phase is Phase.WARMING and before.phase is not Phase.HUNG:
            self._read_start_up()
        if state.phase in (Phase.CRASH_LOOP, Phase.HUNG, Phase.STOPPED):
            since = self._container.started_at if self._container else ""
            self._log = engine_log.trouble(self._lines(since=since) or self._lines())
        elif state.phase is Phase.READY:
            self._log = []
            self._look_at_metrics()
        self._events.emit("state", replica=self.index, state=state.phase.value, reason=state.reason)

    def _read_start_up(self) -> None:
        """The parts of this start, from the engine's own log.

        How long the whole start took is known only to an agent that saw it load.
        """
        container = self._container
        since = container.started_at if container else ""
        parsed = engine_log.parse(self._lines(since=since))
        watched = bool(since) and since == self._loading_seen
        self._start_up = parsed.parts(uptime_s(container, self._clock.now()) if watched else None)
        self._kv_cache_tokens = parsed.kv_cache_tokens

    def _lines(self, *, since: str = "") -> Sequence[str]:
        try:
            return self._docker.logs(self._replica.container, tail=_LOG_LINES, since=since)
        except AgentError:
            return []


def _started_before(container: Optional[Container], moment: float) -> bool:
    started = epoch(container.started_at) if container else None
    return started is not None and started < moment
