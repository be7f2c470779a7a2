"""The gateway's task, as values."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from provision.config.environment import Environment
from provision.config.fallback import FallbackSettings
from provision.render import gateway_task
from provision.render.front import TASK_PLACES
from provision.render.gateway_image import dockerfile
from tests.config.environments import SMALL

GPT, HAIKU = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"
MISTRAL = "bedrock/mistral.mistral-7b-instruct-v0:2"
PROFILE = "bedrock/eu.anthropic.claude-haiku-5-5"


def away(*providers: str, **said: Any) -> Environment:
    return replace(SMALL, fallback=FallbackSettings(providers=providers, daily_usd=5.0, **said))


def definitions(environment: Environment) -> list[dict[str, Any]]:
    return gateway_task.containers(
        environment,
        gateway_image="registry/gateway:1",
        front_image="registry/front:1",
        document="{}",
        nginx_config="events {}",
        log_group="/llm-fleet/prod/gateway",
    )


def test_the_front_waits_for_the_gateway_and_shares_its_folder() -> None:
    """It reads the hop secret there and asks there for keys; only it has a port."""
    gateway, front = definitions(away(GPT))
    assert front["dependsOn"] == [{"containerName": "gateway", "condition": "HEALTHY"}]
    assert gateway["mountPoints"][0]["containerPath"] == front["mountPoints"][0]["containerPath"]
    assert front["mountPoints"][0]["readOnly"] is True
    assert "portMappings" not in gateway
    assert front["portMappings"] == [{"containerPort": 8000, "protocol": "tcp"}]


def test_the_front_writes_to_memory_only() -> None:
    """Its own configuration too: the container's disk is closed."""
    _, front = definitions(away(GPT))
    assert front["readonlyRootFilesystem"] is True
    (script,) = front["command"]
    assert re.findall(r"> (\S+)", script) == [f"{TASK_PLACES.scratch}/nginx.conf"]


def test_a_task_has_the_time_that_fargate_gives() -> None:
    """For its last answers: at most two minutes."""
    quick = replace(away(GPT, timeout_s=10), engine=replace(SMALL.engine, longest_generation_s=30))
    assert gateway_task.stop_timeout_s(quick) == 40
    assert gateway_task.stop_timeout_s(away(GPT)) == 120


def test_the_image_and_the_task_ask_the_same_for_health() -> None:
    """One line in two places."""
    (gateway, _) = definitions(away(GPT))
    assert gateway["healthCheck"]["command"][-1] in dockerfile("python:3.12.12-slim-bookworm")


@mock_aws
def test_ecs_takes_it() -> None:
    """botocore and moto know every field of it."""
    ecs = boto3.client("ecs", region_name="us-east-1")
    made = ecs.register_task_definition(
        family="llm-fleet-prod-gateway",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="1024",
        memory="2048",
        volumes=[{"name": gateway_task.RUN_VOLUME}],
        containerDefinitions=definitions(away(GPT)),  # type: ignore[arg-type]
    )
    assert [c["name"] for c in made["taskDefinition"]["containerDefinitions"]] == [
        "gateway",
        "front",
    ]


def test_the_role_may_only_what_it_must() -> None:
    """Its keys by name, one counter, kept answers where there are any."""
    found = gateway_task.statements(away(GPT, HAIKU), account_id="123456789012")
    assert found == [
        {
            "Sid": "ReadKeys",
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue"],
            "Resource": [
                f"arn:aws:secretsmanager:us-east-1:123456789012:secret:llm-fleet/prod/{name}-??????"
                for name in ("client-keys", "openai-api-key", "anthropic-api-key")
            ],
        },
        {
            "Sid": "CountSpend",
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
            "Resource": ["arn:aws:dynamodb:us-east-1:123456789012:table/llm-fleet-prod-spend"],
        },
    ]


@pytest.mark.parametrize(
    ("provider", "resources"),
    [
        (
            MISTRAL,
            ["arn:aws:bedrock:us-east-1::foundation-model/mistral.mistral-7b-instruct-v0:2"],
        ),
        (
            PROFILE,
            [
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
                "eu.anthropic.claude-haiku-5-5",
                "arn:aws:bedrock:*::foundation-model/anthropic.claude-haiku-5-5",
            ],
        ),
    ],
)
def test_bedrock_is_asked_for_the_models_that_are_named(
    provider: str, resources: list[str]
) -> None:
    """And for no other; a profile of several regions needs the model in each of them."""
    *_, last = gateway_task.statements(
        away(provider, stale_answers=True), account_id="123456789012"
    )
    assert (last["Sid"], last["Resource"]) == ("AskBedrock", resources)


def test_tables_are_keyed_as_they_are_used() -> None:
    """Answers expire by themselves; what was spent does not."""
    assert gateway_task.tables(away(GPT)) == [
        {"name": "llm-fleet-prod-spend", "hash_key": "pk", "ttl": None}
    ]
    assert gateway_task.tables(away(GPT, stale_answers=True))[1] == {
        "name": "llm-fleet-prod-stale",
        "hash_key": "pk",
        "ttl": "expires",
    }
