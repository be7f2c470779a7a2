"""Rules of alarms: periods, how many of them, statistics, expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rehearsal.strict.refusal import Look, Params, Refusal, Rule

HIGH_RESOLUTION_PERIODS = (10, 20, 30)
SECONDS_A_DAY = 86_400
METRICS_MAX = 10
_MISSING = ("breaching", "notBreaching", "ignore", "missing")
_SIMPLE = ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic")
_ID = re.compile(r"^[a-z][a-zA-Z0-9_]*$")
_NAME = re.compile(r"\b[a-z][a-zA-Z0-9_]*\b(?!\s*\()")
_PERCENTILE = re.compile(r"^p(\d{1,2}(\.\d{1,10})?|100)$")
_STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


def period(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """10, 20, 30 seconds, or whole minutes; one period for all that an alarm looks at."""
    found = {int(seconds) for seconds in _periods(params)}
    for seconds in sorted(found):
        if seconds not in HIGH_RESOLUTION_PERIODS and seconds % 60:
            return _refused(f"period {seconds}: 10, 20, 30 or a multiple of 60")
    return _refused(f"several periods: {sorted(found)}") if len(found) > 1 else None


def resolution(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """AWS's own metrics are stored by the minute: a shorter period never has data."""
    for namespace, seconds in _looked_at(params):
        if namespace.startswith("AWS/") and seconds < 60:
            return _refused(f"{namespace} has no metrics of high resolution: period {seconds}")
    return None


def evaluation(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """M of N with M <= N, over a day at most (a week for periods of an hour)."""
    periods = int(params.get("EvaluationPeriods", 1))
    datapoints = int(params.get("DatapointsToAlarm", periods))
    if not 1 <= datapoints <= periods:
        return _refused(f"{datapoints} datapoints of {periods} periods")
    seconds = max(_periods(params), default=60)
    longest = 7 * SECONDS_A_DAY if seconds >= 3600 else SECONDS_A_DAY
    if seconds * periods > longest:
        return _refused(f"{periods} periods of {seconds} s are too long")
    return None


def statistic(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """One statistic, and one of the ways to read silence."""
    if "MetricName" in params and ("Statistic" in params) == ("ExtendedStatistic" in params):
        return _refused("exactly one of Statistic and ExtendedStatistic")
    missing = params.get("TreatMissingData", "missing")
    if missing not in _MISSING:
        return _refused(f"TreatMissingData {missing!r}: {', '.join(_MISSING)}")
    return None


def expression(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Metrics or a metric, not both; one result; names that the expression may use."""
    if ("Metrics" in params) == ("MetricName" in params):
        return _refused("exactly one of MetricName and Metrics")
    queries: list[dict[str, Any]] = params.get("Metrics", [])
    both = [name for name in _SIMPLE if name in params] if queries else []
    if both:
        return _refused(f"Metrics do not go with {', '.join(both)}")
    return next((_refused(why) for why in _wrong(queries)), None)


def _wrong(queries: list[dict[str, Any]]) -> Iterator[str]:
    ids = [query["Id"] for query in queries]
    metrics = [query for query in queries if "MetricStat" in query]
    if len(metrics) > METRICS_MAX:
        yield f"an alarm looks at {METRICS_MAX} metrics at most"
    if len(set(ids)) < len(ids) or not all(_ID.match(each) for each in ids):
        yield f"ids {ids}: different ones, each beginning with a small letter"
    if queries and sum(bool(query.get("ReturnData", True)) for query in queries) != 1:
        yield "exactly one of the queries returns data"
    for query in queries:
        if ("Expression" in query) == ("MetricStat" in query):
            yield f"{query['Id']} is a metric or an expression"
        unknown = set(_NAME.findall(query.get("Expression", ""))) - set(ids)
        if unknown:
            yield f"{query['Id']} uses {', '.join(sorted(unknown))}: no such id"
        stat = query.get("MetricStat", {}).get("Stat", "Sum")
        if stat not in _STATISTICS and not _PERCENTILE.match(stat):
            yield f"{query['Id']}: no such statistic {stat!r}"


def _looked_at(params: Params) -> Iterator[tuple[str, int]]:
    if "MetricName" in params:
        yield str(params.get("Namespace", "")), int(params.get("Period", 60))
    for query in params.get("Metrics", ()):
        stat = query.get("MetricStat")
        if stat:
            yield str(stat["Metric"].get("Namespace", "")), int(stat["Period"])


def _periods(params: Params) -> list[int]:
    return [seconds for _, seconds in _looked_at(params)]


def _refused(why: str) -> Refusal:
    return Refusal("ValidationError", why)


PUT_METRIC_ALARM: tuple[Rule, ...] = (period, resolution, evaluation, statistic, expression)
