"""What calls functions: schedules and alarms, which moto keeps and does not run.

Alarms are evaluated on what was really put, those that call a function and no others: people are
not told in a rehearsal. Metrics of AWS's own services do not come, so alarms on them see nothing.
"""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

from rehearsal.alarm_model import AlarmSpec, State, verdict
from rehearsal.ec2 import client
from rehearsal.settings import Settings

POLL_S = 1.0
ARRIVES_S = 3.0  # what was put within a period is looked at so long after its end
EXTRA_PERIODS = 2  # AWS does not say how many it retrieves beyond N
_LAMBDA = ":lambda:"
_EVERY = re.compile(r"rate\((\d+) (minute|hour)s?\)")
_COMPARISONS: Mapping[str, Literal["<", "<=", ">", ">="]] = {
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
}


def every_s(expression: str) -> float:
    """The seconds between two calls of ``rate(1 minute)``. Raises ValueError for another kind."""
    match = _EVERY.fullmatch(expression)
    if match is None:
        raise ValueError(f"a schedule that a rehearsal does not know: {expression}")
    return int(match[1]) * (60.0 if match[2] == "minute" else 3600.0)


def tick(rule_arn: str, at: datetime) -> dict[str, Any]:
    """What EventBridge sends on a schedule."""
    return {
        "version": "0",
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": [rule_arn],
        "detail": {},
    }


def transition(alarm: Mapping[str, Any], now: State, before: State, at: datetime) -> dict[str, Any]:
    """What CloudWatch sends to a function when an alarm's state changed."""
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "time": at.isoformat(),
        "alarmData": {
            "alarmName": alarm["AlarmName"],
            "state": {"value": now},
            "previousState": {"value": before},
        },
    }


def spec_of(alarm: Mapping[str, Any]) -> AlarmSpec:
    """An alarm on one metric, of DescribeAlarms' answer."""
    periods = int(alarm["EvaluationPeriods"])
    return AlarmSpec(
        name=alarm["AlarmName"],
        metric=alarm["MetricName"],
        statistic=alarm["Statistic"],
        comparison=_COMPARISONS[alarm["ComparisonOperator"]],
        threshold=float(alarm["Threshold"]),
        m=int(alarm.get("DatapointsToAlarm") or periods),
        n=periods,
        missing=cast(Any, alarm.get("TreatMissingData") or "missing"),
        period_s=int(alarm["Period"]),
    )


def judged(spec: AlarmSpec, values: Mapping[int, float], *, last: int, state: State) -> State:
    """The alarm's state, from the statistic by number of period; *last* is the newest complete."""
    periods = range(last - spec.n - EXTRA_PERIODS + 1, last + 1)
    points = [spec.breaches(values[one]) if one in values else None for one in periods]
    return verdict(points, m=spec.m, n=spec.n, missing=spec.missing, state=state)


@dataclass(slots=True)
class Callers:
    """Calls functions when they are due, in a thread of its own; *invoke* gets name and event."""

    settings: Settings
    invoke: Callable[[str, dict[str, Any]], None]
    say: Callable[[str], None]
    _due: dict[str, float] = field(default_factory=dict)
    _looked: dict[str, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._loop, name="callers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Call nobody any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        events, watch = client("events", self.settings), client("cloudwatch", self.settings)
        while not self._stop.wait(POLL_S):
            try:
                self._ticks(events, time.monotonic())
                self._alarms(watch, time.time())
            except Exception:
                self.say(f"callers: {traceback.format_exc()}")

    def _ticks(self, events: Any, now: float) -> None:
        for rule in events.list_rules()["Rules"]:
            if rule["State"] != "ENABLED" or "ScheduleExpression" not in rule:
                continue
            if now < self._due.get(rule["Arn"], 0.0):
                continue
            self._due[rule["Arn"]] = now + every_s(rule["ScheduleExpression"])
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                self._call(target["Arn"], tick(rule["Arn"], datetime.now(UTC)))

    def _alarms(self, watch: Any, now: float) -> None:
        for page in watch.get_paginator("describe_alarms").paginate():
            for alarm in page["MetricAlarms"]:
                calls = any(_LAMBDA in arn for arn in alarm["AlarmActions"])
                if calls and not alarm.get("Metrics"):
                    self._judge(watch, alarm, now)

    def _judge(self, watch: Any, alarm: Mapping[str, Any], now: float) -> None:
        spec = spec_of(alarm)
        last = int((now - ARRIVES_S) // spec.period_s) - 1
        if self._looked.get(spec.name) == last:
            return
        self._looked[spec.name] = last
        before: State = alarm["StateValue"]
        state = judged(spec, self._values(watch, alarm, spec, last), last=last, state=before)
        if state == before:
            return
        self.say(f"alarm {spec.name}: {before} -> {state}")
        watch.set_alarm_state(AlarmName=spec.name, StateValue=state, StateReason="evaluated")
        actions = {"ALARM": "AlarmActions", "OK": "OKActions"}
        named = alarm.get(actions.get(state, "InsufficientDataActions")) or ()
        for arn in named:
            if _LAMBDA in arn:
                self._call(arn, transition(alarm, state, before, datetime.now(UTC)))

    def _values(
        self, watch: Any, alarm: Mapping[str, Any], spec: AlarmSpec, last: int
    ) -> dict[int, float]:
        first = last - spec.n - EXTRA_PERIODS + 1
        said = watch.get_metric_data(
            MetricDataQueries=[
                {
                    "Id": "m",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": alarm["Namespace"],
                            "MetricName": alarm["MetricName"],
                            "Dimensions": alarm.get("Dimensions", []),
                        },
                        "Period": spec.period_s,
                        "Stat": spec.statistic,
                    },
                }
            ],
            StartTime=datetime.fromtimestamp(first * spec.period_s, UTC),
            EndTime=datetime.fromtimestamp((last + 1) * spec.period_s, UTC),
        )["MetricDataResults"][0]
        pairs: Sequence[tuple[datetime, float]] = zip(
            said["Timestamps"], said["Values"], strict=True
        )  # type: ignore[assignment]
        return {int(at.timestamp() // spec.period_s): value for at, value in pairs}

    def _call(self, arn: str, event: dict[str, Any]) -> None:
        """Nobody waits for it, as on AWS."""
        name = arn.rpartition(":")[2]
        threading.Thread(target=self.invoke, args=(name, event), daemon=True).start()
