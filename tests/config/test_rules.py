"""The rules themselves: complete, about fields that exist, and met by the defaults."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import StrEnum

import pytest

from provision.config import relations, rules
from provision.config.environment import Environment
from provision.config.images import is_pinned, registry
from tests.config.environments import SMALL


def fields(shape: type, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, hint in typing.get_type_hints(shape).items():
        if isinstance(hint, type) and is_dataclass(hint):
            yield from fields(hint, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", hint


FIELDS = dict(fields(Environment))
# Their types alone, or flags.py, say everything about these.
WITHOUT_RULE = {"engine.extra_args", "engine.env"}


def test_every_field_has_a_rule() -> None:
    """Numbers have ranges and texts have forms: nothing is accepted unlooked at."""
    speak_for_themselves = {
        path
        for path, hint in FIELDS.items()
        if hint is bool or (isinstance(hint, type) and issubclass(hint, StrEnum))
    }
    assert set(rules.RULES) == set(FIELDS) - speak_for_themselves - WITHOUT_RULE


def test_relations_are_about_fields() -> None:
    """A relation names fields that exist, or it would never be left out."""
    named = {field for relation in relations.RELATIONS for field in relation.fields}
    assert named <= set(FIELDS)


def test_defaults_are_valid() -> None:
    """An environment of defaults breaks no rule and no relation."""
    assert [*rules.check(SMALL), *relations.check(SMALL)] == []


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("nginx:1.28.0", True),
        ("nginx:1.28.0-alpine", True),
        ("hub.rehearsal/vllm/vllm-openai:v0.32.0", True),
        ("localhost:5000/vllm:v1", True),
        ("vllm@sha256:" + "0" * 64, True),
        ("nginx", False),
        ("localhost:5000/vllm", False),
        ("nginx:latest", False),
        ("nginx:stable-alpine", False),
        ("vllm/vllm-openai:latest-cu129", False),
        ("vllm@sha256:123", False),
        ("not an image:1", False),
    ],
)
def test_pinned_images(image: str, pinned: bool) -> None:
    """An image is pinned by a digest or by a tag that is a version."""
    assert is_pinned(image) is pinned


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("nginx:1.28.0", "docker.io"),
        ("vllm/vllm-openai:v0.32.0", "docker.io"),
        ("ghcr.io/org/app:1", "ghcr.io"),
        ("localhost/app:1", "localhost"),
        ("localhost:5000/app:1", "localhost:5000"),
        ("1.dkr.ecr.us-east-1.amazonaws.com/app:1", "1.dkr.ecr.us-east-1.amazonaws.com"),
    ],
)
def test_registries(image: str, host: str) -> None:
    """The part before the first slash is a registry when it looks like a host."""
    assert registry(image) == host


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://nvidia.github.io/x", True),
        ("http://10.97.0.1:5081/key.gpg", True),
        ("http://127.0.0.1:5000", True),
        ("http://mirror.internal/x", True),
        ("http://mirror/x", True),
        ("http://93.184.216.34/x", False),
        ("http://mirror.example.com", False),
        ("ftp://10.0.0.1", False),
        ("https://", False),
        ("http://[10.0.0.1", False),
        ("10.0.0.1:5000", False),
    ],
)
def test_urls(url: str, safe: bool) -> None:
    """Plain HTTP is for private addresses only: keys and packages come over these URLs."""
    assert rules.is_safe_url(url) is safe


@pytest.mark.parametrize(
    ("network", "fits"),
    [
        ("10.40.0.0/16", True),
        ("192.168.0.0/22", True),
        ("10.0.0.0/15", False),
        ("10.0.0.0/23", False),
        ("10.0.0.1/16", False),
        ("8.8.0.0/16", False),
        ("10.0.0.0", False),
        ("fd00::/16", False),
    ],
)
def test_vpc_networks(network: str, fits: bool) -> None:
    """A VPC's network is private, between /16 and /22, and has no bits beyond its prefix."""
    assert rules.is_vpc_network(network) is fits
