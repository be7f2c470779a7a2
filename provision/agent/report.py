"""The agent's word on its host, from what is known of each replica: pure."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any, Collection, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from provision.agent.docker import Container
from provision.agent.maintenance import Mark
from provision.agent.metrics import Metrics
from provision.agent.settings import AgentSettings
from provision.agent.supervise import Phase, State

# The worst replica speaks for the host: un-warmed, hung or gone is not ready.
_WORST_FIRST = (
    Phase.CRASH_LOOP,
    Phase.HUNG,
    Phase.STOPPED,
    Phase.STARTING,
    Phase.WARMING,
    Phase.READY,
)
_MOMENT = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$")


@dataclass(frozen=True)
class ReplicaReport:
    """What is known of one replica, that runs from ``release``.

    ``start_up`` is seconds by part of its last start; ``away`` and ``changing`` say that somebody
    works on it; ``known`` that the agent, which may just have started, has found out how it is;
    ``busy`` that it was full or slow at its last canary. ``container`` is the container's id.
    """

    index: int
    release: str
    fresh_s: float
    state: State
    metrics: Metrics
    started_at: Optional[str]
    uptime_s: Optional[float]
    restarts: int
    start_up: Mapping[str, float]
    kv_cache_tokens: Optional[int]
    log: Tuple[str, ...]
    first_token_s: Optional[float] = None
    known: bool = True
    away: Optional[Mark] = None
    changing: bool = False
    busy: bool = False
    container: Optional[str] = None

    def problem(self, now: float) -> str:
        """Why it is not ready, empty when it is: warm, and a canary answered lately."""
        if self.changing:
            return f"replica {self.index} is being changed"
        if self.state.phase is not Phase.READY:
            why = f": {self.state.reason}" if self.state.reason else ""
            return f"replica {self.index} is {self.state.phase.value}{why}"
        age = now - (self.state.last_good or 0.0)
        return (
            f"replica {self.index} gave its last token {age:.0f} s ago"
            if age > self.fresh_s
            else ""
        )


def document(
    release: Optional[str],
    settings: Optional[AgentSettings],
    replicas: Sequence[ReplicaReport],
    *,
    applied: Mapping[str, float],
    out: Collection[int],
    problem: str,
    now: float,
) -> Dict[str, Any]:
    """The status document. *problem* is what keeps a host back whose engines are fine.

    It is ready for a release when all of its engines run from that one, and are ready.
    """
    if release is None or settings is None or not replicas:
        return _nothing_yet(release, settings, problem, now)
    worst = min(replicas, key=lambda replica: _WORST_FIRST.index(replica.state.phase))
    ready, reason = readiness(replicas, problem=problem, now=now)
    releases = sorted({replica.release for replica in replicas})
    if ready and len(releases) > 1:
        ready, reason = False, f"its engines run from {' and '.join(releases)}"
    waterfall = {**applied, **_slowest([replica.start_up for replica in replicas])}
    tokens = [r.kv_cache_tokens for r in replicas if r.kv_cache_tokens is not None]
    return {
        "state": worst.state.phase.value,
        "release": release,
        "model": settings.model,
        "since": worst.state.since,
        "replicas": [_replica(replica, out, problem, now) for replica in replicas],
        "ready_for": releases[0] if ready else None,
        "waterfall": waterfall,
        "kv_cache_tokens": sum(tokens) if len(tokens) == len(replicas) else None,
        "reason": "" if ready else reason,
        "log": list(worst.log),
    }


def readiness(replicas: Sequence[ReplicaReport], *, problem: str, now: float) -> Tuple[bool, str]:
    """Whether every engine of this host is ready, and if not, why: *problem* is the host's own."""
    if problem:
        return False, problem
    if not replicas:
        return False, "no engine is watched yet"
    why = next(filter(None, (replica.problem(now) for replica in replicas)), "")
    return not why, why


def may_serve(
    replicas: Sequence[ReplicaReport], *, leaves_out: bool, problem: str, now: float
) -> Tuple[bool, str]:
    """Whether this host may take traffic, and if not, why.

    Every replica must be ready: the front spreads requests over all of them, so that one that is
    not warm would get some. Where the front *leaves_out* those that are not, and those that are
    away on purpose, one of the others is enough, and there must be one.
    """
    ready, why = readiness(replicas, problem=problem, now=now)
    if problem or not replicas or not leaves_out:
        return ready, why
    serving = any(replica.away is None and not replica.problem(now) for replica in replicas)
    return serving, "" if serving else why or "each engine is away on purpose"


def left_out(
    replicas: Sequence[ReplicaReport], before: Collection[int], now: float
) -> FrozenSet[int]:
    """The engines that get nothing new: away on purpose, or not ready.

    One of which an agent that just started knows nothing yet stays as it was *before*: that it was
    not looked at is no reason to send its requests to the others, nor to trust it.
    """
    return frozenset(
        replica.index
        for replica in replicas
        if replica.away is not None
        or (replica.index in before if not replica.known else bool(replica.problem(now)))
    )


def uptime_s(container: Optional[Container], now: float) -> Optional[float]:
    """Seconds since the container started, None when it does not run."""
    if container is None or not container.running:
        return None
    started = epoch(container.started_at)
    return None if started is None else round(max(0.0, now - started), 3)


def epoch(moment: str) -> Optional[float]:
    """Seconds since the epoch of Docker's time text (with nanoseconds)."""
    match = _MOMENT.match(moment)
    if not match:
        return None
    base, fraction, zone = match.groups()
    parsed = datetime.fromisoformat(base + ("+00:00" if zone == "Z" else zone))
    return parsed.astimezone(timezone.utc).timestamp() + float(fraction or 0.0)


def _nothing_yet(
    release: Optional[str], settings: Optional[AgentSettings], problem: str, now: float
) -> Dict[str, Any]:
    return {
        "state": "no-release" if release is None else Phase.STARTING.value,
        "release": release,
        "model": settings.model if settings else None,
        "since": now,
        "replicas": [],
        "ready_for": None,
        "waterfall": {},
        "kv_cache_tokens": None,
        "reason": problem or "no release was applied yet",
        "log": [],
    }


def _replica(
    replica: ReplicaReport, out: Collection[int], host_problem: str, now: float
) -> Dict[str, Any]:
    state, metrics = replica.state, replica.metrics
    why = host_problem or replica.problem(now)
    return {
        "index": replica.index,
        "release": replica.release,
        "ready_for": None if why else replica.release,
        "away": asdict(replica.away) if replica.away else None,
        "out": replica.index in out,
        "reason": why,
        "state": state.phase.value,
        "running": metrics.running,
        "waiting": metrics.waiting,
        "kv_usage": metrics.kv_usage,
        "kv_cache_tokens": replica.kv_cache_tokens,
        "served": None if metrics.served is None else metrics.served.to_json(),
        "first_token_s": replica.first_token_s,
        "started_at": replica.started_at,
        "uptime_s": replica.uptime_s,
        "restarts": replica.restarts,
        "last_canary_s": None if state.last_good is None else round(now - state.last_good, 3),
        "canary_misses": state.misses,
        "waterfall": dict(replica.start_up),
        "log": list(replica.log),
    }


def _slowest(starts: List[Mapping[str, float]]) -> Dict[str, float]:
    """Replicas start side by side: each part takes as long as the slowest of them."""
    names = dict.fromkeys(name for start in starts for name in start)
    return {name: max(start.get(name, 0.0) for start in starts) for name in names}
