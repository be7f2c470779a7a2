"""What the watches hear of their engines, as numbers: canaries, queues, first tokens, restarts."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Dict, Mapping, Sequence

from provision.agent.engine import Verdict
from provision.agent.host_metrics import EngineCounts
from provision.agent.metrics import Metrics, first_tokens_since
from provision.agent.report import ReplicaReport
from provision.agent.roll import Roll, call
from provision.agent.telemetry import Ledger


@dataclass(frozen=True)
class Heard:
    """A canary of one engine: what came of it, and what the engine said of itself just before.

    ``started_at`` tells one start of the engine from the next.
    """

    index: int
    at: float
    started_at: str
    verdict: Verdict
    metrics: Metrics


class Ears:
    """Writes what is heard into a ledger, and counts it. Each watch has a thread of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._lock = threading.Lock()
        self._roll = Roll()
        self._last: Dict[int, Heard] = {}
        self._engines: Dict[int, EngineCounts] = {}
        self._changed = False

    @property
    def engines(self) -> Mapping[int, EngineCounts]:
        """What was counted of each engine."""
        with self._lock:
            return dict(self._engines)

    @property
    def has_served(self) -> bool:
        """An engine of this host was ready once: from then on silence would be a lie."""
        return bool(self._roll.served)

    @property
    def restarts(self) -> int:
        """Of all engines."""
        return sum(one.restarts for one in self.engines.values())

    def hear(self, heard: Heard) -> None:
        """Take note of a canary and of the gauges that came with it.

        One that never served is asked too, when it is late; that it is silent is no news.
        """
        verdict, metrics = heard.verdict, heard.metrics
        with self._lock:
            if heard.index not in self._roll.served:
                return
            self._roll = self._roll.heard(heard.index, heard.at)
            self._canary(heard.index, heard.at, verdict)
            for name, value in (
                ("Waiting", metrics.waiting),
                ("Running", metrics.running),
                ("KvUsage", metrics.kv_usage),
            ):
                if value is not None:
                    self.ledger.add(name, value, heard.at)
            before = self._last.get(heard.index)
            if before is not None and before.started_at == heard.started_at:
                for seconds, count in first_tokens_since(before.metrics, metrics):
                    self.ledger.add("FirstTokenSeconds", seconds, heard.at, count)
            self._last[heard.index] = heard

    def call_roll(
        self, reports: Sequence[ReplicaReport], *, away: bool, interval_s: float, now: float
    ) -> None:
        """Miss the canaries of engines that should serve and are down; see who started anew."""
        with self._lock:
            called = call(self._roll, reports, away=away, interval_s=interval_s, now=now)
            self._roll = called.roll
            for index in called.missed:
                self._canary(index, now, Verdict(False, 0.0, "it does not run"))
            for index in called.restarted:
                counts = self._of(index)
                self._engines[index] = replace(counts, restarts=counts.restarts + 1)

    def take_changed(self) -> bool:
        """Whether a canary's outcome was another one than the one before, since last asked."""
        with self._lock:
            changed, self._changed = self._changed, False
            return changed

    def _canary(self, index: int, at: float, verdict: Verdict) -> None:
        counts, token = self._of(index), verdict.ok and not verdict.busy
        self.ledger.add("CanaryOk", float(verdict.ok), at)
        if token:
            self.ledger.add("CanarySeconds", round(verdict.seconds, 4), at)
        result = "token" if token else "busy" if verdict.busy else "none"
        self._changed = self._changed or counts.ok is not verdict.ok
        self._engines[index] = replace(
            counts,
            canaries={**counts.canaries, result: counts.canaries[result] + 1},
            canary_s=counts.canary_s + (verdict.seconds if token else 0.0),
            ok=verdict.ok,
        )

    def _of(self, index: int) -> EngineCounts:
        return self._engines.get(index, EngineCounts({"token": 0, "busy": 0, "none": 0}))
