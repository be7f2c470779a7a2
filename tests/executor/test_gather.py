"""What is looked at before a deploy, and how what is missing shows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provision.commands.command import Result
from provision.errors import CloudError, HostUnreachable
from provision.executor.gather import look_at, situation
from provision.facts.inventory import Inventory
from provision.planning.actions import ImageSpec
from provision.planning.probe_key import accepts, with_probe
from provision.planning.release import MANIFEST, assemble
from provision.planning.situation import Situation, Target
from provision.secret import Secret
from provision.testing import samples
from provision.testing.cloud import FakeCloud
from provision.testing.shell import FakeShell

RELEASE = assemble("mistral-7b", {"engine.yaml": "x: 1\n"}, {})
IMAGE = ImageSpec(f"{samples.REPOSITORY_URL}:engine-0123456789ab", "vllm/vllm-openai:v0")
TARGET = Target(RELEASE, (IMAGE,), "org/model", "abc", "weights/m/abc", gated=True)
SPARE = Secret("sk-fleet-spare")
HOSTS = samples.hosts(2)
FACTS = Result(0, json.dumps({"schema": 1, "fleet": {"release": "r-1"}}))


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud(samples.outputs(), HOSTS)


@pytest.fixture
def shell() -> FakeShell:
    shell = FakeShell()
    shell.prepare("python3 -", FACTS)
    return shell


def look(cloud: FakeCloud, shell: FakeShell, **changes: Any) -> Situation:
    fleet = Inventory(HOSTS)
    asked = {"target": TARGET, "fleet": fleet, "hosts": fleet, "spare_key": SPARE, **changes}
    return situation(cloud=cloud, shell=shell, **asked)


def test_an_empty_account(cloud: FakeCloud, shell: FakeShell) -> None:
    """Nothing is published, and the spare key will be made known; nothing was changed."""
    found = look(cloud, shell)
    assert [facts.release for facts in found.facts.values()] == ["r-1", "r-1"]
    assert (found.published, found.weights_published, found.current) == (False, False, None)
    assert (found.mirrored, found.hub_token) == ({IMAGE.target: False}, False)
    assert (found.new_probe_key, found.partial) == (SPARE, False)
    assert cloud.log == []
    assert len(shell.log) == len(HOSTS)


def test_an_account_that_has_everything(cloud: FakeCloud, shell: FakeShell) -> None:
    """Each store is recognised by what is written last."""
    cloud.objects = {
        f"releases/{RELEASE.id}/{MANIFEST}": RELEASE.files[MANIFEST],
        "releases/current": json.dumps({"release": RELEASE.id}).encode(),
        "weights/m/abc/manifest.json": b'{"files": {"a.safetensors": {}}}',
        "weights/m/abc/a.safetensors": b"",
    }
    cloud.images = {IMAGE.tag: "sha256:1"}
    cloud.health = {"i-1": ["healthy"], "i-2": ["draining"]}
    cloud.secrets[samples.outputs().hub_token_secret] = Secret("hf")
    key = Secret("sk-fleet-probe")
    cloud.secrets[samples.outputs().probe_key_secret] = key
    known = with_probe(None, key.reveal(), created="2026-11-21T04:00:00+00:00")
    cloud.secrets[samples.outputs().client_keys_secret] = Secret(known)
    found = look(cloud, shell)
    assert (found.published, found.weights_published, found.hub_token) == (True, True, True)
    assert (found.current, found.mirrored) == (RELEASE.id, {IMAGE.target: True})
    assert (found.in_traffic, found.new_probe_key) == (frozenset({"i-1"}), None)


def test_weights_of_which_a_file_is_gone_are_fetched_again(
    cloud: FakeCloud, shell: FakeShell
) -> None:
    """The manifest alone is not enough."""
    cloud.objects["weights/m/abc/manifest.json"] = b'{"files": {"a.safetensors": {}}}'
    assert not look(cloud, shell).weights_published


def test_a_probe_key_that_the_fronts_forgot_is_made_known_again(
    cloud: FakeCloud, shell: FakeShell
) -> None:
    """The key stays; other clients' keys are not touched."""
    cloud.secrets[samples.outputs().probe_key_secret] = Secret("sk-fleet-old")
    assert look(cloud, shell).new_probe_key == Secret("sk-fleet-old")
    other = '{"version": 1, "keys": {"a": {"sha256": "0", "created": "2026"}}}'
    text = with_probe(other, "sk-fleet-old", created="2026")
    assert set(json.loads(text)["keys"]) == {"a", "_probe"}
    assert accepts(text, "sk-fleet-old")
    assert not accepts(text, "sk-fleet-other")


def test_some_hosts(cloud: FakeCloud, shell: FakeShell) -> None:
    """Only those are asked."""
    found = look(cloud, shell, hosts=Inventory(HOSTS[:1]))
    assert found.partial
    assert shell.ran("i-2") == []


def test_an_open_model_needs_no_token(cloud: FakeCloud, shell: FakeShell) -> None:
    """The secret is not even read."""
    del cloud.secrets[samples.outputs().hub_token_secret]
    assert not look(cloud, shell, target=replace(TARGET, gated=False)).hub_token


def test_hosts_that_give_no_facts_say_why(shell: FakeShell) -> None:
    """No connection, no Python, or no document: the reason without the host's name twice."""
    shell.prepare("python3 -", HostUnreachable("i-1", "timed out"), host="i-1")
    shell.prepare("python3 -", Result(0, "Welcome!"), host="i-2")
    seen = look_at(HOSTS, shell)
    assert not seen.facts
    assert seen.unreachable["i-1"] == "timed out"
    assert "not a facts document" in seen.unreachable["i-2"]


def test_an_account_that_says_no(cloud: FakeCloud, shell: FakeShell) -> None:
    """AWS's error comes through as it is."""
    cloud.failures["list_objects"] = CloudError("s3:list_objects_v2 denied")
    cloud.objects["weights/m/abc/manifest.json"] = b'{"files": {}}'
    with pytest.raises(CloudError, match="denied"):
        look(cloud, shell)
