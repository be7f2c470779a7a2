"""How a model lies on the GPUs of a host: split over some of them, and how often.

Overhead (activations at up to 8192 batched tokens, CUDA graphs, everything outside PyTorch) is
calibrated on published engine logs of 8B models on one 24 GB GPU; the figures for larger models
are assumptions that agree with no log yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.catalog.instances import InstanceType
from provision.catalog.model import Model
from provision.config.environment import EngineSettings
from provision.planning.kv_cache import GIB, KvCache, bytes_per_token, gpu_kv_cache

COMFORT = 0.15  # share of a GPU that should be left for the cache

_OVERHEAD_GIB = ((10.0, 1.5), (40.0, 2.0))  # up to so many 10^9 parameters
_OVERHEAD_LARGE_GIB = 2.5


@dataclass(frozen=True, slots=True)
class Layout:
    """One engine over ``tensor_parallel`` GPUs. All GiB are per GPU.

    ``has_gib`` is the share of the GPU that the engine may take; ``needs_gib`` is what it takes
    with a cache for one request of full length, below which it does not start.
    """

    tensor_parallel: int
    weights_gib: float
    overhead_gib: float
    request_gib: float
    has_gib: float
    visible_gib: float
    cache: KvCache

    @property
    def needs_gib(self) -> float:
        return self.weights_gib + self.overhead_gib + self.request_gib

    @property
    def fits(self) -> bool:
        return self.room_gib >= self.request_gib

    @property
    def room_gib(self) -> float:
        """What is left for the cache; negative when not even the weights fit."""
        return self.has_gib - self.weights_gib - self.overhead_gib

    @property
    def room_share(self) -> float:
        """The cache's share of the GPU's memory."""
        return self.room_gib / self.visible_gib


def overhead_gib(model: Model) -> float:
    """What an engine takes on each GPU beside weights and cache."""
    return next(
        (gib for limit, gib in _OVERHEAD_GIB if model.params_b <= limit), _OVERHEAD_LARGE_GIB
    )


def lay_out(model: Model, instance: InstanceType, engine: EngineSettings, tp: int) -> Layout:
    """The layout over *tp* GPUs, whether it fits or not."""
    has_gib = instance.gpu.visible_gib * engine.gpu_memory_utilization
    weights_gib = model.weights_gib / tp
    overhead = overhead_gib(model)
    cache = gpu_kv_cache(
        model,
        (has_gib - weights_gib - overhead) * GIB,
        kv_cache_dtype=engine.kv_cache_dtype,
        tensor_parallel=tp,
    )
    per_token = bytes_per_token(model, kv_cache_dtype=engine.kv_cache_dtype, tensor_parallel=tp)
    request_tokens = -(-engine.max_model_len // cache.block_size) * cache.block_size
    return Layout(
        tensor_parallel=tp,
        weights_gib=weights_gib,
        overhead_gib=overhead,
        request_gib=request_tokens * per_token / GIB,
        has_gib=has_gib,
        visible_gib=instance.gpu.visible_gib,
        cache=cache,
    )


def choose(model: Model, instance: InstanceType, engine: EngineSettings) -> Layout | None:
    """The layout to use, or None when no number of GPUs can split the model.

    The smallest that leaves room in comfort; else the smallest that fits; else the largest, which
    then does not fit. A ``tensor_parallel_size`` in *engine* leaves no choice.
    """
    layouts = [lay_out(model, instance, engine, tp) for tp in splits(model, instance, engine)]
    comfortable = (x for x in layouts if x.fits and x.room_share >= COMFORT)
    fitting = (x for x in layouts if x.fits)
    return next(comfortable, None) or next(fitting, None) or (layouts[-1] if layouts else None)


def splits(model: Model, instance: InstanceType, engine: EngineSettings) -> list[int]:
    """Numbers of GPUs that the model can be split over, small to large.

    A split divides the attention heads; KV heads are divided, or repeated a whole number of times.
    """
    wanted = engine.tensor_parallel_size
    counts = [wanted] if wanted else _divisors(instance.gpus)
    return [tp for tp in counts if tp <= instance.gpus and _splittable(model, tp)]


def _splittable(model: Model, tp: int) -> bool:
    divided = model.kv_heads % tp == 0 or tp % model.kv_heads == 0
    return model.attention_heads % tp == 0 and divided


def _divisors(count: int) -> list[int]:
    return [n for n in range(1, count + 1) if count % n == 0]
