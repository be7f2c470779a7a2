"""The facts document of a paper host: one that was set up."""

from __future__ import annotations

from typing import Any

from tests.paper.host import PaperHost

_GIB = 2**30


def facts_document(host: PaperHost) -> dict[str, Any]:
    """As the gathering program prints it."""
    return {
        "schema": 1,
        "errors": {},
        "system": {
            "release": 'ID=ubuntu\nVERSION_ID="24.04"\n',
            "architecture": "x86_64",
            "root": True,
            "boto3": True,
            "time": host.now,
        },
        "docker": {
            "cli": "/usr/bin/docker",
            "compose": ["docker", "compose"],
            "version": "28.0.1",
            "runtimes": ["nvidia", "runc"],
            "cgroup_driver": "systemd",
        },
        "images": [],
        "containers": [],
        "toolkit": {"exit": 0, "out": "NVIDIA Container Toolkit CLI version 1.20.1", "err": ""},
        "nvidia": {
            "smi": {
                "exit": 0,
                "out": "0, NVIDIA A10G, GPU-1, 23028, 0, 580.95.05, 0, Enabled, [N/A]",
                "err": "",
            }
        },
        "disks": {
            "root": {"free": 80 * _GIB, "total": 100 * _GIB, "device": "/dev/nvme0n1p1"},
            "cache": {"free": 90 * _GIB, "total": 100 * _GIB, "device": "/dev/nvme1n1"},
            "cache_mounted": True,
        },
        "fleet": {"release": host.current, "releases": sorted(host.kept)},
        "agent": host.status(),
    }
