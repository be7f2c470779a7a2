"""What ``fab status`` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from provision.facts.host import GpuFacts
from provision.planning.status import UNREACHABLE, HostStatus
from provision.report.table import number, seconds, table

_HEADER = ("host", "release", "model", "health", "traffic", "running", "waiting", "up", "gpu")


def text(
    hosts: Sequence[HostStatus], *, current: str | None, endpoint: str, gateway: str | None = None
) -> str:
    """A table, the reasons of those that are not well, where clients go, and the *gateway*."""
    last = [gateway] if gateway else []
    if not hosts:
        return "\n".join(["no running host", *last])
    lines = table([_row(one) for one in hosts], header=_HEADER, right=(5, 6, 7))
    reasons = [f"{one.name}: {one.reason}" for one in hosts if one.reason]
    well = sum(one.in_traffic for one in hosts)
    lines += ["", *reasons] if reasons else []
    lines += ["", f"{well} of {len(hosts)} in traffic at {endpoint}"]
    return "\n".join([*lines, f"booting hosts take {current or 'nothing yet'}", *last])


def document(hosts: Sequence[HostStatus]) -> list[dict[str, Any]]:
    """The ``--json`` document: one entry a host."""
    return [{**asdict(one), "in_traffic": one.in_traffic} for one in hosts]


def _row(one: HostStatus) -> tuple[str, ...]:
    return (
        one.name,
        one.release or ("unknown" if one.health == UNREACHABLE else "none"),
        one.model or "unknown",
        one.health,
        "yes" if one.in_traffic else f"no ({one.target})",
        number(one.running),
        number(one.waiting),
        seconds(one.uptime_s),
        _gpus(one.gpus),
    )


def _gpus(gpus: tuple[GpuFacts, ...] | None) -> str:
    if gpus is None:
        return "unknown"
    if not gpus:
        return "none"
    kinds = ", ".join(
        f"{count} x {name}" if count > 1 else name
        for name, count in Counter(gpu.name for gpu in gpus).items()
    )
    used, there = sum(gpu.used_mib for gpu in gpus), sum(gpu.memory_mib for gpu in gpus)
    return f"{kinds}, {used / 1024:.1f} of {there / 1024:.1f} GiB"
