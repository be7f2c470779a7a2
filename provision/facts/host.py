"""Facts of one host, gathered in one SSH round trip as one JSON document."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from provision.errors import FleetError

ENGINE_PREFIX = "llm-fleet-engine-"


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """One GPU as nvidia-smi reports it. ``None``: the driver gave no answer for this GPU."""

    name: str
    memory_mib: int
    used_mib: int
    uuid: str = ""
    ecc_uncorrected: int | None = None
    persistence: bool | None = None
    mig: bool | None = None


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """One of our containers. ``state`` is Docker's own word."""

    name: str
    image: str
    state: str
    restarts: int
    exit_code: int
    oom_killed: bool
    started_at: str
    visible_devices: tuple[str, ...] = ()  # NVIDIA_VISIBLE_DEVICES=..., CUDA_VISIBLE_DEVICES=...

    @property
    def is_engine(self) -> bool:
        """Whether it runs vLLM."""
        return self.name.startswith(ENGINE_PREFIX)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host says of itself. ``None`` is unknown: the question had no answer.

    ``raw`` keeps the whole document for what only one caller needs, ``errors`` says why a question
    had no answer.
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
    kernel: str | None = None
    boto3: bool | None = None  # importable by the system's python3
    time_s: float | None = None  # the host's clock, seconds since the epoch
    open_files_limit: int | None = None
    docker_command: str | None = None  # the real path of `docker`
    docker_error: str | None = None  # why the daemon gave no answer
    cgroup_driver: str | None = None  # systemd, cgroupfs
    smi_error: str | None = None  # what nvidia-smi said instead of an answer
    containers: tuple[ContainerFacts, ...] | None = None
    cache_uuid: str | None = None
    cache_device: str | None = None
    root_device: str | None = None
    listening: tuple[int, ...] | None = None  # TCP ports
    memory_gib: float | None = None
    memory_available_gib: float | None = None
    swap_gib: float | None = None
    shm_gib: float | None = None
    package_lock: str | None = None  # the package manager's lock that a process holds
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def engine_running(self) -> bool:
        """Whether a container with an engine runs (so Docker and systemd are left alone)."""
        return any(c.is_engine and c.state == "running" for c in self.containers or ())

    @property
    def driver_branch(self) -> int | None:
        """The driver's first number: 595 of 595.91.07."""
        return int(self.driver_version.split(".")[0]) if self.driver_version else None


def parse(text: str) -> HostFacts:
    """Read the document that the gathering program printed.

    Raises FleetError when *text* is none. Lines before the document (a login banner) are ignored.
    """
    try:
        raw = json.loads(text[text.index("{") :])
        if raw.get("schema") != 1:
            raise ValueError("schema")
        return _read(raw)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
        raise FleetError(
            f"the host's answer is not a facts document ({error}): {text[:200]!r}",
            hint="run `ssh HOST true` by hand: start-up files of the shell must print nothing",
        ) from error


def _read(raw: dict[str, Any]) -> HostFacts:
    return HostFacts(
        **_system(raw.get("system") or {}),
        **_docker(raw),
        **_nvidia(raw),
        **_disks(raw.get("disks") or {}),
        **_memory(raw.get("memory") or {}),
        **_fleet(raw.get("fleet") or {}),
        agent=raw.get("agent"),
        listening=_tuple(raw.get("listening")),
        package_lock=raw.get("package_lock"),
        errors=dict(raw.get("errors") or {}),
        raw=raw,
    )


def version_in(said: dict[str, Any] | None) -> str | None:
    """The first version number in what a program printed."""
    found = re.search(r"\d+\.\d+[.\d]*", said["out"]) if said else None
    return found.group().rstrip(".") if found else None


def _system(said: dict[str, Any]) -> dict[str, Any]:
    lines = (line.partition("=") for line in (said.get("release") or "").splitlines())
    release = {key: value.strip("\"'") for key, _, value in lines}
    return {
        "os_id": release.get("ID"),
        "os_version": release.get("VERSION_ID"),
        "architecture": said.get("architecture"),
        "sudo": said.get("root"),
        "kernel": said.get("kernel"),
        "boto3": said.get("boto3"),
        "time_s": said.get("time"),
        "open_files_limit": said.get("nofile"),
    }


