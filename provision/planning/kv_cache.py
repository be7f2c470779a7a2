"""Tokens that fit into the KV cache, counted as the engine counts them.

The cache is cut into blocks of ``block_size`` tokens; a request takes whole blocks. The engine
logs the requests of full length that fit, times that length, and so do these functions.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.catalog.model import Model
from provision.errors import UsageError

GIB = 2**30
GPU_BLOCK_TOKENS = 16
CPU_BLOCK_TOKENS = 128  # vLLM 0.32 sets it on CPUs unless --block-size says otherwise

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1}
_SCALE_BYTES = 4  # one float32 for each head of each token


@dataclass(frozen=True, slots=True)
class KvCache:
    """The cache of one engine."""

    blocks: int
    block_size: int

    def tokens(self, max_model_len: int) -> int:
        """The figure of the engine's "KV cache size" line at this longest request."""
        return int(self._requests(max_model_len) * max_model_len)

    def concurrency(self, length: int) -> float:
        """How many requests of *length* tokens fit at once; 0.0 when not even one block does."""
        return round(self._requests(length), 2)

    def longest(self) -> int:
        """The longest request that fits, in tokens."""
        return self.blocks * self.block_size

    def _requests(self, length: int) -> float:
        return self.blocks / -(-length // self.block_size)


def bytes_per_token(model: Model, *, kv_cache_dtype: str = "auto", tensor_parallel: int = 1) -> int:
    """Bytes that one token takes on each GPU. KV heads are split, or repeated when too few.

    Raises UsageError for a cache type whose size is not known here.
    """
    heads = max(1, model.kv_heads // tensor_parallel)
    return 2 * model.layers * heads * _head_bytes(model, kv_cache_dtype)


def gpu_kv_cache(
    model: Model, room_bytes: float, *, kv_cache_dtype: str = "auto", tensor_parallel: int = 1
) -> KvCache:
    """The cache that fits into *room_bytes* of each GPU (possibly no block at all)."""
    per_token = bytes_per_token(
        model, kv_cache_dtype=kv_cache_dtype, tensor_parallel=tensor_parallel
    )
    blocks = int(room_bytes) // (per_token * GPU_BLOCK_TOKENS)
    return KvCache(max(0, blocks), GPU_BLOCK_TOKENS)


def cpu_kv_cache_tokens(
    model: Model,
    *,
    cache_space_gib: int,
    max_model_len: int,
    block_size: int = CPU_BLOCK_TOKENS,
) -> int:
    """What the CPU engine logs as its KV cache size, exactly.

    *cache_space_gib* is ``VLLM_CPU_KVCACHE_SPACE``; the model's dtype is the one it is served in.
    """
    blocks = cache_space_gib * GIB // (bytes_per_token(model) * block_size)
    return KvCache(blocks, block_size).tokens(max_model_len)


def _head_bytes(model: Model, kv_cache_dtype: str) -> int:
    """Bytes of one head's key (or value) for one token."""
    width = model.head_dim
    packed = {
        "fp8_per_token_head": width + _SCALE_BYTES,
        "int8_per_token_head": width + _SCALE_BYTES,
        "int4_per_token_head": width // 2 + _SCALE_BYTES,
        "nvfp4": width // 2 + width // 16,
    }
    dtype = model.dtype if kv_cache_dtype == "auto" else kv_cache_dtype
    if dtype in packed:
        return packed[dtype]
    if dtype not in _BYTES:
        raise UsageError(
            f"the size of kv_cache_dtype {kv_cache_dtype!r} is not known",
            hint=f"known: auto, {', '.join([*_BYTES, *packed])}",
        )
    return width * _BYTES[dtype]
