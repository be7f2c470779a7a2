"""What the agent shows to machines: its health in one word and a sentence, and its numbers."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Optional, Tuple

from provision.agent import exposition
from provision.agent.condition import Condition, condition
from provision.agent.host import Host
from provision.agent.host_metrics import Snapshot, families
from provision.agent.keys import KeyRing
from provision.agent.replicas import Replicas
from provision.agent.telling import Telling

_ENGINE = re.compile(r"/metrics/engine/(\d{1,3})")


class Pages:
    """``/healthz/deep``, ``/metrics`` and each engine's own ``/metrics/engine/N``."""

    def __init__(
        self,
        host: Host,
        replicas: Replicas,
        ring: KeyRing,
        telling: Telling,
        *,
        deep: Callable[[], Tuple[bool, str]],
        away: Callable[[], bool],
    ) -> None:
        self._host, self._replicas, self._ring = host, replicas, ring
        self._telling, self._deep, self._away = telling, deep, away
        self._started = host.clock.now()

    def health(self) -> Dict[str, Any]:
        """Whether the load balancer may send requests here; if not, why; and how the host is."""
        ready, reason = self._deep()
        return {"ready": ready, "reason": reason, "condition": self._condition(ready=ready).value}

    def text(self, path: str) -> Optional[Tuple[int, str]]:
        """A page for Prometheus with its status, None when there is no such page."""
        if path == "/metrics":
            return 200, exposition.text(families(self._snapshot()))
        match = _ENGINE.fullmatch(path)
        engine = self._replicas.engine(int(match.group(1))) if match else None
        if engine is None:
            return None
        said = engine.exposition()
        return (200, said) if said else (503, "the engine does not answer\n")

    def _condition(self, *, ready: bool) -> Condition:
        return condition(
            self._replicas.reports(),
            ready=ready,
            away=self._away(),
            now=self._host.clock.now(),
        )

    def _snapshot(self) -> Snapshot:
        settings, telling, ring = self._replicas.settings, self._telling, self._ring
        ready, _ = self._deep()
        return Snapshot(
            environment=self._host.settings.environment,
            release=self._replicas.release,
            model=settings.model if settings else None,
            condition=self._condition(ready=ready),
            ready=ready,
            away=self._away(),
            agent_started=self._started,
            keys=ring.count,
            keys_synced_at=ring.synced_at,
            replicas=self._replicas.reports(),
            engines=telling.ears.engines,
            answers=telling.traffic.answers(),
            probes=telling.traffic.probes,
            unreadable=telling.traffic.unreadable,
            gpus=telling.gpus,
            calls=telling.calls,
            lost=telling.lost,
        )