def _docker(raw: dict[str, Any]) -> dict[str, Any]:
    said = raw.get("docker") or {}
    containers = raw.get("containers")
    return {
        "docker_version": said.get("version"),
        "compose": _tuple(said.get("compose")),
        "docker_runtimes": _tuple(said.get("runtimes")),
        "docker_command": said.get("cli"),
        "docker_error": said.get("error"),
        "cgroup_driver": said.get("cgroup_driver"),
        "images": _tuple(raw.get("images")),
        "containers": None if containers is None else tuple(map(_container, containers)),
    }


def _container(said: dict[str, Any]) -> ContainerFacts:
    state = said["state"]
    return ContainerFacts(
        name=said["name"],
        image=said["image"] or "",
        state=state.get("Status", ""),
        restarts=said["restarts"] or 0,
        exit_code=state.get("ExitCode", 0),
        oom_killed=bool(state.get("OOMKilled")),
        started_at=state.get("StartedAt", ""),
        visible_devices=tuple(said["visible_devices"]),
    )


def _nvidia(raw: dict[str, Any]) -> dict[str, Any]:
    smi = (raw.get("nvidia") or {}).get("smi")
    known = {"toolkit_version": version_in(raw.get("toolkit"))}
    if smi is None:
        return {**known, "smi_error": "nvidia-smi is not installed"}
    # Version mismatches and a lost GPU are said on stdout, sometimes with exit code 0.
    rows = [[cell.strip() for cell in line.split(",")] for line in smi["out"].splitlines()]
    if smi["exit"] or not rows or any(len(row) != 9 for row in rows):
        said = " ".join(filter(None, (smi["out"], smi["err"]))) or "no answer"
        return {**known, "smi_error": f"{said} (exit {smi['exit']})"}
    return {**known, "gpus": tuple(map(_gpu, rows)), "driver_version": rows[0][5]}


def _gpu(row: list[str]) -> GpuFacts:
    _, name, uuid, total, used, _, ecc, persistence, mig = row
    return GpuFacts(
        name=name,
        memory_mib=_number(total) or 0,
        used_mib=_number(used) or 0,
        uuid=uuid,
        ecc_uncorrected=_number(ecc),
        persistence=_switch(persistence),
        mig=_switch(mig),
    )


def _number(cell: str) -> int | None:
    return int(float(cell)) if cell.replace(".", "", 1).isdigit() else None


def _switch(cell: str) -> bool | None:
    return {"Enabled": True, "Disabled": False}.get(cell)


def _disks(said: dict[str, Any]) -> dict[str, Any]:
    root, cache = said.get("root") or {}, said.get("cache") or {}
    mounted = said.get("cache_mounted")
    return {
        "cache_mounted": mounted,
        "cache_free_gib": _gib(cache.get("free")) if mounted else None,
        "cache_uuid": said.get("cache_uuid"),
        "cache_device": cache.get("device"),
        "root_free_gib": _gib(root.get("free")),
        "root_device": root.get("device"),
    }


def _memory(said: dict[str, Any]) -> dict[str, Any]:
    pairs = (line.partition(":") for line in (said.get("meminfo") or "").splitlines())
    sizes = {name: int(value.split()[0]) * 1024 for name, _, value in pairs}  # said in KiB
    return {
        "memory_gib": _gib(sizes.get("MemTotal")),
        "memory_available_gib": _gib(sizes.get("MemAvailable")),
        "swap_gib": _gib(sizes.get("SwapTotal")),
        "shm_gib": _gib(said.get("shm")),
    }


def _fleet(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "host_program_sha256": said.get("program"),
        "release": said.get("release"),
        "releases": tuple(said.get("releases") or ()),
    }


def _gib(size: int | None) -> float | None:
    return None if size is None else round(size / 2**30, 2)


def _tuple(values: list[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
