"""What ``fab benchmark`` says."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from provision.planning.benchmark import Benchmark, Level, Percentiles, advice, knee
from provision.report.table import number, table

_HEADER = ("clients", "req/s", "out tok/s", "failed", "first token ms", "per token ms", "answer ms")


def text(done: Benchmark) -> str:
    """Throughput and latencies by level (p50/p95/p99), the level to plan with, and advice."""
    lines = [
        f"{done.model} on {done.instance_type}, release {done.release}",
        f"{done.input_tokens} tokens in, {done.output_tokens} out;"
        f" one of {done.engines_per_host} engine(s) of a host; latencies p50/p95/p99",
        "",
        *table([_row(level) for level in done.levels], header=_HEADER, right=range(7)),
    ]
    best = knee(done.levels)
    if best is not None:
        lines += ["", f"plan with {best.clients} clients an engine: {_most(best)}"]
    lines += [f"advice: {line}" for line in advice(done.levels)]
    return "\n".join(lines)


def document(done: Benchmark) -> dict[str, Any]:
    """The ``--json`` document."""
    best = knee(done.levels)
    return {
        **asdict(done),
        "key": done.key,
        "best_clients": best.clients if best else None,
        "advice": list(advice(done.levels)),
    }


def _row(level: Level) -> tuple[str, ...]:
    return (
        str(level.clients),
        number(level.requests_per_s, 2),
        number(level.output_tokens_per_s),
        str(level.failed),
        _three(level.ttft),
        _three(level.tpot, digits=1),
        _three(level.e2e),
    )


def _three(times: Percentiles, digits: int = 0) -> str:
    return "/".join(number(value, digits) for value in (times.p50, times.p95, times.p99))


def _most(level: Level) -> str:
    rate = number(level.output_tokens_per_s)
    return f"{rate} tokens/s, {number(level.requests_per_s, 2)} requests/s"
