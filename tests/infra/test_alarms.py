"""Alarms and dashboard: they ring for what is sent, and the switch finds its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pulumi import Output, ResourceOptions
from pulumi_aws.provider import Provider

from infra.alarms import alarms, switch_alarms
from infra.dashboard import Shown, dashboard_body
from infra.names import common_tags, metric_namespace
from infra.observability import Observability, ObservabilityArgs
from infra.series import Alarm, Series, Subject
from provision.agent.telemetry import UNITS
from provision.catalog.prices.load import load
from provision.config.environment import Environment
from provision.config.fallback import FallbackSettings
from provision.planning.cost.resources import metrics
from provision.switch.values import Role
from rehearsal.aws_resources.account import Account
from rehearsal.pulumi_engine import Engine, run_rehearsed
from rehearsal.pulumi_state import State
from tests.infra.scenes import ALL, described, scene
from tests.switch.closed_loop.loop import ALARMS as LOOP

ROOT = Path(__file__).resolve().parents[2]
SWITCH = "arn:aws:lambda:us-east-1:123456789012:function:llm-fleet-prod-switch"
HOSTED = FallbackSettings(providers=("openai/gpt-4o-mini",), daily_usd=5.0)
# What the switch and the gateway send (EMF), beside what hosts do.
SENT_BY_SWITCH = {"PrimaryShare", "Trips", "SwitchTokensGood", "HostedTokenGood"}
SENT_BY_GATEWAY = {
    *("StaleAnswers", "HostedSpendUsd", "HostedRefused", "ProviderFailed"),
    *("HostedCap80", "HostedCap100"),
}
SENT = {*UNITS, *SENT_BY_SWITCH, *SENT_BY_GATEWAY}
COMPARED = {"LessThanOrEqualToThreshold": "<=", "GreaterThanThreshold": ">"}


def hosted() -> Environment:
    return replace(described("prod"), fallback=HOSTED)


def own(environment: Environment) -> Iterator[Alarm]:
    """Every alarm."""
    yield from alarms(environment)
    for some in switch_alarms(environment).values():
        yield from some


def callers() -> set[str]:
    """Those whose action is the switch."""
    some = switch_alarms(hosted()).values()
    return {f"llm-fleet-prod-{alarm.name}" for role in some for alarm in role}


@cache
def made(switch_arn: str | None = SWITCH) -> list[dict[str, Any]]:
    """The alarms of an environment with a fallback, as moto has them behind the strict layer."""
    environment = hosted()

    def program() -> None:
        tags = {"tags": common_tags(environment)}
        provider = Provider("aws", region=environment.region, default_tags=tags)
        options = ResourceOptions(providers=[provider])
        parts = ["app/prod/1", "targetgroup/prod-primary/2", "targetgroup/prod-fallback/3"]
        key = "arn:aws:kms:us-east-1:123456789012:key/k"
        Observability(
            "observability",
            ObservabilityArgs(
                environment,
                Output.from_input(key),
                *[Output.from_input(part) for part in parts],
                Output.from_input("llm-fleet-prod"),
                Output.from_input(switch_arn) if switch_arn else None,
            ),
            options,
        )

    with mock_aws():
        account = Account(environment.region, load_balancer_address=None)
        engine = Engine(account, State(account, environment.name), lambda _: None)
        run_rehearsed(program, engine, project="llm-fleet", stack=environment.name)
        cloudwatch = boto3.client("cloudwatch", region_name=environment.region)
        found: list[dict[str, Any]] = cloudwatch.describe_alarms()["MetricAlarms"]
        return found


class TestAlarms:
    @pytest.mark.parametrize("environment", [described("prod"), hosted()], ids=["prod", "hosted"])
    def test_each_looks_at_what_somebody_sends(self, environment: Environment) -> None:
        """A misspelt metric never rings."""
        for alarm in own(environment):
            for series in alarm.series:
                if series.subject is Subject.OWN:
                    assert series.metric in SENT, alarm.name

    def test_short_periods_only_where_data_is_stored_by_the_second(self) -> None:
        """Which only the hosts' agents do."""
        for alarm in own(hosted()):
            if alarm.period_s < 60:
                assert all(series.metric in UNITS for series in alarm.series), alarm.name

    def test_those_of_the_switch_are_the_simulated_ones(self) -> None:
        """docs/fallback-switch.md has measured these numbers, and no others."""
        table = switch_alarms(hosted())
        assert {role.value for role in table} == {role.value for role in Role}
        for role, some in table.items():
            spec = LOOP[Role(role.value)]
            for alarm in some:
                (series,) = alarm.series
                said = (series.statistic, COMPARED[alarm.comparison], alarm.threshold)
                assert said == (spec.statistic, spec.comparison, spec.threshold)
                assert (alarm.datapoints, alarm.periods) == (spec.m, spec.n)
                assert (alarm.missing, alarm.period_s) == (spec.missing, spec.period_s)
                if spec.metric != "5xx":
                    assert series.metric == spec.metric

    def test_without_a_fallback_nobody_hears_of_one(self) -> None:
        """No alarm of the switch, none of hosted answers."""
        assert switch_alarms(described("prod")) == {}
        names = {alarm.name for alarm in alarms(described("prod"))}
        assert len(names) == 6
        assert len(list(own(hosted()))) == 6 + 10 + 5

    def test_what_is_looked_at_together_has_names(self) -> None:
        """A single series needs no expression, and several need one that uses each."""
        for alarm in own(hosted()):
            ids = [series.id for series in alarm.series]
            assert bool(alarm.expression) is (len(ids) > 1), alarm.name
            assert all(f"({each}," in alarm.expression for each in ids if len(ids) > 1)

    def test_aws_takes_them(self) -> None:
        """Each of them, past the strict layer; people hear of the end, the switch does not."""
        topic = "arn:aws:sns:us-east-1:123456789012:llm-fleet-prod-alarms"
        by_name = {alarm["AlarmName"]: alarm for alarm in made()}
        assert len(by_name) == len(list(own(hosted())))
        for name, alarm in by_name.items():
            ours = name in callers()
            assert alarm["AlarmActions"] == [SWITCH if ours else topic], name
            assert alarm["OKActions"] == ([] if ours else [topic]), name

    def test_without_a_function_the_switchs_alarms_call_nobody(self) -> None:
        """It looks at their states by itself."""
        quiet = [alarm for alarm in made(None) if alarm["AlarmName"] in callers()]
        assert len(quiet) == 5
        assert all(alarm["AlarmActions"] == [] for alarm in quiet)

    def test_those_of_the_fleet_have_no_dimensions(self) -> None:
        """One metric for all hosts: that is how they are sent."""
        by_name = {alarm["AlarmName"]: alarm for alarm in made()}
        canary = by_name["llm-fleet-prod-switch-canary"]
        assert (canary["Namespace"], canary["Dimensions"]) == ("llm-fleet/prod", [])
        share = by_name["llm-fleet-prod-hosted-share"]["Metrics"]
        looked_at = [query["MetricStat"]["Metric"] for query in share if "MetricStat" in query]
        assert [len(metric["Dimensions"]) for metric in looked_at] == [0, 0, 2]

    @pytest.mark.parametrize(
        ("primary", "spilled", "sent", "rings"),
        [
            (100, 5, 0, False),
            (100, 20, 0, True),
            (0, 0, 100, True),
            (None, None, 100, True),
            (100, None, None, False),
            (10, 9, 0, False),
            (None, None, None, False),
        ],
    )
    def test_the_hosted_share(
        self, primary: int | None, spilled: int | None, sent: int | None, rings: bool
    ) -> None:
        """Of what hosts passed on and of what the switch sent there; few requests say nothing."""
        (alarm,) = [each for each in alarms(hosted()) if each.name == "hosted-share"]
        value = evaluated(alarm.expression, p=primary, h=spilled, f=sent)
        assert (value > alarm.threshold) is rings

    @pytest.mark.parametrize(
        ("own_tokens", "hosted_token", "rings"),
        [(0, 0, True), (0, 1, False), (1, 0, False), (0, None, False), (None, None, False)],
    )
    def test_both_down(
        self, own_tokens: float | None, hosted_token: float | None, rings: bool
    ) -> None:
        """Both were asked, and none answered."""
        (alarm,) = [each for each in alarms(hosted()) if each.name == "both-down"]
        value = evaluated(alarm.expression, t=own_tokens, h=hosted_token)
        assert (value > alarm.threshold) is rings


