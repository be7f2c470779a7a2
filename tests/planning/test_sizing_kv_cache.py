"""Tokens in the cache, as the engine counts them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.catalog.models import model
from provision.planning.kv_cache import bytes_per_token, cpu_kv_cache_tokens

TINY = replace(model("mistral-7b"), layers=2, kv_heads=4, head_dim=32, dtype="float32")


@pytest.mark.parametrize(
    ("max_model_len", "block_size", "tokens"),
    [
        (1024, 128, 524_288),
        (1000, 128, 512_000),  # eight blocks of 128 for 1000 tokens
        (1000, 16, 520_126),
        (1024, 16, 524_288),
    ],
)
def test_the_cpu_engine_s_own_figures(max_model_len: int, block_size: int, tokens: int) -> None:
    """1 GiB, two layers, four heads of 32 in float32: the first two stood in the engine's log."""
    counted = cpu_kv_cache_tokens(
        TINY, cache_space_gib=1, max_model_len=max_model_len, block_size=block_size
    )
    assert counted == tokens


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        ("auto", 131_072),
        ("bfloat16", 131_072),
        ("fp8", 65_536),
        ("fp8_e5m2", 65_536),
        ("fp8_per_token_head", 67_584),
        ("int4_per_token_head", 34_816),
        ("nvfp4", 36_864),
    ],
)
def test_bytes_of_a_token(dtype: str, size: int) -> None:
    """Keys and values of all layers, with the scales that the narrow types carry."""
    assert bytes_per_token(model("mistral-7b"), kv_cache_dtype=dtype) == size


@pytest.mark.parametrize(
    ("name", "kib"),
    [
        ("mistral-7b", 128),
        ("qwen2.5-7b", 56),
        ("qwen3-8b", 144),
        ("qwen3-14b", 160),
        ("llama-3.1-70b", 320),
    ],
)
def test_kib_per_token_as_published(name: str, kib: int) -> None:
    """The figures that the models' own pages and logs give."""
    assert bytes_per_token(model(name)) == kib * 1024
