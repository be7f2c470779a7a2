"""CloudWatch as its documentation describes it: metrics that arrive late, alarms that evaluate.

From the user guide ("Configuring how alarms treat missing data"): periods of 10 s are evaluated
every 10 s; M of N; when data is missing, older points are looked at as well, and the treatment of
missing data is used as few times as possible; actions run on transitions only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Missing = Literal["missing", "ignore", "breaching", "notBreaching"]
Statistic = Literal["Average", "Minimum", "Maximum", "Sum", "SampleCount"]


@dataclass(frozen=True)
class AlarmSpec:
    """An alarm as PutMetricAlarm takes it. *fill* is the metric math ``FILL(m, value)``."""

    name: str
    metric: str
    statistic: Statistic
    comparison: Literal["<", "<=", ">", ">="]
    threshold: float
    m: int
    n: int
    missing: Missing
    period_s: int = 10
    fill: float | None = None

    def breaches(self, value: float) -> bool:
        """Whether a data point is beyond the threshold."""
        if self.comparison == "<":
            return value < self.threshold
        if self.comparison == "<=":
            return value <= self.threshold
        return value > self.threshold if self.comparison == ">" else value >= self.threshold


class Metrics:
    """Data points by metric and period, each with the moment from which CloudWatch has it."""

    def __init__(self) -> None:
        self._points: dict[tuple[str, int, int], list[tuple[float, float]]] = defaultdict(list)
        self._periods: dict[str, int] = {}

    def watch(self, metric: str, period_s: int) -> None:
        """Sort the points of *metric* by periods of so many seconds from now on."""
        self._periods[metric] = period_s

    def put(self, metric: str, *, at: float, value: float, available_at: float) -> None:
        """Store a point with timestamp *at*."""
        period_s = self._periods[metric]
        self._points[metric, period_s, int(at // period_s)].append((available_at, value))

    def value(self, spec: AlarmSpec, period: int, now: float) -> float | None:
        """The statistic over what has arrived of a period, None when nothing has."""
        points = self._points.get((spec.metric, spec.period_s, period), ())
        values = [value for available_at, value in points if available_at <= now]
        if not values:
            return spec.fill
        if spec.statistic == "Average":
            return sum(values) / len(values)
        if spec.statistic == "SampleCount":
            return float(len(values))
        if spec.statistic == "Sum":
            return sum(values)
        return min(values) if spec.statistic == "Minimum" else max(values)


class AlarmModel:
    """One alarm. *extra* periods beyond N are retrieved: AWS does not say how many."""

    def __init__(self, spec: AlarmSpec, metrics: Metrics, *, extra: int = 2) -> None:
        self.spec = spec
        self.state: State = "OK"
        self._metrics, self._extra = metrics, extra
        metrics.watch(spec.metric, spec.period_s)

    def evaluate(self, now: float) -> bool:
        """Look at the complete periods up to *now*; whether the state changed."""
        spec = self.spec
        last = int(now // spec.period_s) - 1
        periods = range(last - spec.n - self._extra + 1, last + 1)
        values = [self._metrics.value(spec, period, now) for period in periods]
        points = [None if value is None else spec.breaches(value) for value in values]
        before = self.state
        self.state = verdict(points, m=spec.m, n=spec.n, missing=spec.missing, state=before)
        return self.state != before


def verdict(
    points: Sequence[bool | None], *, m: int, n: int, missing: Missing, state: State
) -> State:
    """The state for *points* of the evaluation range, oldest first: breaching, fine, or missing.

    *state* is the one before, which ``ignore`` keeps.
    """
    real = [point for point in points if point is not None]
    if len(real) >= n:
        return "ALARM" if sum(real[-n:]) >= m else "OK"
    filled = n - len(real)
    if missing == "breaching":
        return "ALARM" if sum(real) + filled >= m else "OK"
    if missing == "notBreaching" or sum(real) >= m:
        return "ALARM" if sum(real) >= m else "OK"
    if not all(real):
        return "OK"
    if missing == "ignore":
        return state
    # All that there is breaches: enough when the oldest of it is at least M periods old.
    oldest = next((len(points) - i for i, point in enumerate(points) if point is not None), 0)
    return "ALARM" if oldest >= m else "INSUFFICIENT_DATA"
