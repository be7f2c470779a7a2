"""What ``fab plan`` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provision.catalog.instances import InstanceType
from provision.catalog.model import Model
from provision.planning.sizing import Sizing
from provision.planning.start_time import StartTime

_WIDTH = 10


def document(sizing: Sizing, start: StartTime | None, warnings: Sequence[str]) -> dict[str, Any]:
    """The ``--json`` document. Where it does not fit there is no start: its keys are None."""
    phases = start.phases if start else ()
    return {
        "model": sizing.model.name,
        "repository": sizing.model.repository,
        "revision": sizing.model.revision,
        "instance_type": sizing.instance.name,
        "max_model_len": sizing.max_model_len,
        "fits": sizing.fits,
        "reason": sizing.reason,
        "needs_gib_per_gpu": sizing.needs_gib_per_gpu,
        "has_gib_per_gpu": sizing.has_gib_per_gpu,
        "tensor_parallel_size": sizing.tensor_parallel_size,
        "replicas_per_host": sizing.replicas_per_host,
        "weights_gib_per_gpu": sizing.weights_gib_per_gpu,
        "kv_bytes_per_token": sizing.kv_bytes_per_token,
        "kv_cache_tokens": sizing.kv_cache_tokens,
        "concurrency": {str(length): n for length, n in sizing.concurrency.items()},
        "disk_gib": sizing.disk.total_gib,
        "cache_volume_gib": sizing.disk.cache_volume_gib,
        "root_volume_gib": sizing.disk.root_volume_gib,
        "start_time_s": {p.name: p.seconds for p in phases} if start else None,
        "start_time_range_s": {p.name: [p.low_s, p.high_s] for p in phases} if start else None,
        "start_time_total_s": start.total_s if start else None,
        "restart_time_total_s": start.restart_s if start else None,
        "binding_limit": start.binding_limit if start else None,
        "advice": list(start.advice) if start else [],
        "warnings": list(warnings),
        "nearest_fit": sizing.nearest_fit,
    }


def text(sizing: Sizing, start: StartTime | None, warnings: Sequence[str]) -> str:
    """The same for a person."""
    verdict = "fits" if sizing.fits else "does not fit"
    lines = [f"{sizing.model.name} on {sizing.instance.name}: {verdict}", ""]
    lines += [_row("model", _model(sizing.model)), _row("instance", _instance(sizing.instance))]
    lines += _fitting(sizing, start) if sizing.fits else _lacking(sizing)
    lines += _listed("advice", start.advice if start else ())
    lines += _listed("warnings", warnings)
    return "\n".join(lines)


def _lacking(sizing: Sizing) -> list[str]:
    nearest = sizing.nearest_fit
    return [
        _row("short", sizing.shortage),
        _row("nearest", f"{nearest} fits" if nearest else "no type known here fits"),
    ]


def _fitting(sizing: Sizing, start: StartTime | None) -> list[str]:
    return [
        _row("layout", sizing.reason),
        _row("memory", _memory(sizing)),
        _row("KV cache", _cache(sizing)),
        _row("at once", _concurrency(sizing)),
        _row("disk", _disk(sizing)),
        *(_start(start) if start else []),
    ]


def _model(model: Model) -> str:
    revision = f"@ {model.revision[:12]}" if model.revision else "(no revision pinned)"
    facts = [
        f"{model.repository} {revision}",
        f"{model.params_b:g} B parameters",
        model.quantization or model.dtype,
        model.licence or "licence unknown",
    ]
    return ", ".join(facts)


def _instance(instance: InstanceType) -> str:
    gpu = instance.gpu
    return (
        f"{instance.gpus} x {gpu.name} ({gpu.visible_gib:g} GiB visible each), "
        f"{instance.vcpus} vCPU, {instance.memory_gib:g} GiB RAM"
    )


def _memory(sizing: Sizing) -> str:
    cache = sizing.has_gib_per_gpu - sizing.weights_gib_per_gpu - sizing.overhead_gib_per_gpu
    return (
        f"{sizing.has_gib_per_gpu:.1f} GiB for an engine on each GPU = "
        f"{sizing.weights_gib_per_gpu:.1f} weights + {sizing.overhead_gib_per_gpu:.1f} overhead + "
        f"{cache:.1f} cache"
    )


def _cache(sizing: Sizing) -> str:
    per_token = sizing.kv_bytes_per_token / 1024
    engine = f"{sizing.kv_cache_tokens:,} tokens ({per_token:g} KiB a token and GPU)"
    if sizing.replicas_per_host == 1:
        return engine
    total = sizing.kv_cache_tokens * sizing.replicas_per_host
    return f"{engine} per engine, {total:,} per host"


def _concurrency(sizing: Sizing) -> str:
    each = ", ".join(f"{n:g} of {length}" for length, n in sizing.concurrency.items())
    return f"{each} tokens (requests of that full length, per engine)"


def _disk(sizing: Sizing) -> str:
    disk = sizing.disk
    return (
        f"{disk.total_gib:g} GiB: {disk.cache_volume_gib:g} on the cache volume, "
        f"{disk.root_volume_gib:g} on the root volume beside the operating system"
    )


def _start(start: StartTime) -> list[str]:
    phases = ", ".join(f"{p.name.replace('_', '-')} {p.seconds:g}" for p in start.phases)
    low, high = (sum(p.low_s for p in start.phases), sum(p.high_s for p in start.phases))
    return [
        _row("start", f"{start.total_s:g} s ({low:g} to {high:g}): {phases}"),
        _row("", f"{start.restart_s:g} s when the compile cache is filled"),
        _row("bound by", start.binding_limit),
    ]


def _row(label: str, said: str) -> str:
    return f"  {label:<{_WIDTH}}{said}"


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(f"  - {line}" for line in lines)] if lines else []
