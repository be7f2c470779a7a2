"""What the switch is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from provision.catalog.models import model
from provision.config.environment import Environment
from provision.config.fallback import FallbackSettings, WhenSpendUnknown
from provision.render.switch import HANDLER, VARIABLE, Found, switch_document
from provision.switch import handler, settings
from provision.switch.settings import parse
from tests.config.environments import SMALL

ALB = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
FOUND = Found(
    endpoint="https://llm.example.com",
    traffic_rule_arn=f"{ALB}:listener-rule/app/llm-fleet-prod/1/2/3",
    primary_target_group_arn=f"{ALB}:targetgroup/llm-fleet-prod-primary/1",
    fallback_target_group_arn=f"{ALB}:targetgroup/llm-fleet-prod-fallback/2",
    probe_key_secret="llm-fleet/prod/probe-key",
    topic_arn="arn:aws:sns:us-east-1:123456789012:llm-fleet-prod-alarms",
    asg_name="llm-fleet-prod",
)
ALARMS = {"canary": ("llm-fleet-prod-canary",), "errors": ("llm-fleet-prod-a", "llm-fleet-prod-b")}
AWAY = replace(
    SMALL,
    fallback=FallbackSettings(
        providers=("openai/gpt-4o-mini",),
        daily_usd=50.0,
        when_spend_unknown=WhenSpendUnknown.OPEN,
    ),
)


def document(environment: Environment = AWAY) -> str:
    return switch_document(environment, FOUND, model=model("mistral-7b"), alarms=ALARMS)


def test_the_document_is_the_reviewed_one() -> None:
    """Whole: resources, alarms by role, policy."""
    assert json.loads(document()) == {
        "environment": "prod",
        "model": "mistral-7b",
        "chat": True,
        "endpoint": "https://llm.example.com",
        "gateway": "https://llm.example.com",
        "traffic_rule_arn": FOUND.traffic_rule_arn,
        "primary_target_group_arn": FOUND.primary_target_group_arn,
        "fallback_target_group_arn": FOUND.fallback_target_group_arn,
        "probe_key_secret": "llm-fleet/prod/probe-key",
        "parameter_root": "/llm-fleet/prod",
        "topic_arn": FOUND.topic_arn,
        "alarms": {
            "canary": ["llm-fleet-prod-canary"],
            "errors": ["llm-fleet-prod-a", "llm-fleet-prod-b"],
        },
        "spend_table": "llm-fleet-prod-spend",
        "asg_name": "llm-fleet-prod",
        "aws_endpoint_url": None,
        "policy": {
            "partial_share": 70,
            "ramp": [5, 25, 50],
            "ramp_step_s": 60.0,
            "hold_s": 300.0,
            "hold_cap_s": 3600.0,
            "retrip_window_s": 3600.0,
            "trips_a_day": 4,
            "probes": 10,
            "probes_span_s": 60.0,
            "slo_ttft_s": 3.0,
            "token_deadline_s": 5.0,
            "hosted_deadline_s": 10.0,
            "proof_every_s": 300.0,
            "watch_when_well": True,
            "daily_cap_usd": "50.0",
            "trip_without_spend": True,
        },
    }


def test_the_program_reads_it() -> None:
    """And finds itself where Lambda looks for it."""
    read = parse(document())
    assert (read.endpoint, read.asg_name) == ("https://llm.example.com", "llm-fleet-prod")
    assert VARIABLE == settings.VARIABLE
    assert f"{handler.__name__}.{handler.handler.__name__}" == HANDLER


@pytest.mark.parametrize(("name", "chat"), [("mistral-7b", True), ("mistral-7b-base", False)])
def test_a_base_model_is_asked_to_go_on(name: str, chat: bool) -> None:
    """It has no chat endpoint worth a token."""
    served = replace(model("mistral-7b"), chat=chat, name=name)
    text = switch_document(AWAY, FOUND, model=served, alarms=ALARMS)
    assert parse(text).chat is chat


def test_the_name_that_clients_use_is_asked_for() -> None:
    """`model.served_name` wins."""
    named = replace(AWAY, model=replace(AWAY.model, served_name="ours"))
    assert parse(document(named)).model == "ours"


def test_the_largest_fits_into_lambda_s_variables() -> None:
    """4 KiB, with the longest names that AWS and an environment take, and alarms to spare."""
    many = {
        role: [f"llm-fleet-{'e' * 13}-{'a' * 60}"] * 3 for role in ("canary", "errors", "queue")
    }
    long = replace(FOUND, endpoint="https://" + "d" * 240)
    text = switch_document(AWAY, long, model=model("mistral-7b"), alarms=many)
    assert len(VARIABLE) + len(text) < 4096
