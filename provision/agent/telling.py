"""Tells CloudWatch how this host is, every 10 s and at once when a canary's outcome changes.

Nothing waits for it: what can't be told is dropped, because the next call brings fresher numbers.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping, Optional, Sequence

from provision.agent import gpu_load
from provision.agent.errors import AgentError
from provision.agent.gpu_load import GpuLoad
from provision.agent.hearing import Ears
from provision.agent.host import Host
from provision.agent.replicas import Replicas
from provision.agent.settings import AgentSettings
from provision.agent.telemetry import EVERY_S, Point, calls
from provision.agent.traffic import Key, Traffic, since

_LOOK_S = 1.0
_TIERS = {"primary": "AnswersPrimary", "hosted": "AnswersHosted", "stale": "AnswersStale"}


class Telling:
    """Only one thread may call :meth:`turn`, and one :meth:`look_at_gpus`."""

    def __init__(
        self, host: Host, replicas: Replicas, ears: Ears, *, away: Callable[[], bool]
    ) -> None:
        self._host, self._replicas, self._away = host, replicas, away
        self._ledger = ears.ledger
        self.ears = ears
        self.traffic = Traffic()
        self.gpus: List[GpuLoad] = []
        self.calls: Dict[str, int] = {"ok": 0, "failed": 0}
        self._told: Mapping[Key, int] = {}
        self._told_restarts = 0
        self._dropped = 0
        self._next = 0.0
        self._said = False

    @property
    def lost(self) -> int:
        """Values that never got to CloudWatch."""
        return self._dropped + self._ledger.lost

    def run(self) -> None:
        """Tell until the process ends."""
        while True:
            try:
                self.turn()
            except Exception as error:  # the next turn tells what there is to tell then
                self._lose(f"{type(error).__name__}: {error}")
            self._host.clock.sleep(_LOOK_S)

    def turn(self) -> None:
        """Call the roll, and tell when it is time or when something changed."""
        settings = self._replicas.settings
        if settings is not None:
            self.ears.call_roll(
                self._replicas.reports(),
                away=self._away(),
                interval_s=settings.canary.interval_s,
                now=self._host.clock.now(),
            )
        due = self._host.clock.monotonic() >= self._next
        if due:
            self._next = self._host.clock.monotonic() + EVERY_S
        if self.ears.take_changed() or due:
            self._note_traffic(settings)
            self._tell(self._ledger.take())

    def watch_gpus(self) -> None:
        """Look at the GPUs until the process ends, or at once found that there are none."""
        while self.look_at_gpus():
            self._host.clock.sleep(EVERY_S)

    def look_at_gpus(self) -> bool:
        """One look; False on a host without any."""
        found = gpu_load.look(self._host.run)
        now = self._host.clock.now()
        self.gpus = found or []
        for one in self.gpus:
            for name, value in (("GpuUtilisation", one.utilisation), ("GpuMemory", one.memory)):
                if value is not None:
                    self._ledger.add(name, round(value, 1), now)
        return found is not None

    def _note_traffic(self, settings: Optional[AgentSettings]) -> None:
        """Once an engine of this host has served, zeros are told as well."""
        answers, restarts = self.traffic.answers(), self.ears.restarts
        came = since(self._told, answers)
        if came or self.ears.has_served:
            now = self._host.clock.now()
            expected = settings.tiers if settings else ()
            for tier, name in _TIERS.items():
                if tier in came or tier in expected:
                    self._ledger.add(name, came.get(tier, 0), now)
            self._ledger.add("Errors", came.get("errors", 0), now)
            self._ledger.add("Restarts", restarts - self._told_restarts, now)
        self._told, self._told_restarts = answers, restarts

    def _tell(self, points: Sequence[Point]) -> None:
        namespace = f"llm-fleet/{self._host.settings.environment}"
        for data in calls(points):
            try:
                self._host.cloud.put_metrics(namespace, data)
            except AgentError as error:
                self._dropped += int(sum(sum(datum["Counts"]) for datum in data))
                self.calls["failed"] += 1
                self._lose(error.reason, hint=error.hint)
            else:
                self.calls["ok"] += 1
                self._said = False

    def _lose(self, reason: str, *, hint: str = "") -> None:
        """Said once while it lasts."""
        if not self._said:
            self._said = True
            self._host.events.emit("trouble", reason=f"metrics are lost: {reason}", hint=hint)
