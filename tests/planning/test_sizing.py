"""Does it fit, how is it laid out, how much can it serve?"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.catalog.instances import instance_type, instance_types
from provision.catalog.models import model, models
from provision.config.environment import EngineSettings, FleetSettings, ModelCacheSettings
from provision.errors import SizingError, UsageError
from provision.planning.disk import too_small
from provision.planning.sizing import Sizing, nearest_fit, require_fit, size

ENGINE = EngineSettings()


def sized(name: str, on: str, **engine: Any) -> Sizing:
    return size(model(name), instance_type(on), replace(ENGINE, **engine))


@pytest.mark.parametrize(
    ("name", "engine", "tokens"),
    [
        ("qwen3-8b", {}, 22_880),
        ("qwen3-8b-fp8", {}, 67_424),
        ("qwen3-8b-fp8", {"kv_cache_dtype": "fp8"}, 134_864),
    ],
)
def test_within_5_percent_of_published_engine_logs(
    name: str, engine: dict[str, Any], tokens: int
) -> None:
    """Three logs of one L4 at 0.90 and 8192 tokens (the first says 2.79 requests at once)."""
    sizing = sized(name, "g6.xlarge", max_model_len=8192, **engine)
    assert sizing.kv_cache_tokens == pytest.approx(tokens, rel=0.05)
    assert sizing.concurrency[8192] == pytest.approx(tokens / 8192, rel=0.05)


# name, type, engine -> GPUs per engine, engines per host, tokens per engine
GOLDEN = [
    ("mistral-7b", "g5.xlarge", {}, (1, 1, 39_760)),
    ("mistral-7b", "g5.xlarge", {"gpu_memory_utilization": 0.92}, (1, 1, 43_376)),
    ("mistral-7b", "g5.xlarge", {"gpu_memory_utilization": 0.95}, (1, 1, 48_784)),
    ("mistral-7b", "g5.xlarge", {"kv_cache_dtype": "fp8"}, (1, 1, 79_520)),
    ("mistral-7b", "g5.12xlarge", {}, (1, 4, 39_760)),
    ("mistral-7b-awq", "g5.xlarge", {}, (1, 1, 118_560)),
    ("llama-3.1-8b", "g5.xlarge", {}, (1, 1, 27_552)),
    ("llama-3.1-8b-fp8", "g5.xlarge", {}, (1, 1, 81_040)),
    ("qwen2.5-7b", "g5.xlarge", {}, (1, 1, 77_968)),
    ("qwen3-8b", "g5.xlarge", {}, (1, 1, 22_448)),
    ("qwen3-8b", "g5.12xlarge", {}, (2, 2, 156_096)),
    ("qwen3-14b", "p4d.24xlarge", {"gpu_memory_utilization": 0.92}, (1, 8, 44_096)),
    (
        "qwen3-32b",
        "p4d.24xlarge",
        {"gpu_memory_utilization": 0.92, "tensor_parallel_size": 2},
        (2, 4, 30_544),
    ),
    ("qwen3-32b", "p4d.24xlarge", {"gpu_memory_utilization": 0.92}, (4, 2, 311_024)),
    ("llama-3.1-70b", "p4d.24xlarge", {}, (8, 1, 433_152)),
    ("llama-3.1-70b-fp8", "p4d.24xlarge", {"tensor_parallel_size": 4}, (4, 2, 210_176)),
    ("llama-3.1-70b-awq", "p4d.24xlarge", {"tensor_parallel_size": 4}, (4, 2, 310_448)),
]


@pytest.mark.parametrize(("name", "on", "engine", "expected"), GOLDEN)
def test_golden(name: str, on: str, engine: dict[str, Any], expected: tuple[int, int, int]) -> None:
    """The table of docs/sizing.md: split, engines per host, tokens."""
    sizing = sized(name, on, **engine)
    assert sizing.fits
    got = (sizing.tensor_parallel_size, sizing.replicas_per_host, sizing.kv_cache_tokens)
    assert got == expected


def test_concurrency_counts_requests_of_full_length() -> None:
    """At 2048, 4096 and 8192 tokens, and at the longest request allowed."""
    sizing = sized("mistral-7b", "g5.xlarge", max_model_len=16_384)
    assert sizing.concurrency == {2048: 19.41, 4096: 9.71, 8192: 4.85, 16_384: 2.43}


def test_a_request_takes_whole_blocks() -> None:
    """One token more than a block's end costs a block: the engine logs fewer tokens then."""
    even, odd = (sized("mistral-7b", "g5.xlarge", max_model_len=n) for n in (4096, 4097))
    assert (even.kv_cache_tokens, odd.kv_cache_tokens) == (39_760, int(2485 / 257 * 4097))


def test_70b_needs_all_eight_a100() -> None:
    """Four A100 hold the weights but no cache worth the name: refused, with a way out."""
    sizing = sized("llama-3.1-70b", "p4d.24xlarge", tensor_parallel_size=4)
    assert (sizing.fits, sizing.replicas_per_host, sizing.kv_cache_tokens) == (False, 0, 0)
    assert sizing.shortage == (
        "needs 35.7 GiB on each of 4 GPUs (32.9 weights + 2.5 overhead + 0.3 cache for one request "
        "of 4096 tokens), has 35.5 (0.9 of 39.4); max_model_len 1248 would fit"
    )
    assert sizing.nearest_fit == "g7e.12xlarge"


