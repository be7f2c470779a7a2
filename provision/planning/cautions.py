"""What an operator should know before a model is served, though it fits."""

from __future__ import annotations

from collections.abc import Iterator

from provision.catalog.instances import InstanceType
from provision.catalog.model import Model
from provision.config.environment import EngineSettings
from provision.planning.layout import COMFORT, Layout

_FP8_CAPABILITY = (8, 9)
_CALIBRATED_BATCH = 8192
_HOST_RESERVE_GIB = 4  # engine processes, Docker, the agent
_UTILIZATION_MARGIN = 0.95


def cautions(
    model: Model,
    instance: InstanceType,
    engine: EngineSettings,
    layout: Layout | None,
    *,
    hub_token: bool,
) -> tuple[str, ...]:
    """Sentences, the gravest first. *hub_token*: whether the Hub is known to let us in."""
    found = [*_of_model(model, engine, hub_token=hub_token), *_of_host(model, instance, engine)]
    if layout is not None:
        found += _of_split(instance, layout)
        found += _of_cache(engine, layout)
    return tuple(found)


def _of_model(model: Model, engine: EngineSettings, *, hub_token: bool) -> Iterator[str]:
    if engine.max_model_len > model.max_context:
        yield (
            f"max_model_len {engine.max_model_len} is beyond the model's context of "
            f"{model.max_context} tokens: the engine will refuse to start"
        )
    if model.chat is False:
        yield (
            f"{model.name} is a base model: it continues text and follows no instructions; "
            "answers to chat requests will be poor"
        )
    if model.gated and not hub_token:
        yield (
            f"{model.repository} is gated: accept its terms on the Hub and store a token "
            "before the first deploy"
        )
    if not model.uniform_attention:
        yield (
            "not all layers keep the whole context: the real cache holds more tokens than said "
            "here; the engine's log has the true figure"
        )


def _of_host(model: Model, instance: InstanceType, engine: EngineSettings) -> Iterator[str]:
    if instance.memory_gib < model.weights_gib + _HOST_RESERVE_GIB:
        yield (
            f"the host's {instance.memory_gib:g} GiB of RAM can't keep {model.weights_gib:g} GiB "
            "of weights beside the engine: every restart reads them from disk again"
        )
    if instance.gpu.capability >= _FP8_CAPABILITY:
        return
    if engine.kv_cache_dtype.startswith("fp8"):
        yield (
            f"{instance.gpu.name} has no FP8 arithmetic: an {engine.kv_cache_dtype} cache is "
            "converted on every read; measure before relying on it"
        )
    if model.quantization and "fp8" in model.quantization:
        yield f"{instance.gpu.name} has no FP8 arithmetic: FP8 weights save memory, not time"


def _of_split(instance: InstanceType, layout: Layout) -> Iterator[str]:
    if layout.tensor_parallel > 1 and not instance.nvlink:
        yield (
            f"the GPUs of {instance.name} talk to each other over PCIe: {layout.tensor_parallel} "
            f"of them are far from {layout.tensor_parallel} times as fast as one"
        )


def _of_cache(engine: EngineSettings, layout: Layout) -> Iterator[str]:
    if layout.fits and layout.room_share < COMFORT:
        yield (
            f"only {layout.room_share:.0%} of each GPU is left for the cache (less than "
            f"{COMFORT:.0%}): few requests at once, and none to spare for long ones"
        )
    if engine.gpu_memory_utilization > _UTILIZATION_MARGIN:
        yield (
            f"gpu_memory_utilization {engine.gpu_memory_utilization:g} leaves next to nothing for "
            "whatever else the driver needs: out-of-memory errors at start are likely"
        )
    if (engine.max_num_batched_tokens or 0) > _CALIBRATED_BATCH:
        yield (
            f"max_num_batched_tokens {engine.max_num_batched_tokens} is beyond what the memory "
            f"overhead was measured with ({_CALIBRATED_BATCH}): expect a smaller cache"
        )
    at_once = layout.cache.concurrency(engine.max_model_len)
    if engine.max_num_seqs is not None and engine.max_num_seqs < int(at_once):
        yield (
            f"max_num_seqs {engine.max_num_seqs} stops short of the {int(at_once)} requests of "
            "full length that the cache holds"
        )
