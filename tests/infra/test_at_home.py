"""While the fleet does not have all traffic, an `up` is refused: it would change what answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.program import declare
from provision.config.environment import Environment
from provision.config.fallback import FallbackSettings
from provision.errors import EXIT_REFUSED, Refused
from provision.facts.outputs import Outputs
from provision.switch.cloud import Cloud
from provision.switch.handler import Cause, Switch
from provision.switch.settings import parse
from provision.switch.values import Outcome
from rehearsal.provisioning import provision, provisioned_by
from rehearsal.strict.guard import guard_session
from tests.agent.fakes import FakeClock
from tests.infra.scenes import PUBLIC_KEY, described
from tests.switch.room import FakeAsker

OUTPUTS = "/llm-fleet/dev/outputs"


@pytest.fixture(scope="module")
def environment() -> Environment:
    """With a way out, as small as can be."""
    fallback = FallbackSettings(providers=("openai/gpt-4o-mini",), daily_usd=5.0)
    return replace(described("dev"), fallback=fallback)


@pytest.fixture(scope="module")
def outputs(environment: Environment) -> Iterator[Outputs]:
    """Of an environment that was provisioned once: there was nothing to ask yet."""
    with mock_aws():
        yield provision(environment, public_key=PUBLIC_KEY)


@pytest.fixture(autouse=True)
def at_home(outputs: Outputs) -> Iterator[None]:
    """The fleet has all traffic, before and after."""
    yield
    move(outputs, 100)


def move(outputs: Outputs, share: int) -> None:
    """What the switch does."""
    groups = (
        (outputs.primary_target_group_arn, share),
        (outputs.fallback_target_group_arn, 100 - share),
    )
    targets = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in groups]
    client("elbv2").modify_rule(
        RuleArn=outputs.traffic_rule_arn,
        Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}],
    )


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]


def test_at_home_an_up_goes_on(environment: Environment, outputs: Outputs) -> None:
    """And finds everything as it was."""
    assert provision(environment, public_key=PUBLIC_KEY) == outputs


@pytest.mark.parametrize("share", [0, 5, 70])
def test_away_an_up_is_refused(environment: Environment, outputs: Outputs, share: int) -> None:
    """After a trip, on the ramp and in an overload alike; with the way to do it all the same."""
    move(outputs, share)
    steps: list[str] = []
    with pytest.raises(Refused) as refused:
        provision(environment, public_key=PUBLIC_KEY, on_step=steps.append)
    assert refused.value.exit_code == EXIT_REFUSED
    assert f"has only {share} % of its traffic" in refused.value.message
    assert "LLM_FLEET_DURING_FALLBACK=1" in refused.value.hint
    assert steps == []


def test_a_file_without_fallback_is_asked_too(environment: Environment, outputs: Outputs) -> None:
    """Its `up` would take down what answers."""
    move(outputs, 0)
    with pytest.raises(Refused, match="has only 0 %"):
        provision(replace(environment, fallback=FallbackSettings()), public_key=PUBLIC_KEY)


def test_whoever_knows_may(environment: Environment, outputs: Outputs) -> None:
    """The weights stay as they are."""
    move(outputs, 0)
    made = provisioned_by(
        lambda: declare(environment, public_key=PUBLIC_KEY, during_fallback=True), environment
    )
    assert made.outputs == outputs
    (rule,) = client("elbv2").describe_rules(RuleArns=[outputs.traffic_rule_arn])["Rules"]
    weights = [g["Weight"] for g in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]]
    assert weights == [0, 100]


@pytest.mark.parametrize(
    "changed",
    [
        {"traffic_rule_arn": "arn:aws:elasticloadbalancing:us-east-1:1:listener-rule/app/x/1/1/1"},
        {"primary_target_group_arn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/x/1"},
        None,
    ],
)
def test_when_nobody_can_say_it_is_refused(
    environment: Environment, outputs: Outputs, changed: dict[str, str] | None
) -> None:
    """A rule that is gone or leads elsewhere, outputs that can't be read: unknown is not home."""
    whole = outputs.to_json()
    text = "{" if changed is None else json.dumps({**json.loads(whole), **changed})
    put(text)
    try:
        with pytest.raises(Refused, match="nobody can say where the traffic of dev is"):
            provision(environment, public_key=PUBLIC_KEY)
    finally:
        put(whole)


def test_the_switch_does_it_with_what_it_was_told(
    environment: Environment, outputs: Outputs
) -> None:
    """The function's own document, in the account that the program made: it trips on a canary and
    its own tokens, remembers, keeps the hosts, and from then on an `up` is refused."""
    assert outputs.fallback is not None
    function = client("lambda").get_function(FunctionName=outputs.fallback.switch_function)
    settings = parse(function["Configuration"]["Environment"]["Variables"]["SWITCH"])
    clock = FakeClock(1_795_230_000.0)
    asker = FakeAsker(clock, outcome=Outcome.FAILED)
    client("cloudwatch").set_alarm_state(
        AlarmName="llm-fleet-dev-switch-canary", StateValue="ALARM", StateReason="test"
    )
    session = guard_session(boto3.Session(region_name="us-east-1"))
    switch = Switch(settings, Cloud(settings, session), asker, clock)

    line = switch.run(Cause("a test"), ends=clock.monotonic() + 90)

    assert (line["applied"], line["weights"]["now"], line["problems"]) == ("done", [0, 100], [])
    assert line["signals"]["spent_usd"] == "0"
    hints = client("ssm").get_parameter(Name=outputs.fallback.hints_parameter)
    assert json.loads(hints["Parameter"]["Value"])["mode"] == "fallback"
    (group,) = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    suspended = {process["ProcessName"] for process in group["SuspendedProcesses"]}
    assert {"AlarmNotification", "ScheduledActions"} <= suspended
    with pytest.raises(Refused, match="has only 0 %"):
        provision(environment, public_key=PUBLIC_KEY)


def put(text: str) -> None:
    client("ssm").put_parameter(Name=OUTPUTS, Value=text, Type="String", Overwrite=True)
