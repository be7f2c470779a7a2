"""What the program puts out is what tasks read."""

from __future__ import annotations

import json

import pytest

from provision.facts.outputs import parse
from tests.infra.scenes import ALL, FILES, TWICE, scene


@pytest.mark.parametrize("name", ALL)
def test_the_parameter_is_the_document_that_tasks_know(name: str) -> None:
    """Not a field more, not a field less, and small enough for a standard parameter."""
    made = scene(name)
    parameter = made.one(":Parameter")

    assert parameter.inputs["name"] == f"/llm-fleet/{name}/outputs"
    assert parameter.inputs["value"] == made.provisioned.outputs.to_json()
    assert len(parameter.inputs["value"]) <= 4096
    said = json.loads(parameter.inputs["value"])
    assert (said.pop("fallback") is not None) == made.environment.fallback.exists
    assert all(said.values())


@pytest.mark.parametrize("name", TWICE)
def test_a_second_run_makes_nothing_and_returns_the_same(name: str) -> None:
    """Provisioning is idempotent: the second run finds what the first made."""
    made = scene(name)
    assert made.again is not None
    assert made.again.outputs == made.provisioned.outputs
    assert made.again.recorded == ()


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [("public", "https://llm.example.com"), ("prod", "http://llm-fleet-prod-")],
)
def test_the_endpoint_is_where_clients_go(name: str, endpoint: str) -> None:
    """With a certificate it is the certificate's name, else the load balancer's own."""
    assert scene(name).provisioned.outputs.endpoint.startswith(endpoint)


@pytest.mark.parametrize("name", FILES)
def test_names_follow_the_environment(name: str) -> None:
    """Hosts and tasks compute some names themselves: they must come out alike."""
    outputs = scene(name).provisioned.outputs
    assert outputs.asg_name == f"llm-fleet-{name}"
    assert outputs.bucket == f"llm-fleet-{name}-{outputs.account_id}-{outputs.region}"
    assert outputs.repository_url.endswith(f".amazonaws.com/llm-fleet-{name}")
    assert outputs.client_keys_secret == f"llm-fleet/{name}/client-keys"


def test_the_document_round_trips() -> None:
    """parse(to_json) is the identity on outputs that the program made."""
    outputs = scene("dev").provisioned.outputs
    assert parse(outputs.to_json(), parameter="x") == outputs
