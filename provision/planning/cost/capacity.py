"""How many requests a second one host carries, and how anybody knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from provision.catalog.model import Model
from provision.config.environment import EngineSettings
from provision.errors import UsageError
from provision.planning.benchmark import Benchmark, knee
from provision.planning.cost.throughput import REACHED, Engine, Mix, engine_of
from provision.planning.sizing import Sizing

_DIGITS = Decimal("0.0001")


class Known(StrEnum):
    """Where a capacity comes from."""

    MEASURED = "measured"  # by `fab benchmark`, at this mix
    SCALED = "scaled"  # measured at another mix, carried over by the roofline
    ROOFLINE = "roofline"  # nobody measured: a share of what the GPUs could do at most
    GIVEN = "given"  # said by whoever asks


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one host carries when it is never idle.

    Attributes:
        requests_per_s: of a host, all of its engines together.
        replicas: engines on a host.
        said: where the figure comes from, in words.
    """

    requests_per_s: Decimal
    replicas: int
    known: Known
    said: str

    def per_month(self, seconds: Decimal, hosts: int = 1) -> int:
        """Whole requests in so many seconds on so many hosts."""
        return int(self.requests_per_s * seconds * hosts)


def capacity(
    sizing: Sizing, settings: EngineSettings, mix: Mix, kept: Iterable[Benchmark] = ()
) -> Capacity | None:
    """What a host of *sizing* carries: as measured, else by the roofline.

    *kept* are benchmarks of this model on this type. None when nothing was measured and nobody
    knows the GPU's figures.
    """
    engine = engine_of(
        sizing,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        kv_cache_dtype=settings.kv_cache_dtype,
        max_num_seqs=settings.max_num_seqs,
    )
    replicas = sizing.replicas_per_host
    found = measured(kept, engine, mix, replicas)
    if found is not None or engine is None:
        return found
    carried, gpus = roofline(engine, mix, replicas), sizing.tensor_parallel_size
    if gpus == 1:
        return carried
    aside = f"; what {gpus} GPUs say to each other is not counted"
    return replace(carried, said=carried.said + aside)


def long_enough(settings: EngineSettings, model: Model, mix: Mix) -> EngineSettings:
    """*settings* under which a request of *mix* is served at all.

    Raises UsageError when it is longer than the model's context.
    """
    if mix.tokens > model.max_context:
        raise UsageError(
            f"a request of {mix.tokens:,} tokens is longer than the context of {model.name},"
            f" {model.max_context:,}",
            hint="lower --input-tokens and --output-tokens, or name another --model",
        )
    return replace(settings, max_model_len=max(settings.max_model_len, mix.tokens))


def roofline(engine: Engine, mix: Mix, replicas: int) -> Capacity:
    """What a host of *replicas* engines carries at *mix*, where nobody measured."""
    bound = engine.bound(mix)
    said = (
        f"{REACHED:.2f} of the roofline's {bound:.2f} requests/s an engine; nobody measured it:"
        " `fab benchmark` does"
    )
    return Capacity(_per_host(REACHED * bound, replicas), replicas, Known.ROOFLINE, said)


def measured(
    kept: Iterable[Benchmark], engine: Engine | None, mix: Mix, replicas: int
) -> Capacity | None:
    """What a host carries by the newest benchmark: one of this mix before one of another.

    None when nothing was kept, or only of other mixes and *engine* is None: then nothing says how
    one mix compares with another.
    """
    usable = sorted(
        (one for one in kept if knee(one.levels) is not None and (engine or _mix(one) == mix)),
        key=lambda one: (_mix(one) == mix, one.measured_at),
    )
    if not usable:
        return None
    best = usable[-1]
    top = knee(best.levels)
    rate = top.requests_per_s if top else 0.0
    of = f"release {best.release[:12]} on {best.measured_at[:10]}"
    if _mix(best) == mix:
        said = f"measured by `fab benchmark` at {mix} tokens, {of}"
        return Capacity(_per_host(rate, replicas), replicas, Known.MEASURED, said)
    reached = rate / engine.bound(_mix(best)) if engine else 0.0
    said = (
        f"`fab benchmark` measured {reached:.2f} of the roofline at {best.mix} tokens ({of});"
        f" the same share is taken at {mix}"
    )
    bound = engine.bound(mix) if engine else 0.0
    return Capacity(_per_host(reached * bound, replicas), replicas, Known.SCALED, said)


def given(requests_per_s: Decimal, replicas: int = 1) -> Capacity:
    """What whoever asks knows better."""
    said = f"{requests_per_s} requests/s a host, as given"
    return Capacity(requests_per_s, replicas, Known.GIVEN, said)


def _mix(benchmark: Benchmark) -> Mix:
    return Mix(benchmark.input_tokens, benchmark.output_tokens)


def _per_host(engine_requests_per_s: float, replicas: int) -> Decimal:
    return Decimal(engine_requests_per_s * replicas).quantize(_DIGITS)
