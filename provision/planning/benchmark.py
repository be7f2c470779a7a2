"""How much one engine carries: what was measured, when to stop, and what to change: pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from provision.errors import FleetError, UsageError
from provision.facts.host import HostFacts
from provision.facts.inventory import Host

FLAT_GAIN = 0.05  # less than this over the best level before: more clients bring no more
_IDLE_GPU = 0.60
_FULL_CACHE = 0.95


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Level:
    """One engine under *clients* requests at a time. ``None`` is unknown.

    Attributes:
        failed: requests without a whole answer.
        ttft, tpot, e2e: time to the first token, per further token, to the whole answer.
        running, waiting, kv_usage: the most that was seen in the engine meanwhile.
        preemptions: requests that were thrown out of the cache and computed again.
        gpu_utilization: mean share of time in which the GPUs were busy, 0 to 1.
    """

    clients: int
    completed: int
    failed: int
    seconds: float
    requests_per_s: float
    output_tokens_per_s: float
    total_tokens_per_s: float
    ttft: Percentiles
    tpot: Percentiles
    e2e: Percentiles
    running: int | None = None
    waiting: int | None = None
    kv_usage: float | None = None
    preemptions: int | None = None
    gpu_utilization: float | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Levels of rising load on one engine of a host."""

    model: str
    instance_type: str
    release: str
    engines_per_host: int
    input_tokens: int
    output_tokens: int
    measured_at: str  # ISO 8601
    levels: tuple[Level, ...] = ()

    @property
    def key(self) -> str:
        """Where the result is kept in the environment's bucket."""
        return f"benchmarks/{self.model}/{self.instance_type}/{self.release}.json"

    @property
    def mix(self) -> str:
        """What was asked: ``<input>/<output>`` tokens."""
        return f"{self.input_tokens}/{self.output_tokens}"


def ladder(text: str, *, most: int) -> tuple[int, ...]:
    """``1,2,4`` as numbers of clients; "" doubles from 1 to *most*. Raises UsageError."""
    if most < 1:
        raise UsageError(f"--max {most} is no number of clients", hint="at least 1")
    if not text:
        return tuple(2**step for step in range(most.bit_length()))
    try:
        steps = tuple(int(word) for word in text.split(","))
    except ValueError:
        steps = ()
    if not steps or steps != tuple(sorted(set(steps))) or steps[0] < 1:
        raise UsageError(f"--concurrency {text!r}", hint="rising numbers, like 1,2,4,8,16")
    return tuple(step for step in steps if step <= most) or steps[:1]


def pick(hosts: Iterable[Host], facts: Mapping[str, HostFacts]) -> Host:
    """The first host whose agent is ready. Raises FleetError when there is none."""
    for host in hosts:
        known = facts.get(host.name)
        if known and known.release and (known.agent or {}).get("ready_for") == known.release:
            return host
    raise FleetError("no host is ready to be measured", hint="`fab status` shows why")


