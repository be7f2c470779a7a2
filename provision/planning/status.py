"""One line a host: what it runs, how it feels, whether clients reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provision.facts.host import GpuFacts, HostFacts
from provision.facts.inventory import Host, Inventory

UNREACHABLE = "unreachable"
SILENT = "agent silent"
HEALTHY = "healthy"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """What is known of one host; ``None`` is unknown.

    Attributes:
        health: the agent's word (ready, warming, ...), or why there is none.
        reason: why it is not ready, or away; "" when it is ready.
        in_traffic: the load balancer sends requests to it.
        target: the load balancer's own word.
        running, waiting: requests in its engines now.
        uptime_s: since the youngest engine on it started.
        gpus: its GPUs; () when it has none.
    """

    name: str
    address: str
    zone: str
    health: str
    target: str
    release: str | None = None
    model: str | None = None
    reason: str = ""
    running: int | None = None
    waiting: int | None = None
    kv_usage: float | None = None
    uptime_s: float | None = None
    restarts: int | None = None
    gpus: tuple[GpuFacts, ...] | None = None

    @property
    def in_traffic(self) -> bool:
        """Whether the load balancer sends requests to it."""
        return self.target == HEALTHY


def rows(
    inventory: Inventory,
    facts: Mapping[str, HostFacts],
    unreachable: Mapping[str, str],
    targets: Mapping[str, str],
) -> tuple[HostStatus, ...]:
    """The status of every host of *inventory*; *targets* is what the load balancer says."""
    return tuple(
        _row(host, facts.get(host.name), unreachable.get(host.name, ""), targets)
        for host in inventory
    )


def _row(
    host: Host, facts: HostFacts | None, unreachable: str, targets: Mapping[str, str]
) -> HostStatus:
    target = targets.get(host.name, "not registered")
    if facts is None:
        return HostStatus(
            host.name, host.address, host.zone, UNREACHABLE, target, reason=unreachable
        )
    agent = facts.agent or {}
    replicas = list(agent.get("replicas") or [])
    ready = bool(agent.get("ready_for")) and agent.get("ready_for") == facts.release
    health = _health(facts, ready=ready)
    return HostStatus(
        name=host.name,
        address=host.address,
        zone=host.zone,
        health=health,
        target=target,
        release=facts.release,
        model=agent.get("model"),
        reason="" if health == "ready" else str(agent.get("reason") or ""),
        running=_sum(replicas, "running"),
        waiting=_sum(replicas, "waiting"),
        kv_usage=max(_known(replicas, "kv_usage"), default=None),
        uptime_s=min(_known(replicas, "uptime_s"), default=None),
        restarts=_sum(replicas, "restarts"),
        gpus=facts.gpus,
    )


def _health(facts: HostFacts, *, ready: bool) -> str:
    if facts.agent is None:
        return SILENT if facts.release else "no release"
    state = str(facts.agent.get("state") or "unknown")
    if facts.agent.get("leaving"):
        return "leaving"  # AWS takes it away; the reason says why and until when
    if ready and facts.agent.get("maintenance"):
        return "away"  # on purpose: its engine is fine
    return "not ready" if state == "ready" and not ready else state


def _sum(replicas: list[dict[str, Any]], name: str) -> int | None:
    known = _known(replicas, name)
    return int(sum(known)) if known and len(known) == len(replicas) else None


def _known(replicas: list[dict[str, Any]], name: str) -> list[float]:
    return [float(one[name]) for one in replicas if one.get(name) is not None]
