"""Rules of metrics and logs, and the table of all of CloudWatch's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.strict.alarms import PUT_METRIC_ALARM
from rehearsal.strict.dashboards import body
from rehearsal.strict.refusal import Look, Params, Refusal, Rule

RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
DATA_MAX = 1000
VALUES_MAX = 150
_LARGEST = 2.0**360


def metric_data(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """Numbers that CloudWatch can store, in a namespace that is not AWS's."""
    if params["Namespace"].startswith("AWS/"):
        return Refusal("InvalidParameterValue", f"the namespace {params['Namespace']} is AWS's")
    data = params.get("MetricData", ())
    if len(data) > DATA_MAX:
        return Refusal("InvalidParameterValue", f"{len(data)} data: {DATA_MAX} at most")
    for datum in data:
        for why in _wrong(datum):
            return Refusal("InvalidParameterValue", f"{datum['MetricName']}: {why}")
    return None


def _wrong(datum: Mapping[str, Any]) -> Iterator[str]:
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if len(given) != 1:
        yield "exactly one of Value, Values and StatisticValues"
    values, counts = datum.get("Values", ()), datum.get("Counts")
    if len(values) > VALUES_MAX:
        yield f"{len(values)} values: {VALUES_MAX} at most"
    if counts is not None and len(counts) != len(values):
        yield f"{len(counts)} counts for {len(values)} values"
    for value in (*values, *(counts or ()), datum.get("Value", 0.0)):
        if not math.isfinite(value) or abs(value) > _LARGEST:
            yield f"{value} can't be stored"
    if datum.get("StorageResolution", 60) not in (1, 60):
        yield f"StorageResolution {datum['StorageResolution']}: 1 or 60"


def retention(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Only certain numbers of days."""
    days = params["retentionInDays"]
    if days in RETENTION_DAYS:
        return None
    return Refusal("InvalidParameterException", f"{days} days: one of {RETENTION_DAYS}")


RULES: dict[tuple[str, str], tuple[Rule, ...]] = {
    ("cloudwatch", "PutMetricAlarm"): PUT_METRIC_ALARM,
    ("cloudwatch", "PutDashboard"): (body,),
    ("cloudwatch", "PutMetricData"): (metric_data,),
    ("logs", "PutRetentionPolicy"): (retention,),
}
