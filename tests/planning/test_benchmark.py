"""When more load brings no more, and what to change."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import FleetError, UsageError
from provision.planning import benchmark
from provision.planning.benchmark import Benchmark, Level, Percentiles
from provision.testing import samples

NO_TIMES = Percentiles(None, None, None)


def level(clients: int, tokens: float, **changes: object) -> Level:
    base = Level(
        clients=clients,
        completed=16,
        failed=0,
        seconds=10.0,
        requests_per_s=tokens / 128,
        output_tokens_per_s=tokens,
        total_tokens_per_s=tokens * 9,
        ttft=NO_TIMES,
        tpot=NO_TIMES,
        e2e=NO_TIMES,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


RISING = (level(1, 40), level(2, 78), level(4, 150))
FLAT = (*RISING, level(8, 151))


def test_flat_is_less_than_five_percent_more() -> None:
    """One level says nothing; a level that is slower is flat, too."""
    assert not benchmark.is_flat(RISING[:1])
    assert not benchmark.is_flat(RISING)
    assert benchmark.is_flat(FLAT)
    assert benchmark.is_flat((level(1, 100), level(2, 60)))


@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=10))
def test_the_knee_is_the_lowest_level_near_the_most(rates: list[float]) -> None:
    """Within 5 % of the most tokens a second, and no lower level is."""
    levels = [level(2**step, rate) for step, rate in enumerate(rates)]
    best = benchmark.knee(levels)
    assert best is not None
    assert best.output_tokens_per_s * 1.05 >= max(rates)
    lower = [one for one in levels if one.clients < best.clients]
    assert all(one.output_tokens_per_s * 1.05 < max(rates) for one in lower)


def test_the_ladder_doubles_or_is_what_was_said() -> None:
    """``--max`` ends it either way."""
    assert benchmark.ladder("", most=20) == (1, 2, 4, 8, 16)
    assert benchmark.ladder("1,3,9,27", most=10) == (1, 3, 9)


@pytest.mark.parametrize("text", ["4,2", "a", "1,,2", "0,1", "2,2"])
def test_a_ladder_that_does_not_rise_is_refused(text: str) -> None:
    """With an example of one that does."""
    with pytest.raises(UsageError, match="--concurrency"):
        benchmark.ladder(text, most=8)


def test_a_cache_that_is_full() -> None:
    """Memory is named first: a queue behind a full cache is its consequence."""
    full = (*FLAT[:3], level(8, 151, kv_usage=0.99, waiting=30, preemptions=12))
    [line] = benchmark.advice(full)
    assert line.startswith("GPU memory for the cache is full from 8 clients on (12 request(s)")


def test_a_queue_while_the_cache_has_room() -> None:
    """From the first level at which requests waited."""
    queued = (*FLAT[:2], level(4, 150, waiting=2), level(8, 151, waiting=6, kv_usage=0.2))
    [line] = benchmark.advice(queued)
    assert line.startswith("a queue grows from 4 clients on")


def test_a_gpu_that_idles() -> None:
    """Busy for less than 60 % of the time under the highest load; unknown says nothing."""
    [line] = benchmark.advice((*RISING, level(8, 151, gpu_utilization=0.41)))
    assert line.startswith("the GPU works only 41% of the time at 8 clients")
    assert list(benchmark.advice(FLAT)) == []
    assert list(benchmark.advice((*RISING, level(8, 151, gpu_utilization=0.0)))) == []


def test_throughput_that_still_rises_and_requests_that_fail() -> None:
    """Both are said."""
    lines = list(benchmark.advice((*RISING, level(8, 290, failed=3))))
    assert [line.split(":")[0] for line in lines] == [
        "3 request(s) got no answer at 8 clients",
        "throughput still rose",
    ]


def test_a_result_of_the_load_generator() -> None:
    """vLLM's own names; what was not seen is unknown, not 0."""
    measured = {
        "completed": 16,
        "failed": 0,
        "duration": 2.5,
        "request_throughput": 6.4,
        "output_throughput": 819.2,
        "total_token_throughput": 7372.8,
        "p50_ttft_ms": 40.0,
        "p95_ttft_ms": 80.0,
        "p99_ttft_ms": 90.0,
        "p50_tpot_ms": 7.4,
        "p50_e2el_ms": 500.0,
    }
    seen = {"running": 8.0, "waiting": None, "kv_usage": 0.25, "gpu_utilization": None}
    got = benchmark.parse_level({"measured": measured, "seen": seen}, clients=8)
    assert got.ttft == Percentiles(40.0, 80.0, 90.0)
    assert got.tpot == Percentiles(7.4, None, None)
    assert (got.running, got.waiting, got.preemptions) == (8, None, None)


def test_another_result_is_an_error() -> None:
    """With a hint at the engine's image."""
    with pytest.raises(FleetError, match="not as expected"):
        benchmark.parse_level({"measured": {}, "seen": {}}, clients=1)


def test_results_are_kept_by_mix() -> None:
    """Another mix of the same model, type and release stays beside the new one."""
    done = Benchmark("m", "g5.xlarge", "r-1", 1, 1024, 128, "2026-11-21T04:00:00+00:00", FLAT)
    other = replace(done, input_tokens=200)
    kept = benchmark.to_json(other, before=benchmark.to_json(done, before=None))
    assert sorted(json.loads(kept)["mixes"]) == ["1024/128", "200/128"]
    assert done.key == "benchmarks/m/g5.xlarge/r-1.json"
    assert json.loads(benchmark.to_json(done, before=b"garbage"))["mixes"]


def test_the_first_ready_host_is_measured() -> None:
    """One that warms up or is down can't be."""
    hosts = samples.hosts(3)
    facts = {"i-1": samples.facts(), "i-3": samples.serving("r-1")}
    assert benchmark.pick(hosts, facts) == hosts[2]
    with pytest.raises(FleetError, match="no host is ready"):
        benchmark.pick(hosts, {})
