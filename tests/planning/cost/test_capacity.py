"""What a host carries: as measured, else carried over from another mix, else by the roofline."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from provision.catalog.instances import instance_type
from provision.catalog.models import model
from provision.config.environment import EngineSettings
from provision.errors import UsageError
from provision.planning.benchmark import Benchmark, Level, Percentiles
from provision.planning.cost.capacity import Known, capacity, given, long_enough, measured
from provision.planning.cost.throughput import Mix, engine_of
from provision.planning.sizing import size

MIX = Mix(700, 100)
SETTINGS = EngineSettings()
MISTRAL = model("mistral-7b")
ON_G5 = size(MISTRAL, instance_type("g5.xlarge"), SETTINGS)
NONE = Percentiles(None, None, None)


def level(clients: int, requests_per_s: float) -> Level:
    return Level(
        clients=clients,
        completed=100,
        failed=0,
        seconds=10.0,
        requests_per_s=requests_per_s,
        output_tokens_per_s=requests_per_s * 100,
        total_tokens_per_s=requests_per_s * 800,
        ttft=NONE,
        tpot=NONE,
        e2e=NONE,
    )


KEPT = Benchmark(
    model="mistral-7b",
    instance_type="g5.xlarge",
    release="0123456789abcdef",
    engines_per_host=1,
    input_tokens=700,
    output_tokens=100,
    measured_at="2026-11-20T10:00:00+00:00",
    levels=(level(8, 2.0), level(16, 3.3), level(32, 3.4)),
)


def test_without_a_benchmark_the_roofline_stands_in_and_says_so() -> None:
    """0.60 of the bound; the sentence names the way to know better."""
    found = capacity(ON_G5, SETTINGS, MIX)
    assert found is not None
    assert (found.requests_per_s, found.replicas) == (Decimal("2.9551"), 1)
    assert found.known is Known.ROOFLINE
    assert "nobody measured it: `fab benchmark` does" in found.said


def test_a_benchmark_of_this_mix_wins() -> None:
    """Its knee: the lowest load within 5 % of the most that was reached."""
    found = capacity(ON_G5, SETTINGS, MIX, [KEPT])
    assert found is not None
    assert (found.requests_per_s, found.known) == (Decimal("3.3000"), Known.MEASURED)
    assert found.said == (
        "measured by `fab benchmark` at 700/100 tokens, release 0123456789ab on 2026-11-20"
    )


def test_a_benchmark_of_another_mix_is_carried_over() -> None:
    """What it reached of the roofline there is taken here."""
    engine = engine_of(ON_G5, gpu_memory_utilization=0.9)
    assert engine is not None
    there = engine.bound(Mix(1024, 128))
    other = replace(KEPT, input_tokens=1024, output_tokens=128, levels=(level(8, 0.75 * there),))
    found = capacity(ON_G5, SETTINGS, MIX, [other])
    assert found is not None
    assert float(found.requests_per_s) == pytest.approx(0.75 * engine.bound(MIX), abs=1e-4)
    assert found.known is Known.SCALED
    assert "0.75 of the roofline at 1024/128 tokens" in found.said


def test_the_mix_itself_goes_before_what_is_newer() -> None:
    """An older benchmark of this mix says more than a newer one of another."""
    newer = replace(KEPT, input_tokens=1024, measured_at="2026-11-21T00:00:00+00:00")
    found = capacity(ON_G5, SETTINGS, MIX, [KEPT, newer])
    assert found is not None
    assert found.known is Known.MEASURED


def test_the_newest_of_one_mix_is_taken() -> None:
    """A new release was measured again."""
    newer = replace(KEPT, measured_at="2026-11-21T00:00:00+00:00", levels=(level(8, 4.0),))
    found = capacity(ON_G5, SETTINGS, MIX, [newer, KEPT])
    assert found is not None
    assert found.requests_per_s == Decimal("4.0000")


def test_a_benchmark_without_a_level_says_nothing() -> None:
    """It was interrupted before the first level: the roofline stands in."""
    found = capacity(ON_G5, SETTINGS, MIX, [replace(KEPT, levels=())])
    assert found is not None
    assert found.known is Known.ROOFLINE


def test_nothing_compares_two_mixes_without_a_roofline() -> None:
    """A GPU whose figures nobody knows: only a benchmark of this very mix counts."""
    assert measured([replace(KEPT, input_tokens=1024)], None, MIX, 1) is None
    assert measured([KEPT], None, MIX, 1) is not None


def test_a_host_of_eight_engines_carries_eight_times_as_much() -> None:
    """One engine was measured; a p4d runs eight."""
    on_p4d = size(MISTRAL, instance_type("p4d.24xlarge"), SETTINGS)
    found = capacity(on_p4d, SETTINGS, MIX, [KEPT])
    assert found is not None
    assert (found.requests_per_s, found.replicas) == (Decimal("26.4000"), 8)


def test_a_month_is_whole_requests() -> None:
    """Two hosts at 1.5 a second over 730 hours."""
    assert given(Decimal("1.5")).per_month(Decimal(730 * 3600), hosts=2) == 7_884_000


def test_a_request_longer_than_the_model_s_context_is_refused() -> None:
    """No engine would take it."""
    with pytest.raises(UsageError, match="longer than the context of mistral-7b, 32,768"):
        long_enough(SETTINGS, MISTRAL, Mix(32_700, 100))


def test_engines_are_sized_for_the_request() -> None:
    """A request longer than the default length lifts it; a shorter one leaves it."""
    assert long_enough(SETTINGS, MISTRAL, Mix(8000, 1000)).max_model_len == 9000
    assert long_enough(SETTINGS, MISTRAL, MIX).max_model_len == SETTINGS.max_model_len


def test_an_engine_over_several_gpus_says_what_is_not_counted() -> None:
    """The roofline knows nothing of the links between GPUs."""
    on_p4d = size(model("llama-3.1-70b"), instance_type("p4d.24xlarge"), SETTINGS)
    found = capacity(on_p4d, SETTINGS, MIX)
    assert found is not None
    assert found.said.endswith("what 8 GPUs say to each other is not counted")
