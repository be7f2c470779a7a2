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


class TestBuilds:
    """An image that no host runs: the gateway's."""

    IMAGE = f"{REGISTRY}/fleet:gateway-1"

    @pytest.fixture
    def brought(self, world: World) -> World:
        """The folder is there, and nothing of the release."""
        world.machine.registry.add("python:3.12")
        folder = world.paths.build("gateway-1")
        folder.mkdir(parents=True)
        (folder / "Dockerfile.gateway").write_text("FROM python:3.12\n")
        return world

    def build(self, world: World, **changes: Any) -> None:
        images = [
            {"target": self.IMAGE, "source": "python:3.12", "dockerfile": "Dockerfile.gateway"}
        ]
        run(world, images=images, build="gateway-1", **changes)

    def test_is_built_of_its_own_folder_and_leaves_nothing(self, brought: World) -> None:
        """Neither folder nor image stay: a host's disk is for engines."""
        folder = brought.paths.build("gateway-1")
        self.build(brought)
        assert brought.machine.calls == [
            "docker pull --quiet python:3.12",
            f"docker build --tag {self.IMAGE} --file {folder}/Dockerfile.gateway {folder}",
            f"docker login --username AWS --password-stdin {REGISTRY}",
            f"docker push --quiet {self.IMAGE}",
            f"docker logout {REGISTRY}",
            f"docker image rm {self.IMAGE}",
        ]
        assert not folder.exists()
        assert self.IMAGE not in brought.machine.images

    def test_a_build_that_fails_leaves_no_folder(self, brought: World) -> None:
        """The next try brings it again."""
        brought.machine.fail["docker build"] = Completed(1, err="no matching distribution")
        with pytest.raises(AgentError, match="no matching distribution"):
            self.build(brought)
        assert not brought.paths.build("gateway-1").exists()

    def test_without_a_registry_the_image_stays(self, brought: World) -> None:
        """It is nowhere else."""
        self.build(brought, registry="")
        assert self.IMAGE in brought.machine.images

    def test_an_image_that_will_not_go_is_no_failure(self, brought: World) -> None:
        """It is pushed, and that was asked for."""
        brought.machine.fail["docker image rm"] = Completed(1, err="image is being used")
        self.build(brought)
        assert self.IMAGE in brought.machine.registry
