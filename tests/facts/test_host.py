"""Reading a facts document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provision.errors import FleetError
from provision.facts.host import ContainerFacts, GpuFacts, HostFacts, parse

DOCUMENT: dict[str, Any] = {
    "schema": 1,
    "errors": {"agent": "ConnectionRefusedError"},
    "system": {
        "release": 'ID=ubuntu\nVERSION_ID="24.04"\n',
        "architecture": "x86_64",
        "kernel": "6.8.0-aws",
        "root": True,
        "boto3": True,
        "time": 1700000000.0,
        "nofile": 1048576,
    },
    "docker": {
        "cli": "/usr/bin/docker",
        "compose": ["docker", "compose"],
        "error": None,
        "daemon_json": "{}",
        "version": "28.0.1",
        "runtimes": ["nvidia", "runc"],
        "cgroup_driver": "systemd",
        "security": [],
    },
    "images": ["engine:1"],
    "containers": [
        {
            "name": "llm-fleet-engine-0",
            "image": "engine:1",
            "state": {
                "Status": "running",
                "ExitCode": 0,
                "OOMKilled": False,
                "StartedAt": "2026-11-21T00:00:00Z",
            },
            "restarts": 1,
            "visible_devices": ["NVIDIA_VISIBLE_DEVICES=all"],
        }
    ],
    "toolkit": {"exit": 0, "out": "NVIDIA Container Toolkit CLI version 1.20.1", "err": ""},
    "nvidia": {
        "smi": {
            "exit": 0,
            "out": "0, NVIDIA A10G, GPU-1, 23028, 20011, 580.95.05, 0, Enabled, [N/A]",
            "err": "",
        },
        "module": None,
    },
    "disks": {
        "root": {"free": 80 * 2**30, "total": 100 * 2**30, "device": "/dev/nvme0n1p1"},
        "cache": {"free": 60 * 2**30, "total": 100 * 2**30, "device": "/dev/nvme1n1"},
        "cache_mounted": True,
        "cache_uuid": "1234-abcd",
    },
    "fleet": {"program": "ab" * 32, "release": "r-000000000001", "releases": ["r-000000000001"]},
    "agent": {"state": "ready"},
    "listening": [22, 8000, 8081],
    "memory": {
        "meminfo": "MemTotal: 16777216 kB\nMemAvailable:  4194304 kB\nSwapTotal: 0 kB\n",
        "shm": 8 * 2**30,
    },
    "package_lock": None,
}


def test_a_whole_document() -> None:
    """Every field is read from its place."""
    assert parse(json.dumps(DOCUMENT)) == HostFacts(
        os_id="ubuntu",
        os_version="24.04",
        architecture="x86_64",
        sudo=True,
        docker_version="28.0.1",
        compose=("docker", "compose"),
        docker_runtimes=("nvidia", "runc"),
        toolkit_version="1.20.1",
        driver_version="580.95.05",
        gpus=(GpuFacts("NVIDIA A10G", 23028, 20011, "GPU-1", 0, True, None),),
        cache_mounted=True,
        cache_free_gib=60.0,
        root_free_gib=80.0,
        host_program_sha256="ab" * 32,
        release="r-000000000001",
        releases=("r-000000000001",),
        agent={"state": "ready"},
        images=("engine:1",),
        raw=DOCUMENT,
        kernel="6.8.0-aws",
        boto3=True,
        time_s=1700000000.0,
        open_files_limit=1048576,
        docker_command="/usr/bin/docker",
        cgroup_driver="systemd",
        containers=(
            ContainerFacts(
                name="llm-fleet-engine-0",
                image="engine:1",
                state="running",
                restarts=1,
                exit_code=0,
                oom_killed=False,
                started_at="2026-11-21T00:00:00Z",
                visible_devices=("NVIDIA_VISIBLE_DEVICES=all",),
            ),
        ),
        cache_uuid="1234-abcd",
        cache_device="/dev/nvme1n1",
        root_device="/dev/nvme0n1p1",
        listening=(22, 8000, 8081),
        memory_gib=16.0,
        memory_available_gib=4.0,
        swap_gib=0.0,
        shm_gib=8.0,
        errors={"agent": "ConnectionRefusedError"},
    )


def test_questions_without_an_answer_stay_unknown() -> None:
    """A document full of nulls is a host of which nothing is known, not one that has nothing."""
    nothing = dict.fromkeys(DOCUMENT) | {"schema": 1}

    assert parse(json.dumps(nothing)) == HostFacts(
        raw=nothing, smi_error="nvidia-smi is not installed"
    )


def test_a_banner_before_the_document_is_no_harm() -> None:
    """Some hosts greet everyone."""
    assert parse("Welcome to gpu-1\n" + json.dumps(DOCUMENT)).os_id == "ubuntu"


BROKEN = '{"schema": 1, "containers": [{"name": "x"}]}'


@pytest.mark.parametrize(
    "text", ["", "Segmentation fault", "{}", '{"schema": 2}', "{broken", BROKEN]
)
def test_anything_else_is_refused(text: str) -> None:
    """The error shows what was there instead."""
    with pytest.raises(FleetError, match="not a facts document"):
        parse(text)


def test_an_engine_that_runs_is_seen() -> None:
    """A stopped one, or a front, is none."""
    stopped = DOCUMENT | {
        "containers": [DOCUMENT["containers"][0] | {"state": {"Status": "exited"}}]
    }
    front = DOCUMENT | {"containers": [DOCUMENT["containers"][0] | {"name": "llm-fleet-front"}]}

    assert parse(json.dumps(DOCUMENT)).engine_running
    assert not parse(json.dumps(stopped)).engine_running
    assert not parse(json.dumps(front)).engine_running
