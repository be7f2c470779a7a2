"""The budget that AWS watches: there when one is set, told to the topic that can hear it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.policies import key_policy, topic_policy
from provision.config.environment import BudgetSettings, Environment
from rehearsal.provisioning import provisioned
from rehearsal.strict import budgets as strict
from tests.infra.scenes import ALL, PUBLIC_KEY, Scene, described, scene

ACCOUNT = "123456789012"
NAME = "llm-fleet-public"
BUDGETS = "budgets.amazonaws.com"


@pytest.fixture(params=ALL)
def made(request: pytest.FixtureRequest) -> Scene:
    """Each environment in turn."""
    return scene(request.param)


def test_a_budget_is_there_when_one_is_set(made: Scene) -> None:
    """From the first `pulumi up`, and not without `budget.max_monthly_usd`."""
    wanted = made.environment.budget.max_monthly_usd is not None
    assert len(made.of(":Budget")) == len(made.of(":TopicPolicy")) == int(wanted)


def test_the_budget_counts_what_carries_the_environment_s_tag() -> None:
    """Amortised, so that a reservation counts month by month; without credits, which end."""
    found = scene("public").one("budget:Budget").inputs
    assert {k: v for k, v in found.items() if k not in {"notifications", "tags"}} == {
        "name": NAME,
        "accountId": ACCOUNT,
        "budgetType": "COST",
        "timeUnit": "MONTHLY",
        "limitAmount": "25000.00",
        "limitUnit": "USD",
        "costFilters": [{"name": "TagKeyValue", "values": ["user:llm-fleet:environment$public"]}],
        "costTypes": {"useAmortized": True, "includeCredit": False, "includeRefund": False},
    }


def test_the_budget_tells_topic_and_mail() -> None:
    """At 80 and 100 % of what was spent, and when the forecast passes the whole."""
    made = scene("public")
    alarms = made.one(":Topic", "observability-alarms").inputs["name"]
    said = made.one("budget:Budget").inputs["notifications"]

    assert [(n["notificationType"], n["threshold"], n["thresholdType"]) for n in said] == [
        ("ACTUAL", 80, "PERCENTAGE"),
        ("ACTUAL", 100, "PERCENTAGE"),
        ("FORECASTED", 100, "PERCENTAGE"),
    ]
    for each in said:
        (topic,) = each["subscriberSnsTopicArns"]
        assert topic.endswith(f":{alarms}")
        assert each["subscriberEmailAddresses"] == ["ops@example.com"]
        assert each["comparisonOperator"] == "GREATER_THAN"


def test_the_topic_takes_alarms_and_budgets_of_this_account_only() -> None:
    """A topic's policy replaces the one that lets alarms in: both must stand in it."""
    policy = json.loads(scene("public").one(":TopicPolicy").inputs["policy"])
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:{NAME}-alarms"
    allowed = {
        "cloudwatch.amazonaws.com": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{NAME}-*",
        "budgets.amazonaws.com": f"arn:aws:budgets::{ACCOUNT}:*",
    }
    found = {}
    for statement in policy["Statement"]:
        condition = statement["Condition"]
        assert (statement["Effect"], statement["Action"]) == ("Allow", ["sns:Publish"])
        assert statement["Resource"] == topic
        assert condition["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
        found[statement["Principal"]["Service"]] = condition["ArnLike"]["aws:SourceArn"]
    assert found == allowed


def test_every_alarm_s_name_is_one_that_the_topic_lets_in() -> None:
    """The policy knows them by the beginning of their names."""
    names = [alarm.inputs["name"] for alarm in scene("public").of(":MetricAlarm")]
    assert names
    assert all(name.startswith(f"{NAME}-") for name in names)


@pytest.mark.parametrize(("name", "budget"), [("public", True), ("prod", False)])
def test_the_key_serves_budgets_only_where_there_is_one(name: str, budget: bool) -> None:
    """Without the right to the key a budget's message never leaves."""
    policy = json.loads(scene(name).one(":Key").inputs["policy"])
    services = [s["Principal"].get("Service") for s in policy["Statement"]]
    assert ("budgets.amazonaws.com" in services) is budget
    assert "cloudwatch.amazonaws.com" in services


def test_moto_holds_the_budget() -> None:
    """Made through boto3, so that botocore has checked it."""
    with mock_aws():
        provisioned(limited(9000.5), public_key=PUBLIC_KEY)
        named = {"AccountId": ACCOUNT, "BudgetName": "llm-fleet-dev"}
        found = client("budgets").describe_budget(**named)["Budget"]
        notified = client("budgets").describe_notifications_for_budget(**named)["Notifications"]
    assert found["BudgetLimit"] == {"Amount": "9000.50", "Unit": "USD"}
    assert [(n["NotificationType"], n["Threshold"]) for n in notified] == [
        ("ACTUAL", 80.0),
        ("ACTUAL", 100.0),
        ("FORECASTED", 100.0),
    ]


@pytest.mark.parametrize(
    ("topic_open", "key_open", "why"),
    [
        (True, True, None),
        (False, True, f"-alarms does not let {BUDGETS} publish"),
        (
            True,
            False,
            f"the key of arn:aws:sns:us-east-1:{ACCOUNT}:x-alarms does not let {BUDGETS}",
        ),
    ],
)
def test_a_topic_that_budgets_can_t_reach(
    topic_open: bool, key_open: bool, why: str | None
) -> None:
    """AWS would take it, and nobody would ever hear: the strict layer refuses."""
    with mock_aws():
        key_text = json.dumps(key_policy(ACCOUNT, budget=key_open))
        key = client("kms").create_key(Policy=key_text)["KeyMetadata"]["Arn"]
        topic = client("sns").create_topic(Name="x-alarms", Attributes={"KmsMasterKeyId": key})
        arn = topic["TopicArn"]
        if topic_open:
            text = topic_policy(arn, account_id=ACCOUNT, region="us-east-1", prefix="x")
            client("sns").set_topic_attributes(
                TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(text)
            )
        told = {"Subscribers": [{"SubscriptionType": "SNS", "Address": arn}]}
        refusal = strict.topic_takes_it({"NotificationsWithSubscribers": [told]}, client)
    assert (refusal is None) == (why is None)
    assert refusal is None or (why or "") in refusal.message


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]