def test_require_fit_refuses_with_needs_has_and_nearest() -> None:
    """The error alone is enough to act on; its exit code is that of a guard."""
    with pytest.raises(SizingError) as caught:
        require_fit(sized("qwen3-14b", "g5.xlarge"))
    assert str(caught.value) == (
        "qwen3-14b does not fit on g5.xlarge: needs 30.1 GiB on the GPU (27.5 weights + 2.0 "
        "overhead + 0.6 cache for one request of 4096 tokens), has 19.9 (0.9 of 22.1)\n"
        "  next: the smallest type that fits is g6e.xlarge"
    )
    assert caught.value.exit_code == 3


def test_require_fit_hands_back_what_fits() -> None:
    """So that a caller can go on in one line."""
    sizing = sized("mistral-7b", "g5.xlarge")
    assert require_fit(sizing) is sizing


def test_nothing_fits_is_said_so() -> None:
    """A context that no type can hold has no nearest fit."""
    sizing = sized("llama-3.1-70b", "g5.xlarge", max_model_len=50_000_000)
    assert sizing.nearest_fit is None
    with pytest.raises(SizingError, match="no type known here fits"):
        require_fit(sizing)


def test_the_nearest_is_looked_for_among_the_candidates() -> None:
    """A region that sells only g5 and p4d is offered nothing else."""
    sold = [t for t in instance_types().values() if t.family in ("g5", "p4d")]
    sizing = size(model("qwen3-14b"), instance_type("g5.xlarge"), ENGINE, candidates=sold)
    assert sizing.nearest_fit == "g5.12xlarge"


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ({"tensor_parallel_size": 2}, "tensor_parallel_size 2 needs 2 GPUs, g5.xlarge has 1"),
        ({"replicas_per_host": 2}, "2 engines of 1 GPUs each need 2 GPUs, g5.xlarge has 1"),
    ],
)
def test_more_gpus_than_there_are(engine: dict[str, Any], said: str) -> None:
    """A split or a number of engines that the type has no GPUs for does not fit."""
    sizing = sized("mistral-7b", "g5.xlarge", **engine)
    assert (sizing.fits, sizing.shortage) == (False, said)


def test_a_split_divides_the_heads() -> None:
    """28 attention heads can't be split over 8 GPUs."""
    sizing = sized("qwen2.5-7b", "g5.48xlarge", tensor_parallel_size=8)
    assert sizing.shortage == (
        "tensor_parallel_size 8 does not divide the model's 28 attention heads and 4 KV heads"
    )


def test_kv_heads_are_repeated_when_there_are_too_few() -> None:
    """Over 8 GPUs a model with 4 KV heads keeps one on each: the cache per GPU stops shrinking."""
    four_heads = replace(model("mistral-7b"), kv_heads=4)
    sizes = [
        size(four_heads, instance_type("g5.48xlarge"), replace(ENGINE, tensor_parallel_size=tp))
        for tp in (2, 4, 8)
    ]
    assert [s.kv_bytes_per_token for s in sizes] == [32_768, 16_384, 16_384]


@pytest.mark.parametrize(
    ("name", "on", "engine", "said"),
    [
        ("mistral-7b-base", "g5.xlarge", {}, "is a base model"),
        ("llama-3.1-8b", "g5.xlarge", {}, "Llama-3.1-8B-Instruct is gated"),
        ("mistral-7b", "g5.xlarge", {}, "16 GiB of RAM can't keep 13.5 GiB of weights"),
        ("qwen3-8b", "g5.xlarge", {}, "only 14% of each GPU is left for the cache"),
        ("mistral-7b", "g5.xlarge", {"max_model_len": 32_769}, "beyond the model's context"),
        ("mistral-7b", "g5.xlarge", {"kv_cache_dtype": "fp8"}, "A10G has no FP8 arithmetic"),
        ("llama-3.1-8b-fp8", "g5.xlarge", {}, "FP8 weights save memory, not time"),
        ("mistral-7b", "g5.xlarge", {"gpu_memory_utilization": 0.97}, "out-of-memory errors"),
        ("mistral-7b", "g5.xlarge", {"max_num_batched_tokens": 16_384}, "smaller cache"),
        ("mistral-7b", "g5.xlarge", {"max_num_seqs": 4}, "stops short of the 9 requests"),
        ("qwen3-32b", "g5.48xlarge", {}, "over PCIe"),
    ],
)
def test_warnings(name: str, on: str, engine: dict[str, Any], said: str) -> None:
    """Each caution is said where it applies."""
    assert any(said in warning for warning in sized(name, on, **engine).warnings)


