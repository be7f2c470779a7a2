"""The metrics that exist: the agent's from its own renderer, the engine's from vLLM's source."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.agent.condition import Condition
from provision.agent.gpu_load import GpuLoad
from provision.agent.host_metrics import EngineCounts, Snapshot, families
from provision.agent.metrics import Metrics
from provision.agent.report import ReplicaReport
from provision.agent.supervise import Phase, State

# What rules and dashboard use of the engine; a test in the lab looks for them in its source.
ENGINE = {
    "vllm:time_to_first_token_seconds_bucket",
    "vllm:inter_token_latency_seconds_bucket",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
}
PROMETHEUS = {"up", "ALERTS"}
_STRING = re.compile(r'"[^"]*"')
_NAME = re.compile(r"\b(?:llm_fleet:|llm_fleet_|vllm:|up\b|ALERTS\b)[\w:]*")


def used(expression: str) -> set[str]:
    """The metrics in a query, without what stands in quotes."""
    return set(_NAME.findall(_STRING.sub('""', expression)))


def exposed() -> set[str]:
    """Every metric of an agent that has everything to tell."""
    return {family.name for family in families(_full()) if family.samples}


def labels() -> Iterator[tuple[str, set[str]]]:
    """Each of them with its labels."""
    for family in families(_full()):
        for key in family.samples:
            yield family.name, {name for name, _ in key}


def _full() -> Snapshot:
    replica = ReplicaReport(
        index=0,
        release="r-1",
        fresh_s=36.0,
        state=State(phase=Phase.READY, last_good=5.0),
        metrics=Metrics(running=1, waiting=0, kv_usage=0.5),
        started_at="2026-11-21T03:00:00Z",
        uptime_s=60.0,
        restarts=0,
        start_up={"warm_up": 1.5},
        kv_cache_tokens=1000,
        log=(),
        first_token_s=0.1,
    )
    return Snapshot(
        environment="prod",
        release="r-1",
        model="mistral-7b",
        condition=Condition.OK,
        ready=True,
        away=False,
        agent_started=1.0,
        keys=2,
        keys_synced_at=2.0,
        replicas=[replica],
        engines={0: EngineCounts({"token": 3, "busy": 0, "none": 0}, 0.3, 1, ok=True)},
        answers={("primary", 200, ""): 5, ("hosted", 200, "full"): 1},
        probes=1,
        unreadable=0,
        gpus=[GpuLoad(0, 80.0, 90.0)],
        calls={"ok": 1, "failed": 0},
        lost=0,
    )
