"""Whether an account can hold the fleet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.config.environment import (
    EngineSettings,
    Environment,
    FleetSettings,
    LoadBalancerSettings,
    ModelChoice,
)
from provision.facts.account import AccountFacts, Certificate, MachineImage
from provision.planning.account import judge
from provision.planning.finding import Finding, State
from provision.testing import samples

AMI = "ami-0123456789abcdef0"
ARN = "arn:aws:acm:us-east-1:123456789012:certificate/1"
FLEET = FleetSettings(instance_type="g5.xlarge", hosts=2, zones=2, ami=AMI)
ENVIRONMENT = samples.environment(
    fleet=FLEET, load_balancer=LoadBalancerSettings(certificate_arn=ARN)
)
GATED = ModelChoice("llama-3.1-8b")
GOOD = AccountFacts(
    identity="arn:aws:iam::123456789012:user/fleet",
    quota_vcpus=64.0,
    zones=("us-east-1a", "us-east-1b", "us-east-1c"),
    offered=("us-east-1a", "us-east-1b"),
    lambda_concurrency=1000,
    certificate=Certificate("ISSUED", "llm.example.com"),
    hub_token=True,
    image=MachineImage("Deep Learning Base AMI, NVIDIA driver 595.91.07", "available"),
    s3=True,
    ecr=True,
)


def judged(facts: AccountFacts, environment: Environment = ENVIRONMENT) -> dict[str, Finding]:
    return {found.check: found for found in judge(environment, facts)}


def fleet(**changes: Any) -> Environment:
    return replace(ENVIRONMENT, fleet=replace(FLEET, **changes))


def test_an_account_that_is_ready() -> None:
    """All checks are fine; the sentence has the figures."""
    found = judged(GOOD)

    assert {one.state for one in found.values()} == {State.OK}
    assert found["quota"].cause == (
        "8 of 64 (Running On-Demand G and VT instances) vCPUs, if nothing else runs"
    )
    assert found["driver-version"].cause == "R595; vllm/vllm-openai:v0.32.0 needs R580"


@pytest.mark.parametrize(
    ("check", "facts", "environment", "cause"),
    [
        (
            "quota",
            {"quota_vcpus": 4.0},
            ENVIRONMENT,
            "2 x g5.xlarge take 8 vCPUs, the account may run 4",
        ),
        (
            "quota",
            {"quota_vcpus": 8.0},
            fleet(max_hosts=3),
            "3 x g5.xlarge take 12 vCPUs, the account may run 8",
        ),
        (
            "quota",
            {"quota_vcpus": 0.0},
            fleet(instance_type="p4d.24xlarge", hosts=1),
            "1 x p4d.24xlarge take 96 vCPUs, the account may run 0 (Running On-Demand P",
        ),
        (
            "zones",
            {"offered": ("us-east-1a",)},
            ENVIRONMENT,
            "offered in us-east-1a of us-east-1; 2 zone(s) are wanted",
        ),
        ("zones", {"offered": ()}, ENVIRONMENT, "offered in none of us-east-1"),
        (
            "zones",
            {"zones": ("us-east-1b", "us-east-1c")},
            ENVIRONMENT,
            "offered in us-east-1b of",
        ),
        ("machine-image", {}, fleet(ami=None), "no machine image is pinned"),
        ("machine-image", {"image": None}, ENVIRONMENT, f"{AMI} is not in us-east-1"),
        (
            "machine-image",
            {"image": MachineImage("old", "deregistered")},
            ENVIRONMENT,
            "deregistered",
        ),
        (
            "driver-version",
            {"image": MachineImage("Base AMI (Nvidia Driver version: 570.86.15)", "available")},
            ENVIRONMENT,
            "driver R570 is older than R580",
        ),
        (
            "certificate",
            {"certificate": Certificate("PENDING_VALIDATION", "llm.example.com")},
            ENVIRONMENT,
            "PENDING_VALIDATION",
        ),
        (
            "certificate",
            {},
            replace(ENVIRONMENT, region="eu-central-1"),
            "is not in eu-central-1, where the load balancer is",
        ),
        (
            "hub-token",
            {"hub_token": False},
            replace(ENVIRONMENT, model=GATED),
            "llama-3.1-8b is gated, and llm-fleet/test/hub-token is empty",
        ),
    ],
)
def test_a_fault(check: str, facts: dict[str, Any], environment: Environment, cause: str) -> None:
    """Found before `pulumi up`, with the command that mends it."""
    found = judged(replace(GOOD, **facts), environment)[check]

    assert (check, found.state) == (check, State.FAILED)
    assert cause in found.cause
    assert found.command


@pytest.mark.parametrize(
    ("check", "field"),
    [
        ("credentials", "identity"),
        ("quota", "quota_vcpus"),
        ("zones", "offered"),
        ("machine-image", "image"),
        ("certificate", "certificate"),
        ("lambda-concurrency", "lambda_concurrency"),
        ("s3", "s3"),
        ("ecr", "ecr"),
    ],
)
def test_a_refusal_is_unknown(check: str, field: str) -> None:
    """Rights that one lacks are no fault of the account; AWS's words are shown."""
    facts = replace(GOOD, **{field: None}, errors={field: "AccessDenied"})
    found = judged(facts)[check]

    assert (found.state, found.cause) == (State.UNKNOWN, "AccessDenied")


@pytest.mark.parametrize(
    ("check", "facts", "environment", "cause"),
    [
        (
            "driver-version",
            {"image": MachineImage("Deep Learning Base AMI 20261010", "available")},
            ENVIRONMENT,
            "does not tell its driver",
        ),
        (
            "driver-version",
            {},
            replace(ENVIRONMENT, engine=EngineSettings(image="my/engine:1")),
            "my/engine:1 does not tell",
        ),
        (
            "quota",
            {},
            fleet(instance_type="x1.unheard-of"),
            "x1.unheard-of is not known here",
        ),
        (
            "hub-token",
            {"hub_token": None},
            replace(ENVIRONMENT, model=GATED),
            "`pulumi up` makes llm-fleet/test/hub-token",
        ),
        (
            "hub-token",
            {"hub_token": None},
            replace(ENVIRONMENT, model=ModelChoice("org/unheard-of")),
            "is perhaps gated",
        ),
    ],
)
def test_what_nobody_can_say(
    check: str, facts: dict[str, Any], environment: Environment, cause: str
) -> None:
    """No guess: unknown, with where to look."""
    found = judged(replace(GOOD, **facts), environment)[check]

    assert (check, found.state) == (check, State.UNKNOWN)
    assert cause in found.cause


def test_what_is_not_needed_is_fine() -> None:
    """An internal load balancer has no certificate, an open model needs no token."""
    environment = replace(
        ENVIRONMENT, load_balancer=LoadBalancerSettings(), model=ModelChoice("qwen3-8b")
    )
    found = judged(replace(GOOD, certificate=None, hub_token=None), environment)

    assert found["certificate"].state is State.OK
    assert found["hub-token"].state is State.OK


def test_a_small_lambda_limit_is_said_and_is_no_fault() -> None:
    """New accounts have ten; the switch does without a reservation."""
    found = judged(replace(GOOD, lambda_concurrency=10))["lambda-concurrency"]

    assert found.state is State.OK
    assert found.cause.startswith("10 at once: too few to reserve any")
