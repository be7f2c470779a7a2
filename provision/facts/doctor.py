"""The evidence that only ``fab doctor`` looks at, from the same document as the facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provision.facts.host import version_in


@dataclass(frozen=True, slots=True)
class Said:
    """What a program on the host said."""

    exit_code: int
    text: str

    @property
    def lines(self) -> tuple[str, ...]:
        """Its lines, blank ones left out."""
        return tuple(line.strip() for line in self.text.splitlines() if line.strip())


@dataclass(frozen=True, slots=True)
class Evidence:
    """``None`` is unknown: the question was not asked, or had no answer."""

    bus_gpus: int | None = None  # NVIDIA GPUs on the PCI bus
    modules: tuple[str, ...] | None = None  # nvidia*, nouveau
    kernel_log: tuple[str, ...] | None = None  # lines of NVRM and Xid, the newest last
    dkms: Said | None = None
    secure_boot: bool | None = None
    devices: tuple[str, ...] | None = None  # nvidia* in /dev
    fabric_manager: bool | None = None  # runs
    fabric_manager_version: str | None = None
    compute_pids: tuple[str, ...] | None = None
    daemon_json_error: str = ""
    cdi: tuple[str, ...] | None = None
    engine_gpus: Mapping[str, Said] = field(default_factory=dict)  # nvidia-smi -L, by container


def parse(raw: Mapping[str, Any]) -> Evidence:
    """Read it from the whole document, :attr:`HostFacts.raw` of a thorough look."""
    kernel = raw.get("kernel") or {}
    fabric = raw.get("fabric_manager") or {}
    apps = _said(raw.get("compute_apps"))
    active, cdi = _said(fabric.get("active")), _said(raw.get("cdi"))
    return Evidence(
        bus_gpus=raw.get("bus"),
        modules=_tuple(kernel.get("modules")),
        kernel_log=_tuple(kernel.get("log")),
        dkms=_said(kernel.get("dkms")),
        secure_boot=_enabled(_said(kernel.get("secure_boot"))),
        devices=_tuple(kernel.get("devices")),
        fabric_manager=None if active is None else active.text == "active",
        fabric_manager_version=version_in(fabric.get("version")),
        compute_pids=apps.lines if apps and apps.exit_code == 0 else None,
        daemon_json_error=_json_error((raw.get("docker") or {}).get("daemon_json")),
        cdi=None if cdi is None else _devices(cdi),
        engine_gpus={
            name: said
            for name, answer in (raw.get("engine_gpus") or {}).items()
            if (said := _said(answer))
        },
    )


def _said(answer: Mapping[str, Any] | None) -> Said | None:
    if answer is None:
        return None
    return Said(answer["exit"], "\n".join(filter(None, (answer["out"], answer["err"]))))


def _devices(said: Said) -> tuple[str, ...]:
    return tuple(word for word in said.text.split() if word.startswith("nvidia.com/gpu"))


def _enabled(said: Said | None) -> bool | None:
    return None if said is None or said.exit_code else "enabled" in said.text


def _json_error(text: str | None) -> str:
    try:
        json.loads(text or "{}")
    except ValueError as error:
        return str(error)
    return ""


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