@pytest.mark.parametrize(
    ("name", "on", "engine"),
    [
        ("qwen2.5-7b", "g5.2xlarge", {}),
        ("qwen3-8b-fp8", "g6.2xlarge", {"kv_cache_dtype": "fp8", "max_num_seqs": 64}),
        ("qwen3-32b", "p4de.24xlarge", {"max_model_len": 40_960}),
    ],
)
def test_no_warning_without_cause(name: str, on: str, engine: dict[str, Any]) -> None:
    """A sound choice is met with silence."""
    assert sized(name, on, **engine).warnings == ()


def test_a_token_settles_the_gate() -> None:
    """Where the Hub lets us in nothing is said about its gate."""
    warnings = size(model("llama-3.1-8b"), instance_type("g5.2xlarge"), ENGINE, hub_token=True)
    assert warnings.warnings == ()


def test_layers_that_differ_draw_a_caution() -> None:
    """The uniform formula is too careful for a model with sliding windows, and says so."""
    hybrid = replace(model("qwen2.5-7b"), uniform_attention=False)
    sizing = size(hybrid, instance_type("g5.2xlarge"), ENGINE)
    assert [w for w in sizing.warnings if "holds more tokens" in w]


def test_disk() -> None:
    """Weights and compile caches on one volume, two images and five releases on the other."""
    disk = sized("mistral-7b", "g5.xlarge").disk
    assert (disk.cache_volume_gib, disk.root_volume_gib, disk.total_gib) == (20.1, 62.5, 82.6)


def test_volumes_that_are_too_small_are_named() -> None:
    """With the setting to change and the size it needs; big enough is silent."""
    disk = sized("llama-3.1-70b", "p4d.24xlarge").disk
    small = too_small(disk, cache=ModelCacheSettings(100), fleet=FleetSettings(root_volume_gib=50))
    assert small == (
        "model_cache.size_gib is 100, the model and its caches need 155.7",
        "fleet.root_volume_gib is 50, two engine images and five releases need 62.5 beside the "
        "operating system",
    )
    assert too_small(disk, cache=ModelCacheSettings(200), fleet=FleetSettings()) == ()


def test_an_unknown_cache_type_is_no_guess() -> None:
    """A type whose size nobody knows is a usage error that lists the known ones."""
    with pytest.raises(UsageError, match="kv_cache_dtype 'fp3' is not known\n  next: known: auto"):
        sized("mistral-7b", "g5.xlarge", kv_cache_dtype="fp3")


MODELS = st.sampled_from(list(models().values()))
INSTANCES = st.sampled_from(list(instance_types().values()))
LENGTHS = st.integers(1, 131_072)


@given(MODELS, INSTANCES, LENGTHS, st.sampled_from([None, 1, 2, 4, 8]))
def test_what_fits_can_be_started(model: Any, instance: Any, length: int, tp: int | None) -> None:
    """A split divides the heads and the GPUs suffice; what does not fit serves nothing."""
    sizing = size(model, instance, replace(ENGINE, max_model_len=length, tensor_parallel_size=tp))
    if not sizing.fits:
        assert sizing.shortage
        assert (sizing.replicas_per_host, sizing.kv_cache_tokens) == (0, 0)
        return
    split = sizing.tensor_parallel_size
    assert model.attention_heads % split == 0
    assert split * sizing.replicas_per_host <= instance.gpus
    assert sizing.kv_cache_tokens >= length
    assert sizing.needs_gib_per_gpu <= sizing.has_gib_per_gpu + 0.01


@given(MODELS, INSTANCES, st.floats(0.5, 1), st.floats(0.5, 1), st.sampled_from([1, 2, 4, 8]))
def test_more_memory_never_holds_fewer_tokens(
    model: Any, instance: Any, one: float, other: float, tp: int
) -> None:
    """At the same split, a larger share of the GPU gives at least as many tokens."""
    less, more = (
        size(
            model,
            instance,
            replace(ENGINE, gpu_memory_utilization=share, tensor_parallel_size=tp),
        )
        for share in sorted((one, other))
    )
    assert less.kv_cache_tokens <= more.kv_cache_tokens
    assert less.fits <= more.fits


@given(MODELS, INSTANCES)
def test_a_half_as_wide_cache_holds_twice_as_much(model: Any, instance: Any) -> None:
    """Tokens scale with the bytes of one token, up to a block."""
    wide, narrow = (
        size(
            model,
            instance,
            replace(ENGINE, kv_cache_dtype=dtype, tensor_parallel_size=instance.gpus),
        )
        for dtype in ("auto", "fp8")
    )
    if wide.fits:
        assert 0 <= narrow.kv_cache_tokens - 2 * wide.kv_cache_tokens <= 16


@given(MODELS, LENGTHS)
def test_the_nearest_fit_fits(model: Any, length: int) -> None:
    """What is offered instead really is an answer."""
    engine = replace(ENGINE, max_model_len=length)
    nearest = nearest_fit(model, engine)
    if nearest is not None:
        assert size(model, instance_type(nearest), engine).fits


def test_a_thousand_sizings_take_less_than_a_second() -> None:
    """Sizing is arithmetic; a plan for a thousand hosts does not wait for it."""
    started = time.perf_counter()
    for _ in range(1000):
        sized("mistral-7b", "g5.xlarge")
    assert time.perf_counter() - started < 1