def limited(usd: float) -> Environment:
    return replace(described("dev"), budget=BudgetSettings(max_monthly_usd=usd))


def budget(**changes: Any) -> dict[str, Any]:
    """Parameters of CreateBudget that AWS takes."""
    notification = {
        "Notification": {
            "NotificationType": "ACTUAL",
            "ComparisonOperator": "GREATER_THAN",
            "Threshold": 80.0,
            "ThresholdType": "PERCENTAGE",
        },
        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "ops@example.com"}],
    }
    base = {
        "BudgetName": "x",
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "5", "Unit": "USD"},
        "CostFilters": {"TagKeyValue": ["user:a$b"]},
    }
    return {"Budget": {**base, **changes}, "NotificationsWithSubscribers": [notification]}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"BudgetLimit": {"Amount": "0", "Unit": "USD"}}, "'0' is no amount"),
        ({"BudgetLimit": {"Amount": "1e3", "Unit": "USD"}}, "'1e3' is no amount"),
        ({"CostTypes": {"UseAmortized": True, "UseBlended": True}}, "not both"),
        ({"CostFilters": {"TagKeyValue": ["a:b"]}}, "write user:key"),
    ],
)
def test_budgets_that_aws_refuses(change: dict[str, Any], why: str) -> None:
    """moto would take them."""
    assert strict.limit(budget(), boto3.client) is None
    refusal = strict.limit(budget(**change), boto3.client)
    assert refusal is not None
    assert why in refusal.message


def test_notifications_that_aws_refuses() -> None:
    """Twice the same; a second topic."""
    params = budget()
    (one,) = params["NotificationsWithSubscribers"]
    assert strict.notifications(params, boto3.client) is None
    twice = strict.notifications(
        {**params, "NotificationsWithSubscribers": [one, one]}, boto3.client
    )
    topic = {"SubscriptionType": "SNS", "Address": "arn"}
    topics = {**one, "Subscribers": [topic, topic]}
    many = strict.notifications({**params, "NotificationsWithSubscribers": [topics]}, boto3.client)
    assert twice is not None
    assert many is not None
    assert ("the same" in twice.message, "1 topic" in many.message) == (True, True)
