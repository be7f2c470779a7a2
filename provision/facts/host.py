"""Facts of one host, gathered in one SSH round trip as one JSON document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """One GPU as nvidia-smi reports it."""

    name: str
    memory_mib: int
    used_mib: int


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host says of itself. ``None`` is unknown: the question had no answer.

    ``raw`` keeps the whole document for what only one caller needs.
    """

    os_id: str | None = None  # ubuntu, amzn, debian
    os_version: str | None = None
    architecture: str | None = None
    sudo: bool | None = None
    docker_version: str | None = None
    compose: tuple[str, ...] | None = None  # ("docker", "compose") or ("docker-compose",)
    docker_runtimes: tuple[str, ...] | None = None
    toolkit_version: str | None = None
    driver_version: str | None = None
    gpus: tuple[GpuFacts, ...] | None = None
    cache_mounted: bool | None = None
    cache_free_gib: float | None = None
    root_free_gib: float | None = None
    host_program_sha256: str | None = None
    release: str | None = None  # the release of /opt/llm-fleet/current
    releases: tuple[str, ...] = ()  # the ones kept on the host
    agent: dict[str, Any] | None = None  # GET 127.0.0.1:8081/status, None when nobody answers
    images: tuple[str, ...] | None = None
    raw: dict[str, Any] = field(default_factory=dict)