def evaluated(expression: str, **series: float | None) -> float:
    """CloudWatch's metric math for one period, as far as the alarms use it."""
    python = expression.replace(" AND ", " and ")
    functions = {
        "FILL": lambda value, instead: instead if value is None else value,
        "IF": lambda condition, then, otherwise: then if condition else otherwise,
    }

    class Lazy(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            return functions[name]

    try:
        return float(eval(python, {"__builtins__": {}}, Lazy(series)))
    except ZeroDivisionError:  # CloudWatch has no value then, and IF does not look at it
        return 0.0


def test_the_page_describes_every_alarm_and_metric() -> None:
    """docs/monitoring.md: what rings when, and what is sent."""
    page = (ROOT / "docs" / "monitoring.md").read_text()
    names = {alarm.name for alarm in own(hosted())} | SENT
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_the_page_s_costs_are_the_previews() -> None:
    """By the number of hosts, at the bundled prices."""
    page = (ROOT / "docs" / "monitoring.md").read_text()
    services = load().services
    metric = services["cloudwatch.metric_month", "us-east-1"].usd
    call = services["cloudwatch.put_1k", "us-east-1"].usd
    once = metrics.of_fleet(described("prod")) * metric
    for hosts in (1, 2, 4, 8):
        calls = hosts * Decimal(730 * 3600) / metrics.TOLD_EVERY_S / 1000 * call
        assert f"| {hosts} | ${once:.2f} | ${calls:.2f} | ${once + calls:.2f} |" in page
    more = metrics.of_fleet(hosted()) - metrics.of_fleet(described("prod"))
    assert (more, metrics.OF_SWITCH) == (1, len(SENT_BY_SWITCH))


class TestDashboard:
    @pytest.mark.parametrize("name", ALL)
    def test_every_environment_has_one_that_cloudwatch_draws(self, name: str) -> None:
        """It went through the strict layer; here is what it may show."""
        body = json.loads(scene(name).one(":Dashboard").inputs["dashboardBody"])
        self.check(body, scene(name).environment)

    def test_with_a_fallback_it_shows_weights_and_money(self) -> None:
        """And only then."""
        with_it = self.metrics(hosted())
        assert {"PrimaryShare", "HostedSpendUsd", "AnswersHosted", "StaleAnswers"} <= with_it
        assert not with_it - self.metrics(described("prod")) - SENT
        assert "PrimaryShare" not in self.metrics(described("prod"))

    def test_widgets_do_not_cover_each_other(self) -> None:
        """Each has its own place on the grid."""
        widgets = json.loads(self.body(hosted()))["widgets"]
        places = {(widget["x"], widget["y"]) for widget in widgets}
        assert len(places) == len(widgets) == 15

    def metrics(self, environment: Environment) -> set[str]:
        body = json.loads(self.body(environment))
        self.check(body, environment)
        return {row[1] for widget in body["widgets"] for row in widget["properties"]["metrics"]}

    def check(self, body: dict[str, Any], environment: Environment) -> None:
        for widget in body["widgets"]:
            for namespace, metric, *_ in widget["properties"]["metrics"]:
                if not namespace.startswith("AWS/"):
                    assert namespace == metric_namespace(environment)
                    assert metric in SENT

    def body(self, environment: Environment) -> str:
        return dashboard_body(environment, Shown("app/a/1", "targetgroup/p/2", "tg/f/3", "group"))


def test_what_switch_and_gateway_send_is_what_their_code_says() -> None:
    """Their names stand in their own sources."""
    for folder, names in (("switch", SENT_BY_SWITCH), ("gateway", SENT_BY_GATEWAY)):
        text = "".join(path.read_text() for path in (ROOT / "provision" / folder).glob("*.py"))
        for name in names:
            stem = name.rstrip("0123456789")  # HostedCap80 is made of a name and a number
            assert f'"{stem}' in text, name


def test_one_series_is_enough_for_an_alarm() -> None:
    """Which is what most have; the id only matters in an expression."""
    assert Series(Subject.OWN, "Waiting", "Average").id == "m"
