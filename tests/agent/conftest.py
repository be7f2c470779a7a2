"""A host in a temporary folder, with AWS played by moto."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from provision.agent import prepare as prepare_module
from provision.agent.cloud import Cloud
from provision.agent.docker import Docker
from provision.agent.errors import CloudUnreachable
from provision.agent.events import Events
from provision.agent.host import Host
from provision.agent.metadata import Identity
from provision.agent.paths import Paths
from provision.agent.settings import HostSettings
from provision.planning.release import Release, assemble
from tests.agent.fakes import FakeClock, FakeMachine

BUCKET = "llm-fleet-test"
ENGINE_IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/llm-fleet-test:engine-0123456789ab"
FRONT_IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/llm-fleet-test:front-0123456789ab"
FOLDER = "models/mistral-7b/abc123"
PREFIX = "weights/mistral-7b/abc123"
WEIGHTS = {"config.json": b"{}\n", "model.safetensors": b"w" * 5000, "sub/tokenizer.json": b"[]"}
AGENT_JSON = {
    "model": "mistral-7b",
    "replicas": [{"index": 0, "port": 8001}],
    "warmup": {"short": "hi", "long": "long " * 50, "streamed": "go on", "max_tokens": 4},
    "canary": {"interval_s": 5.0, "deadline_s": 15.0, "misses": 3},
    "crash": {"limit": 3, "window_s": 600},
    "keys_secret": "/llm-fleet/test/client-keys",
    "ready_timeout_s": 1200,
}


class FixedMetadata:
    """The instance that this host is; *items* is what AWS has in store for it."""

    def __init__(self, instance_id: str = "i-0123456789abcdef0", zone: str = "us-east-1a") -> None:
        self._identity = Identity(instance_id, zone)
        self.items: dict[str, str] = {}
        self.away = False

    def identity(self) -> Identity:
        self._answer()
        return self._identity

    def item(self, name: str) -> str | None:
        self._answer()
        return self.items.get(name)

    def _answer(self) -> None:
        if self.away:
            raise CloudUnreachable("the instance metadata service does not answer")


@dataclass
class World:
    """One host and what surrounds it."""

    host: Host
    machine: FakeMachine
    clock: FakeClock
    stream: io.StringIO

    @property
    def metadata(self) -> FixedMetadata:
        """What the host hears of AWS's intentions."""
        assert isinstance(self.host.metadata, FixedMetadata)
        return self.host.metadata

    @property
    def paths(self) -> Paths:
        return self.host.paths

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events called *name*, in their order."""
        said = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [event for event in said if event["event"] == name]

    def put_on_host(self, release: Release) -> None:
        """What the operator's upload does."""
        write_files(self.paths.release(release.id), release.files)

    def publish(self, release: Release) -> None:
        """What a deploy writes to the bucket."""
        for name, content in release.files.items():
            self.host.cloud.put_object(f"releases/{release.id}/{name}", content)

    def publish_weights(self, files: dict[str, bytes] | None = None) -> None:
        """A model in the bucket."""
        for name, content in (files or WEIGHTS).items():
            self.host.cloud.put_object(f"{PREFIX}/{name}", content)
        self.host.cloud.put_object(f"{PREFIX}/manifest.json", weights_manifest())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A host with Docker, a bucket with weights, and images in the registry."""
    monkeypatch.setattr(prepare_module, "_bindable", lambda _port: True)
    with mock_aws():
        shared_cloud().client("s3").create_bucket(Bucket=BUCKET)
        made = make_world(tmp_path)
        made.machine.registry |= {ENGINE_IMAGE, FRONT_IMAGE}
        made.publish_weights()
        yield made


def make_world(root: Path, *, cache: dict[str, Any] | None = None) -> World:
    """A host below *root*; AWS is whatever boto3 reaches."""
    settings = HostSettings.parse(host_json(cache=cache))
    machine, clock, stream = FakeMachine(), FakeClock(), io.StringIO()
    host = Host(
        paths=Paths(root),
        settings=settings,
        cloud=shared_cloud(),
        metadata=FixedMetadata(),  # type: ignore[arg-type]
        run=machine.run,
        docker=Docker(machine.run),
        clock=clock,
        events=Events(clock, stream=stream, file=None),
    )
    return World(host, machine, clock, stream)


@lru_cache(maxsize=1)
def shared_cloud() -> Cloud:
    """One set of boto3 clients for all tests: making them takes longer than most tests."""
    return Cloud(HostSettings.parse(host_json()))


def host_json(*, cache: dict[str, Any] | None = None) -> dict[str, Any]:
    """What user data writes."""
    return {
        "environment": "test",
        "region": "us-east-1",
        "bucket": BUCKET,
        "parameter_root": "/llm-fleet/test",
        "secret_root": "/llm-fleet/test",
        "repository_url": "",
        "aws_endpoint_url": None,
        "cache": cache,
    }


def make_release(
    note: str = "one",
    *,
    agent: dict[str, Any] | None = None,
    replicas: int = 1,
    more: dict[str, str | bytes] | None = None,
) -> Release:
    """A release as deploy assembles it, with *more* files; *note* makes it another one."""
    files: dict[str, str | bytes] = {
        "docker-compose.yml": f"# {note}\n",
        "agent.json": json.dumps(agent or AGENT_JSON),
        "host.pyz": b"PK program",
        **(more or {}),
    }
    facts = {
        "model_revision": "abc123",
        "model_folder": FOLDER,
        "weights_prefix": PREFIX,
        "images": {"engine": ENGINE_IMAGE, "front": FRONT_IMAGE},
        "replicas": replicas,
        "tensor_parallel_size": 1,
        "compose_grace_s": 150,
    }
    return assemble("mistral-7b", files, facts)


def weights_manifest(files: dict[str, bytes] | None = None) -> bytes:
    """The manifest beside a model's files."""
    entries = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in (files or WEIGHTS).items()
    }
    document = {"repository": "org/model", "revision": "abc123", "files": entries}
    return json.dumps(document).encode()


def write_files(folder: Path, files: Any) -> None:
    """Write *files* below *folder*."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
