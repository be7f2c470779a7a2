"""Does a model fit on an instance type, how is it laid out, and how much can it serve at once?

Pure arithmetic over the catalogue. Within 5 % of the cache sizes in published engine logs on one
GPU (see docs/sizing.md for the figures); after the first start the engine's own log line replaces
the estimate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from provision.catalog.instances import InstanceType, instance_types
from provision.catalog.model import Model
from provision.config.environment import EngineSettings
from provision.errors import SizingError
from provision.planning.cautions import cautions
from provision.planning.disk import Disk, disk_for
from provision.planning.kv_cache import bytes_per_token
from provision.planning.layout import COMFORT, Layout, choose, lay_out, splits

LENGTHS = (2048, 4096, 8192)


@dataclass(frozen=True, slots=True)
class Sizing:
    """What came out.

    Attributes:
        fits: whether one engine starts with a cache for one request of full length.
        tensor_parallel_size: GPUs per engine.
        replicas_per_host: engines per host; 0 when it does not fit.
        reason: why this split and this number.
        kv_cache_tokens: tokens in one engine's cache, as that engine logs it.
        concurrency: context length -> requests of that full length at once, in one engine.
            Real requests are shorter and take only the blocks they use.
        shortage: needs / has, in words; empty when it fits.
        nearest_fit: the smallest type (by GPU memory) that fits; None when this one does, or none.
    """

    model: Model
    instance: InstanceType
    max_model_len: int
    fits: bool
    tensor_parallel_size: int
    replicas_per_host: int
    reason: str
    weights_gib_per_gpu: float
    overhead_gib_per_gpu: float
    needs_gib_per_gpu: float
    has_gib_per_gpu: float
    kv_bytes_per_token: int
    kv_cache_tokens: int
    concurrency: dict[int, float]
    disk: Disk
    warnings: tuple[str, ...]
    shortage: str
    nearest_fit: str | None


def size(
    model: Model,
    instance: InstanceType,
    engine: EngineSettings,
    *,
    hub_token: bool = False,
    candidates: Iterable[InstanceType] | None = None,
) -> Sizing:
    """Size *model* on *instance* under *engine*. Never raises for what does not fit.

    *hub_token* says that a gated model's terms were accepted; *candidates* are the types among
    which the nearest fit is looked for (None: the whole catalogue).
    """
    layout = choose(model, instance, engine)
    lacking = shortage(model, instance, engine, layout)
    shown = layout or lay_out(model, instance, engine, engine.tensor_parallel_size or 1)
    replicas = 0 if lacking else _replicas(instance, engine, shown)
    lengths = sorted({*LENGTHS, engine.max_model_len})
    return Sizing(
        model=model,
        instance=instance,
        max_model_len=engine.max_model_len,
        fits=not lacking,
        tensor_parallel_size=shown.tensor_parallel,
        replicas_per_host=replicas,
        reason=lacking or _reason(model, instance, engine, shown, replicas),
        weights_gib_per_gpu=round(shown.weights_gib, 2),
        overhead_gib_per_gpu=shown.overhead_gib,
        needs_gib_per_gpu=round(shown.needs_gib, 2),
        has_gib_per_gpu=round(shown.has_gib, 2),
        kv_bytes_per_token=bytes_per_token(
            model,
            kv_cache_dtype=engine.kv_cache_dtype,
            tensor_parallel=shown.tensor_parallel,
        ),
        kv_cache_tokens=0 if lacking else shown.cache.tokens(engine.max_model_len),
        concurrency={n: 0.0 if lacking else shown.cache.concurrency(n) for n in lengths},
        disk=disk_for(model),
        warnings=cautions(model, instance, engine, layout, hub_token=hub_token),
        shortage=lacking,
        nearest_fit=nearest_fit(model, engine, candidates) if lacking else None,
    )


def require_fit(sizing: Sizing) -> Sizing:
    """*sizing* itself, or SizingError: needs, has, and the nearest that fits."""
    if sizing.fits:
        return sizing
    nearest = sizing.nearest_fit
    hint = f"the smallest type that fits is {nearest}" if nearest else "no type known here fits"
    raise SizingError(
        f"{sizing.model.name} does not fit on {sizing.instance.name}: {sizing.shortage}", hint=hint
    )


def nearest_fit(
    model: Model, engine: EngineSettings, candidates: Iterable[InstanceType] | None = None
) -> str | None:
    """The type with the least GPU memory that fits, any layout allowed; None when none does.

    One with room in comfort goes before a smaller one that is nearly full.
    """
    free = replace(engine, tensor_parallel_size=None, replicas_per_host=None)
    types = instance_types().values() if candidates is None else candidates
    by_memory = sorted(types, key=lambda t: (t.visible_gib, t.memory_gib, t.name))
    layouts = [(t.name, layout) for t in by_memory if (layout := choose(model, t, free))]
    fitting = [(name, layout) for name, layout in layouts if layout.fits]
    comfortable = [name for name, layout in fitting if layout.room_share >= COMFORT]
    return next(iter(comfortable or [name for name, _ in fitting]), None)


def shortage(
    model: Model, instance: InstanceType, engine: EngineSettings, layout: Layout | None
) -> str:
    """What is missing, in words; empty when it fits."""
    if layout is None:
        return _unsplittable(model, instance, engine)
    if not layout.fits:
        return _too_little_memory(engine, layout)
    wanted = (engine.replicas_per_host or 1) * layout.tensor_parallel
    if wanted > instance.gpus:
        return (
            f"{engine.replicas_per_host} engines of {layout.tensor_parallel} GPUs each need "
            f"{wanted} GPUs, {instance.name} has {instance.gpus}"
        )
    return ""


def _unsplittable(model: Model, instance: InstanceType, engine: EngineSettings) -> str:
    tp = engine.tensor_parallel_size
    if tp is not None and tp > instance.gpus:
        return f"tensor_parallel_size {tp} needs {tp} GPUs, {instance.name} has {instance.gpus}"
    return (
        f"tensor_parallel_size {tp} does not divide the model's {model.attention_heads} attention "
        f"heads and {model.kv_heads} KV heads"
    )


def _too_little_memory(engine: EngineSettings, layout: Layout) -> str:
    parts = (
        f"{layout.weights_gib:.1f} weights + {layout.overhead_gib:.1f} overhead + "
        f"{layout.request_gib:.1f} cache for one request of {engine.max_model_len} tokens"
    )
    where = "the GPU" if layout.tensor_parallel == 1 else f"each of {layout.tensor_parallel} GPUs"
    said = (
        f"needs {layout.needs_gib:.1f} GiB on {where} ({parts}), has {layout.has_gib:.1f} "
        f"({engine.gpu_memory_utilization:g} of {layout.visible_gib:.1f})"
    )
    longest = layout.cache.longest()
    return f"{said}; max_model_len {longest} would fit" if longest else said


def _replicas(instance: InstanceType, engine: EngineSettings, layout: Layout) -> int:
    return engine.replicas_per_host or instance.gpus // layout.tensor_parallel


def _reason(
    model: Model, instance: InstanceType, engine: EngineSettings, layout: Layout, replicas: int
) -> str:
    tp = layout.tensor_parallel
    each = "the GPU" if instance.gpus == 1 else "each GPU"
    left = f"{layout.room_gib:.1f} GiB ({layout.room_share:.0%}) of {each} left for the cache"
    if engine.tensor_parallel_size:
        why = f"{tp} per engine, as set; {left}"
    elif tp == 1:
        why = f"one GPU holds the weights, {left}"
    else:
        why = f"{tp} GPUs per engine: {_why_split(model, instance, engine, tp)}; {left}"
    if instance.gpus == 1:
        return why
    engines = "one engine" if replicas == 1 else f"{replicas} engines"
    return f"{why}; {engines} on {instance.gpus} GPUs"


def _why_split(model: Model, instance: InstanceType, engine: EngineSettings, tp: int) -> str:
    smaller = [n for n in splits(model, instance, engine) if n < tp]
    before = lay_out(model, instance, engine, smaller[-1])
    if not before.fits:
        return f"{model.weights_gib:.1f} GiB of weights do not fit on {smaller[-1]}"
    return f"on {smaller[-1]} less than {COMFORT:.0%} would be left for the cache"
