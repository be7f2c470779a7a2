"""Names of container images: where they come from, and whether they can change."""

from __future__ import annotations

import re

DOCKER_HUB = "docker.io"
PUBLIC = frozenset(
    {DOCKER_HUB, "ghcr.io", "nvcr.io", "public.ecr.aws", "quay.io", "registry.k8s.io"}
)

_MOVING_TAGS = frozenset(
    {"dev", "edge", "latest", "main", "mainline", "master", "nightly", "stable"}
)
_IMAGE = re.compile(
    r"(?:[a-z0-9.-]+(?::\d+)?/)?[a-z0-9._/-]+"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def registry(image: str) -> str:
    """The registry that Docker asks for *image*: its first part if that looks like a host."""
    first, slash, _ = image.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return first if is_host else DOCKER_HUB


def is_pinned(image: str) -> bool:
    """Whether *image* is named by a digest, or by a tag that is a version."""
    match = _IMAGE.fullmatch(image)
    if match is None:
        return False
    if match["digest"]:
        return True
    return match["tag"] is not None and match["tag"].split("-")[0] not in _MOVING_TAGS
