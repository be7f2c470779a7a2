"""What ``/metrics`` of the agent holds: this host in Prometheus' form. Pure.

Names are promises: rules and dashboards in ``monitoring/`` look for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

from provision.agent.condition import Condition
from provision.agent.exposition import Family
from provision.agent.front_log import ANSWERING
from provision.agent.gpu_load import GpuLoad
from provision.agent.report import ReplicaReport
from provision.agent.supervise import Phase


@dataclass(frozen=True)
class EngineCounts:
    """An engine's canaries and restarts since the agent's start.

    ``canaries`` by what came: ``token``, ``busy`` (full or slow), ``none``; ``canary_s`` are the
    seconds of those that gave a token. ``ok`` is the last one's outcome, None before the first.
    """

    canaries: Mapping[str, int]
    canary_s: float = 0.0
    restarts: int = 0
    ok: Optional[bool] = None


@dataclass(frozen=True)
class Snapshot:
    """Everything that is told, at one moment."""

    environment: str
    release: Optional[str]
    model: Optional[str]
    condition: Condition
    ready: bool
    away: bool
    agent_started: float
    keys: int
    keys_synced_at: Optional[float]
    replicas: Sequence[ReplicaReport]
    engines: Mapping[int, EngineCounts]
    answers: Mapping[Tuple[str, int, str], int]
    probes: int
    unreadable: int
    gpus: Sequence[GpuLoad]
    calls: Mapping[str, int]
    lost: int


def families(seen: Snapshot) -> List[Family]:
    """All of it."""
    return [*_host(seen), *_engines(seen), *_traffic(seen), *_gpus(seen), *_telling(seen)]


def _host(seen: Snapshot) -> Iterator[Family]:
    info = Family("llm_fleet_info", "gauge", "What this host runs; always 1.")
    yield info.add(
        1, environment=seen.environment, release=seen.release or "", model=seen.model or ""
    )
    ready = Family("llm_fleet_ready", "gauge", "1: the load balancer may send requests here.")
    yield ready.add(seen.ready)
    away = Family("llm_fleet_away", "gauge", "1: away on purpose: maintenance, or leaving.")
    yield away.add(seen.away)
    condition = Family("llm_fleet_condition", "gauge", "1 for the word that says how the host is.")
    for word in Condition:
        condition.add(word is seen.condition, condition=word.value)
    yield condition
    started = Family("llm_fleet_agent_start_time_seconds", "gauge", "Since when the agent runs.")
    yield started.add(seen.agent_started)
    keys = Family("llm_fleet_client_keys", "gauge", "Client keys that are known.")
    yield keys.add(seen.keys)
    synced = Family("llm_fleet_client_keys_synced_time_seconds", "gauge", "When they were read.")
    yield synced.add(seen.keys_synced_at)


def _engines(seen: Snapshot) -> Iterator[Family]:
    phase = Family("llm_fleet_engine_phase", "gauge", "1 for the phase that the engine is in.")
    out = Family("llm_fleet_engine_away", "gauge", "1: this engine is away on purpose.")
    running = Family("llm_fleet_requests_running", "gauge", "Requests in the engine's batch.")
    waiting = Family("llm_fleet_requests_waiting", "gauge", "Requests in the engine's queue.")
    kv = Family("llm_fleet_kv_usage_ratio", "gauge", "Share of the KV cache that is in use.")
    last = Family("llm_fleet_last_token_time_seconds", "gauge", "The last canary that was good.")
    warm = Family("llm_fleet_warm_up_seconds", "gauge", "How long the last warm-up took.")
    first = Family("llm_fleet_warm_up_first_token_seconds", "gauge", "Its streamed first token.")
    up = Family("llm_fleet_engine_uptime_seconds", "gauge", "Since the engine's container started.")
    for one in seen.replicas:
        index = one.index
        for each in Phase:
            phase.add(each is one.state.phase, replica=index, phase=each.value)
        out.add(one.away is not None, replica=index)
        running.add(one.metrics.running, replica=index)
        waiting.add(one.metrics.waiting, replica=index)
        kv.add(one.metrics.kv_usage, replica=index)
        last.add(one.state.last_good, replica=index)
        warm.add(one.start_up.get("warm_up"), replica=index)
        first.add(one.first_token_s, replica=index)
        up.add(one.uptime_s, replica=index)
    yield from (phase, out, running, waiting, kv, last, warm, first, up)
    yield from _counts(seen)


def _counts(seen: Snapshot) -> Iterator[Family]:
    ok = Family("llm_fleet_canary_ok", "gauge", "1: the last canary was answered, or refused busy.")
    canaries = Family("llm_fleet_canaries_total", "counter", "Canaries by what came of them.")
    seconds = Family("llm_fleet_canary_seconds_total", "counter", "Of those that gave a token.")
    restarts = Family("llm_fleet_engine_restarts_total", "counter", "Starts of the same container.")
    for index, counts in sorted(seen.engines.items()):
        ok.add(counts.ok, replica=index)
        for result, count in counts.canaries.items():
            canaries.add(count, replica=index, result=result)
        seconds.add(counts.canary_s, replica=index)
        restarts.add(counts.restarts, replica=index)
    yield from (ok, canaries, seconds, restarts)


def _traffic(seen: Snapshot) -> Iterator[Family]:
    answers = Family("llm_fleet_answers_total", "counter", "Answers of the front to clients.")
    spills = Family("llm_fleet_spills_total", "counter", "Requests passed on to the gateway.")
    # From the first look on, so that the first answer of a kind is an increase.
    by_answer: dict[Tuple[str, int], int] = {(tier, 200): 0 for tier in ANSWERING}
    by_reason: dict[str, int] = {}
    for (tier, status, spill), count in seen.answers.items():
        by_answer[tier, status] = by_answer.get((tier, status), 0) + count
        if spill:
            by_reason[spill] = by_reason.get(spill, 0) + count
    for (tier, status), count in sorted(by_answer.items()):
        answers.add(count, tier=tier, status=status)
    for reason, count in sorted(by_reason.items()):
        spills.add(count, reason=reason)
    yield from (answers, spills)
    probes = Family("llm_fleet_probes_total", "counter", "Answers to probes, not counted above.")
    yield probes.add(seen.probes)
    unreadable = Family("llm_fleet_unreadable_answers_total", "counter", "Not the front's words.")
    yield unreadable.add(seen.unreadable)


def _gpus(seen: Snapshot) -> Iterator[Family]:
    busy = Family("llm_fleet_gpu_utilisation_ratio", "gauge", "Share of time that the GPU works.")
    memory = Family("llm_fleet_gpu_memory_ratio", "gauge", "Share of the GPU's memory in use.")
    for one in seen.gpus:
        busy.add(None if one.utilisation is None else one.utilisation / 100, gpu=one.index)
        memory.add(None if one.memory is None else one.memory / 100, gpu=one.index)
    yield from (busy, memory)


def _telling(seen: Snapshot) -> Iterator[Family]:
    calls = Family("llm_fleet_cloudwatch_calls_total", "counter", "Calls that carry metrics.")
    for result, count in sorted(seen.calls.items()):
        calls.add(count, result=result)
    yield calls
    lost = Family(
        "llm_fleet_cloudwatch_values_lost_total", "counter", "Values that never got there."
    )
    yield lost.add(seen.lost)
