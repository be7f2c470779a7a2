"""What the gateway shall be is what ``pulumi up`` describes; what it is, AWS says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.catalog.prices.load import load
from provision.config.environment import Environment
from provision.errors import CloudError, ConfigError
from provision.executor.gateway_now import look, target_of
from provision.facts.gateway import TaskDefinition
from provision.planning.gateway import Gateway
from provision.render.gateway_task import containers
from provision.testing import samples
from provision.testing.cloud import FakeCloud
from provision.testing.gateway import FakeGateway

ENVIRONMENT = samples.environment(fallback=samples.fallback())
OUTPUTS = replace(samples.outputs(), fallback=samples.fallback_outputs())
OLD, NEW = TaskDefinition("arn:gateway:1", {}), TaskDefinition("arn:gateway:2", {})
OPENAI, ANTHROPIC = "llm-fleet/test/openai-api-key", "llm-fleet/test/anthropic-api-key"


def seen(service: FakeGateway, cloud: FakeCloud, environment: Environment = ENVIRONMENT) -> Gateway:
    return look(environment, cloud=cloud, service=service, book=load())


def test_what_is_there() -> None:
    """The newest revision, the one that tasks run by, the image, and which keys are filled."""
    service, cloud = FakeGateway(OLD, NEW, tasks=2), FakeCloud(OUTPUTS)
    service.secrets = {OPENAI: False}
    now = seen(service, cloud).now
    assert (now.newest, now.runs, now.service) == (NEW, OLD, service.now)
    assert now.secrets == {OPENAI: False, ANTHROPIC: None}
    assert now.mirrored is False

    target = target_of(ENVIRONMENT, repository_url=samples.REPOSITORY_URL, book=load())
    cloud.images[target.image.tag] = "sha256:1"
    assert seen(service, cloud).now.mirrored is True
    assert service.log == []


def test_the_target_is_what_infra_declares() -> None:
    """A revision that `pulumi up` makes now differs in nothing that a deploy compares."""
    target = target_of(ENVIRONMENT, repository_url=samples.REPOSITORY_URL, book=load())
    declared: list[dict[str, Any]] = containers(
        ENVIRONMENT,
        gateway_image=target.image.target,
        front_image=target.front,
        document=target.told["GATEWAY"],
        nginx_config=target.told["NGINX_CONF"],
        log_group="/llm-fleet/test/gateway",
    )
    images = {one["name"]: one["image"] for one in declared}
    variables = {e["name"]: e["value"] for one in declared for e in one["environment"]}
    assert images == {"gateway": target.image.target, "front": target.front}
    assert variables == target.told


def test_the_image_is_built_of_what_names_it() -> None:
    """All of the build context comes along, as bytes."""
    target = target_of(ENVIRONMENT, repository_url=samples.REPOSITORY_URL, book=load())
    assert sorted(target.files) == [
        ".dockerignore",
        "Dockerfile.gateway",
        "gateway.pyz",
        "requirements-gateway.lock",
    ]
    assert all(isinstance(content, bytes) for content in target.files.values())
    assert target.image.dockerfile == "Dockerfile.gateway"


def test_a_change_may_take_as_long_as_old_answers_do() -> None:
    """Tasks of before leave traffic as slowly as a host does, and end as Fargate lets them."""
    short = target_of(ENVIRONMENT, repository_url="r", book=load()).steady_s
    engine = replace(ENVIRONMENT.engine, longest_generation_s=3000)
    long = target_of(replace(ENVIRONMENT, engine=engine), repository_url="r", book=load()).steady_s
    assert long - short == 3000 - ENVIRONMENT.engine.longest_generation_s


def test_aws_that_does_not_answer() -> None:
    """Nobody plans with half of it."""
    service = FakeGateway(OLD, tasks=2)
    service.failures["filled"] = CloudError("secretsmanager:describe_secret failed: AccessDenied")
    with pytest.raises(CloudError, match="AccessDenied"):
        seen(service, FakeCloud(OUTPUTS))


def test_a_provider_without_a_price() -> None:
    """Its spend could not be capped, so nothing is deployed."""
    odd = replace(ENVIRONMENT, fallback=samples.fallback(providers=("openai/nobody-knows",)))
    with pytest.raises(ConfigError, match="nobody knows what openai/nobody-knows costs"):
        seen(FakeGateway(OLD), FakeCloud(OUTPUTS), odd)
