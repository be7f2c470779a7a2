"""Rules of alarms, metrics and logs."""

from __future__ import annotations

from rehearsal.strict.refusal import Look, Params, Refusal, Rule

HIGH_RESOLUTION_PERIODS = (10, 20, 30)
SECONDS_A_DAY = 86_400
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
_MISSING = ("breaching", "notBreaching", "ignore", "missing")


def period(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """10, 20, 30 seconds, or whole minutes."""
    seconds = params.get("Period")
    if seconds is None or seconds in HIGH_RESOLUTION_PERIODS or seconds % 60 == 0:
        return None
    return Refusal("ValidationError", f"period {seconds}: 10, 20, 30 or a multiple of 60")


def evaluation(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """M of N with M <= N, over a day at most (a week for periods of an hour)."""
    periods = int(params.get("EvaluationPeriods", 1))
    datapoints = int(params.get("DatapointsToAlarm", periods))
    if not 1 <= datapoints <= periods:
        return Refusal("ValidationError", f"{datapoints} datapoints of {periods} periods")
    seconds = params.get("Period", 60)
    longest = 7 * SECONDS_A_DAY if seconds >= 3600 else SECONDS_A_DAY
    if seconds * periods > longest:
        return Refusal("ValidationError", f"{periods} periods of {seconds} s are too long")
    return None


def statistic(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """One statistic, and one of the ways to read silence."""
    if "MetricName" in params and ("Statistic" in params) == ("ExtendedStatistic" in params):
        return Refusal("ValidationError", "exactly one of Statistic and ExtendedStatistic")
    missing = params.get("TreatMissingData", "missing")
    if missing not in _MISSING:
        return Refusal("ValidationError", f"TreatMissingData {missing!r}: {', '.join(_MISSING)}")
    return None


def retention(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Only certain numbers of days."""
    days = params["retentionInDays"]
    if days in RETENTION_DAYS:
        return None
    return Refusal("InvalidParameterException", f"{days} days: one of {RETENTION_DAYS}")


RULES: dict[tuple[str, str], tuple[Rule, ...]] = {
    ("cloudwatch", "PutMetricAlarm"): (period, evaluation, statistic),
    ("logs", "PutRetentionPolicy"): (retention,),
}
