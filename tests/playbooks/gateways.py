"""A gateway for the command line: described as ``pulumi up`` would, without tasks yet."""

from __future__ import annotations

from dataclasses import replace

from playbooks.session import Session
from provision.catalog.prices.load import load
from provision.connectors.protocols import Answer
from provision.executor.gateway_now import target_of
from provision.facts.gateway import TaskDefinition
from provision.planning.gateway import GatewayTarget
from provision.secret import Secret
from provision.testing import samples
from provision.testing.gateway import FakeGateway
from tests.playbooks.conftest import STREAMED, URL, WHOLE, Fleet

FAMILY = "arn:aws:ecs:us-east-1:123456789012:task-definition/llm-fleet-test-gateway"
OPENAI, ANTHROPIC = "llm-fleet/test/openai-api-key", "llm-fleet/test/anthropic-api-key"
HOSTED = Answer(200, {"x-llm-tier": "hosted"}, '{"choices": []}')


def described(target: GatewayTarget, number: int = 1) -> TaskDefinition:
    """A revision as *target* says."""
    images = {"gateway": target.image.target, "front": target.front}
    return TaskDefinition(f"{FAMILY}:{number}", images, target.told)


def give(fleet: Fleet, *, tasks: int = 0, image: bool = False) -> FakeGateway:
    """*fleet* has a fallback with filled keys, of which *tasks* run; its sessions see it."""
    fleet.environment = replace(fleet.environment, fallback=samples.fallback())
    fleet.cloud._outputs = replace(samples.outputs(), fallback=samples.fallback_outputs())
    target = target_of(fleet.environment, repository_url=samples.REPOSITORY_URL, book=load())
    service = FakeGateway(described(target), tasks=tasks)
    service.secrets = {OPENAI: True, ANTHROPIC: True}
    if image:
        fleet.cloud.images[target.image.tag] = "sha256:1"
    fleet.cloud.secrets["llm-fleet/test/probe-key"] = Secret("sk-fleet-probe")
    fleet.http.prepare("POST", URL, HOSTED, WHOLE, STREAMED)
    without = fleet.session

    def session() -> Session:
        made = without()
        made._gateway = service
        return made

    fleet.session = session  # type: ignore[method-assign]
    return service
