"""Images into the account's own registry."""

from __future__ import annotations

from typing import Any

import pytest

from provision.agent.errors import AgentError
from provision.agent.mirror import Request, mirror
from provision.agent.system import Completed
from tests.agent.conftest import World

REGISTRY = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
ENGINE, FRONT = f"{REGISTRY}/fleet:engine-1", f"{REGISTRY}/fleet:front-1"
DOCUMENT: dict[str, Any] = {
    "registry": REGISTRY,
    "registry_password": "ecr-token",
    "release": "r-1",
    "images": [
        {"target": ENGINE, "source": "vllm/vllm-openai:v0.32.0", "dockerfile": "Dockerfile"},
        {"target": FRONT, "source": "nginx:1.28.0", "dockerfile": None},
    ],
}


@pytest.fixture
def hub(world: World) -> World:
    """A host that reaches the public registries."""
    world.machine.registry |= {"vllm/vllm-openai:v0.32.0", "nginx:1.28.0"}
    return world


def run(world: World, **changes: Any) -> None:
    request = Request.parse({**DOCUMENT, **changes})
    mirror(world.paths, world.host.docker, world.host.events, request)


def test_pulls_builds_and_pushes(hub: World) -> None:
    """What has a Dockerfile is built on its source, the rest is renamed."""
    run(hub)
    folder = hub.paths.release("r-1")
    assert hub.machine.calls == [
        "docker pull --quiet vllm/vllm-openai:v0.32.0",
        f"docker build --tag {ENGINE} --file {folder}/Dockerfile {folder}",
        "docker pull --quiet nginx:1.28.0",
        f"docker tag nginx:1.28.0 {FRONT}",
        f"docker login --username AWS --password-stdin {REGISTRY}",
        f"docker push --quiet {ENGINE}",
        f"docker push --quiet {FRONT}",
        f"docker logout {REGISTRY}",
    ]
    assert hub.machine.logins == {REGISTRY: "ecr-token"}
    assert [path for path in hub.paths.run.iterdir() if path.is_dir()] == []


def test_an_image_that_is_here_is_not_pulled(hub: World) -> None:
    """A host without a way out can be given its images by hand."""
    hub.machine.images |= {"vllm/vllm-openai:v0.32.0", "nginx:1.28.0"}
    run(hub)
    assert not [call for call in hub.machine.calls if "pull" in call]


def test_without_a_registry_the_images_stay_here(hub: World) -> None:
    """Nothing is pushed."""
    run(hub, registry="")
    assert not [call for call in hub.machine.calls if "push" in call]
    assert {ENGINE, FRONT} <= hub.machine.images


def test_an_image_that_does_not_exist(world: World) -> None:
    """Named, with what to check."""
    with pytest.raises(AgentError, match=r"can't pull vllm/vllm-openai:v0\.32\.0") as caught:
        run(world)
    assert "reach its registry" in caught.value.hint


def test_a_push_that_fails_still_logs_out(hub: World) -> None:
    """The token does not outlive the attempt."""
    hub.machine.fail["docker push"] = Completed(1, err="denied: tag is immutable")
    with pytest.raises(AgentError, match="tag is immutable"):
        run(hub)
    assert hub.machine.calls[-1] == f"docker logout {REGISTRY}"


def test_a_request_that_lacks_its_release() -> None:
    """Said as what it is."""
    with pytest.raises(AgentError, match="mirror request is not as expected"):
        Request.parse({"images": []})
