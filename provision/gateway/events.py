"""One JSON line an event on standard output, for CloudWatch Logs.

Events that count or alarm also hold numbers in CloudWatch's embedded metric format, so that they
become metrics without a call.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any


class Events:
    """Where events go. Safe from many threads."""

    def __init__(
        self, environment: str, now: Callable[[], float], stream: IO[str] | None = None
    ) -> None:
        self._namespace = f"llm-fleet/{environment}"
        self._now = now
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()

    def say(self, event: str, *, metrics: Mapping[str, float] | None = None, **more: Any) -> None:
        """Write one line. *metrics* become metrics of the environment, without dimensions."""
        line: dict[str, Any] = {"at": round(self._now(), 3), "event": event, **more}
        if metrics:
            line = {**line, **metrics, "_aws": self._directive(metrics, line["at"])}
        with self._lock:
            print(json.dumps(line), file=self._stream, flush=True)

    def _directive(self, metrics: Mapping[str, float], at: float) -> dict[str, Any]:
        named = [{"Name": name} for name in metrics]
        told = {"Namespace": self._namespace, "Dimensions": [[]], "Metrics": named}
        return {"Timestamp": int(at * 1000), "CloudWatchMetrics": [told]}