def parse_level(document: Mapping[str, Any], *, clients: int) -> Level:
    """Read what the program on the host printed. Raises FleetError when something is missing."""
    try:
        measured, seen = document["measured"], document["seen"]
        return Level(
            clients=clients,
            completed=int(measured["completed"]),
            failed=int(measured.get("failed") or 0),
            seconds=float(measured["duration"]),
            requests_per_s=float(measured["request_throughput"]),
            output_tokens_per_s=float(measured["output_throughput"]),
            total_tokens_per_s=float(measured["total_token_throughput"]),
            ttft=_percentiles(measured, "ttft"),
            tpot=_percentiles(measured, "tpot"),
            e2e=_percentiles(measured, "e2el"),
            running=_whole(seen.get("running")),
            waiting=_whole(seen.get("waiting")),
            kv_usage=seen.get("kv_usage"),
            preemptions=_whole(seen.get("preemptions")),
            gpu_utilization=seen.get("gpu_utilization"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FleetError(
            f"the load generator's result is not as expected: {error!r}",
            hint="was the engine's image changed? `vllm bench serve --help` in it",
        ) from error


def is_flat(levels: Sequence[Level]) -> bool:
    """Whether the last level brought less than 5 % more tokens a second than the best before."""
    if len(levels) < 2:
        return False
    before = max(level.output_tokens_per_s for level in levels[:-1])
    return levels[-1].output_tokens_per_s < before * (1 + FLAT_GAIN)


def knee(levels: Sequence[Level]) -> Level | None:
    """The lowest level that is within 5 % of the most tokens a second; None without levels."""
    most = max((level.output_tokens_per_s for level in levels), default=0.0)
    enough = [level for level in levels if level.output_tokens_per_s * (1 + FLAT_GAIN) >= most]
    return min(enough, key=lambda level: level.clients, default=None)


def advice(levels: Sequence[Level]) -> Iterator[str]:
    """What to change, by symptom; nothing when none was seen."""
    if not levels:
        return
    top = levels[-1]
    if top.failed:
        yield (
            f"{top.failed} request(s) got no answer at {top.clients} clients: the queue was full"
            " (engine.max_num_queued_reqs) or the engine failed: `fab logs`"
        )
    if not is_flat(levels):
        yield "throughput still rose: measure with a higher --max"
    full = next((level for level in levels if _cache_full(level)), None)
    queued = next((level for level in levels if level.waiting), None)
    if full is not None:
        yield (
            f"GPU memory for the cache is full from {full.clients} clients on"
            f" ({full.preemptions or 0} request(s) computed twice): lower engine.max_model_len or"
            " max_num_seqs, set kv_cache_dtype fp8, or take GPUs with more memory"
        )
    elif queued is not None:
        yield (
            f"a queue grows from {queued.clients} clients on while the cache has room: raise"
            " engine.max_num_seqs, or add hosts when the first token must come sooner"
        )
    busy = top.gpu_utilization
    if busy and busy < _IDLE_GPU and full is None:  # 0 while tokens came: it was not measured
        yield (
            f"the GPU works only {busy:.0%} of the time at {top.clients} clients: prompts arrive"
            " too slowly (client, CPU), or raise engine.max_num_batched_tokens"
        )


def to_json(benchmark: Benchmark, *, before: bytes | None) -> bytes:
    """The object to keep: this mix beside the others that were measured *before*."""
    try:
        mixes = dict(json.loads(before)["mixes"]) if before else {}
    except (ValueError, KeyError, TypeError):
        mixes = {}
    mixes[benchmark.mix] = asdict(benchmark)
    head = {"model": benchmark.model, "release": benchmark.release}
    text = json.dumps({**head, "instance_type": benchmark.instance_type, "mixes": mixes}, indent=2)
    return text.encode()


def from_json(data: bytes) -> tuple[Benchmark, ...]:
    """What :func:`to_json` wrote: a benchmark for each mix. Raises FleetError for anything else."""
    try:
        mixes = json.loads(data)["mixes"]
        return tuple(_benchmark(document) for document in mixes.values())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FleetError(
            f"it is not what `fab benchmark` writes: {error!r}",
            hint="delete it; `fab cost.break-even --fetch` fetches it again",
        ) from error


def _benchmark(document: Mapping[str, Any]) -> Benchmark:
    levels = tuple(_kept_level(level) for level in document["levels"])
    return Benchmark(**{**document, "levels": levels})


def _kept_level(document: Mapping[str, Any]) -> Level:
    latencies = {name: Percentiles(**document[name]) for name in ("ttft", "tpot", "e2e")}
    return Level(**{**document, **latencies})


def _cache_full(level: Level) -> bool:
    return bool(level.preemptions) or (level.kv_usage or 0.0) >= _FULL_CACHE


def _percentiles(measured: Mapping[str, Any], name: str) -> Percentiles:
    return Percentiles(*(measured.get(f"p{share}_{name}_ms") for share in (50, 95, 99)))


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
