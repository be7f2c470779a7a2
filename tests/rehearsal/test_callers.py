"""Schedules and alarms call functions as EventBridge and CloudWatch do."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from infra.alarms import Role, switch_alarms
from provision.config.load import REHEARSAL, load
from provision.switch.handler import cause_of
from rehearsal import callers
from rehearsal.alarm_model import State
from rehearsal.callers import Callers, every_s, judged, spec_of, tick, transition
from rehearsal.settings import Settings
from tests.infra.scenes import ROOT

ARN = "arn:aws:lambda:us-east-1:123456789012:function:llm-fleet-x-switch"
ALARM: dict[str, Any] = {
    "AlarmName": "llm-fleet-x-switch-canary",
    "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:llm-fleet-x-switch-canary",
    "Namespace": "llm-fleet/x",
    "MetricName": "CanaryOk",
    "Statistic": "Average",
    "ComparisonOperator": "LessThanOrEqualToThreshold",
    "Threshold": 0.5,
    "EvaluationPeriods": 1,
    "DatapointsToAlarm": 1,
    "TreatMissingData": "missing",
    "Period": 10,
}
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"), [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(1 hour)", 3600)]
)
def test_schedules(said: str, seconds: float) -> None:
    """As the program writes them."""
    assert every_s(said) == seconds


def test_a_schedule_that_nobody_knows() -> None:
    """It is said, not skipped."""
    with pytest.raises(ValueError, match="cron"):
        every_s("cron(0 12 * * ? *)")


def test_the_switch_understands_both_events() -> None:
    """They are what its handler is called with on AWS."""
    assert cause_of(tick("arn:rule", NOW)).stays
    cause = cause_of(transition(ALARM, "ALARM", "OK", NOW))
    assert cause.text == "alarm llm-fleet-x-switch-canary is ALARM"
    assert not cause.stays


@pytest.mark.parametrize(
    ("values", "before", "expected"),
    [
        ({100: 0.0}, "OK", "ALARM"),
        ({100: 0.5}, "OK", "ALARM"),
        ({100: 0.6}, "ALARM", "OK"),
        ({}, "OK", "INSUFFICIENT_DATA"),
    ],
)
def test_one_period_is_enough_for_the_canary(
    values: dict[int, float], before: State, expected: State
) -> None:
    """1 of 1, as it is declared."""
    assert judged(spec_of(ALARM), values, last=100, state=before) == expected


def test_every_alarm_of_the_switch_can_be_judged() -> None:
    """The words of its declaration are known here."""
    environment = load(REHEARSAL, folder=ROOT)
    known = switch_alarms(environment)
    assert set(known) == set(Role)
    for alarm in (one for some in known.values() for one in some):
        spec = spec_of(
            {
                **ALARM,
                "Statistic": alarm.series[0].statistic,
                "ComparisonOperator": alarm.comparison,
                "EvaluationPeriods": alarm.periods,
                "DatapointsToAlarm": alarm.datapoints,
                "Period": alarm.period_s,
                "TreatMissingData": alarm.missing,
            }
        )
        assert (spec.m, spec.n, spec.period_s) == (alarm.datapoints, alarm.periods, alarm.period_s)


class Called:
    """Who was called, with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, event: dict[str, Any]) -> None:
        self.calls.append((name, event))

    def wait_for(self, count: int) -> None:
        until = time.monotonic() + 30
        while len(self.calls) < count:
            assert time.monotonic() < until, self.calls
            time.sleep(0.05)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """moto on a port of the loopback, as the room's API."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    monkeypatch.setattr(Settings, "api", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(callers, "POLL_S", 0.05)
    yield Settings(state=tmp_path, hub=tmp_path)
    names = [ALARM["AlarmName"], "no-function"]
    client(Settings(state=tmp_path, hub=tmp_path), "cloudwatch").delete_alarms(AlarmNames=names)
    server.stop()


def client(settings: Settings, service: str) -> Any:
    return boto3.Session("testing", "testing", region_name="us-east-1").client(  # type: ignore[call-overload]
        service, endpoint_url=settings.api
    )


def calls_of(account: Settings) -> Called:
    """What is called until half a second after the first call."""
    called = Called()
    running = Callers(account, called, print)
    running.start()
    try:
        called.wait_for(1)
        time.sleep(0.5)
    finally:
        running.stop()
    return called


def test_what_agents_put_calls_the_function_once(
    account: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the transition, with the alarm's state written down; one that only tells people does not.

    Points are put into a period that has ended.
    """
    watch = client(account, "cloudwatch")
    alarm = {name: value for name, value in ALARM.items() if name != "AlarmArn"}
    watch.put_metric_alarm(**alarm, AlarmActions=[ARN])
    topic = "arn:aws:sns:us-east-1:123456789012:people"
    watch.put_metric_alarm(**{**alarm, "AlarmName": "no-function"}, AlarmActions=[topic])
    monkeypatch.setattr(callers, "ARRIVES_S", 0.0)
    last = int(time.time() // 10) - 1
    for period in (last, last + 1):
        watch.put_metric_data(
            Namespace="llm-fleet/x",
            MetricData=[
                {
                    "MetricName": "CanaryOk",
                    "Timestamp": datetime.fromtimestamp(period * 10 + 5, UTC),
                    "Values": [0.0],
                    "Counts": [2.0],
                    "StorageResolution": 1,
                }
            ],
        )
    called = calls_of(account)
    assert [(name, event["alarmData"]["state"]["value"]) for name, event in called.calls] == [
        ("llm-fleet-x-switch", "ALARM")
    ]
    states = {
        one["AlarmName"]: one["StateValue"] for one in watch.describe_alarms()["MetricAlarms"]
    }
    assert states[ALARM["AlarmName"]] == "ALARM"
    assert states["no-function"] == "OK"


def test_a_tick_comes_when_the_rule_is_there_and_then_a_minute_later(account: Settings) -> None:
    """Not with every look."""
    events = client(account, "events")
    events.put_rule(Name="tick", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="tick", Targets=[{"Id": "switch", "Arn": ARN}])
    try:
        called = calls_of(account)
    finally:
        events.remove_targets(Rule="tick", Ids=["switch"])
        events.delete_rule(Name="tick")
    ((name, event),) = called.calls
    assert name == "llm-fleet-x-switch"
    assert cause_of(event).text == "tick"
