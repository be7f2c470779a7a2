"""Numbers on their way to CloudWatch, kept second by second until a call takes them. Pure."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

EVERY_S = 10.0

# Names are promises: alarms, dashboards and the switch look for them. docs/monitoring.md
UNITS: Mapping[str, str] = {
    "CanaryOk": "None",
    "CanarySeconds": "Seconds",
    "FirstTokenSeconds": "Seconds",
    "Waiting": "Count",
    "Running": "Count",
    "KvUsage": "None",
    "AnswersPrimary": "Count",
    "AnswersHosted": "Count",
    "AnswersStale": "Count",
    "Errors": "Count",
    "Restarts": "Count",
    "GpuUtilisation": "Percent",
    "GpuMemory": "Percent",
}

MOST = 5000
_DATA_A_CALL = 1000
_VALUES_A_DATUM = 150


@dataclass(frozen=True)
class Point:
    """What was measured of one metric in one second: values, and how often each."""

    name: str
    second: int
    counts: Tuple[Tuple[float, int], ...]


class Ledger:
    """What waits for the next call. Many threads may write.

    It holds so many values at *most*: when there are more, the oldest seconds go first, and are
    counted in ``lost``.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._seconds: Dict[int, Dict[str, Dict[float, int]]] = {}
        self._held = 0
        self.lost = 0

    def __len__(self) -> int:
        return self._held

    def add(self, name: str, value: float, at: float, count: int = 1) -> None:
        """Note *value*, *count* times. What is no number is left out: it would spoil the call."""
        if not math.isfinite(value) or count <= 0:
            return
        with self._lock:
            values = self._seconds.setdefault(int(at), {}).setdefault(name, {})
            self._held += value not in values
            values[value] = values.get(value, 0) + count
            while self._held > self._most:
                self._drop(min(self._seconds))

    def take(self) -> List[Point]:
        """Everything that waits, in the order of time; the ledger is empty afterwards."""
        with self._lock:
            taken, self._seconds, self._held = self._seconds, {}, 0
        return [
            Point(name, second, tuple(sorted(values.items())))
            for second in sorted(taken)
            for name, values in sorted(taken[second].items())
        ]

    def _drop(self, second: int) -> None:
        for values in self._seconds.pop(second).values():
            self._held -= len(values)
            self.lost += sum(values.values())


def calls(points: Sequence[Point]) -> List[List[Dict[str, Any]]]:
    """The ``MetricData`` of as many calls as it takes: one, unless the fleet is in turmoil."""
    data = [datum for point in points for datum in _data(point)]
    return [data[at : at + _DATA_A_CALL] for at in range(0, len(data), _DATA_A_CALL)]


def _data(point: Point) -> Iterator[Dict[str, Any]]:
    """Values with their counts rather than a summary, so that CloudWatch can tell percentiles."""
    for at in range(0, len(point.counts), _VALUES_A_DATUM):
        part = point.counts[at : at + _VALUES_A_DATUM]
        yield {
            "MetricName": point.name,
            "Timestamp": datetime.fromtimestamp(point.second, timezone.utc),
            "Values": [value for value, _ in part],
            "Counts": [float(count) for _, count in part],
            "Unit": UNITS[point.name],
            "StorageResolution": 1,
        }
