"""How long an engine takes from `docker run` to ready, and what holds the reading of weights up.

The reading is arithmetic: the slowest of volume and instance. The other phases are ranges that
were published for engines of that size; nobody measured them on the instance in question.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.catalog.instances import InstanceType
from provision.config.environment import ModelCacheSettings
from provision.planning.disk_read import DiskRead
from provision.planning.sizing import Sizing

_MB_PER_GIB = 2**30 / 1e6
_ENGINE_RAM_GIB = 4  # what each engine's own processes take from the page cache


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase: the likely seconds, and from the best to the worst case."""

    name: str
    seconds: float
    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class StartTime:
    """Phases in their order; together they are the start.

    ``binding_limit`` says what holds the reading of weights up, ``advice`` what would change it.
    ``restart_s`` is the likely total when the compile cache is filled (the second start on a
    volume, with the same engine and flags).
    """

    phases: tuple[Phase, ...]
    binding_limit: str
    advice: tuple[str, ...]
    restart_s: float

    @property
    def total_s(self) -> float:
        """The likely total of a first start."""
        return round(sum(phase.seconds for phase in self.phases))


# (up to 10^9 parameters, likely, best, worst) in seconds
_Rows = tuple[tuple[float, float, float, float], ...]
_ANY = float("inf")
_CONTAINER: _Rows = ((_ANY, 30, 20, 60),)  # imports in three processes, CUDA
_CONNECT: _Rows = ((_ANY, 30, 20, 60),)  # NCCL and the peer-to-peer check, over more than one GPU
_COMPILE: _Rows = ((10, 60, 35, 90), (_ANY, 100, 60, 170))
_COMPILE_CACHED: _Rows = ((_ANY, 12, 5, 20),)
_GRAPHS: _Rows = ((10, 17, 10, 30), (40, 40, 17, 90), (_ANY, 60, 45, 90))
_WARM_UP: _Rows = ((_ANY, 10, 3, 60),)


def estimate(sizing: Sizing, cache: ModelCacheSettings) -> StartTime:
    """The start of *sizing*'s engines with weights on a gp3 volume like *cache*."""
    params_b = sizing.model.params_b
    read = disk_read(sizing, cache)
    connect = [_phase("connect", _CONNECT, params_b)] if sizing.tensor_parallel_size > 1 else []
    phases = (
        _phase("container", _CONTAINER, params_b),
        *connect,
        Phase("weights", round(read.burst_s), round(read.burst_s), round(read.base_s)),
        _phase("compile", _COMPILE, params_b),
        _phase("graphs", _GRAPHS, params_b),
        _phase("warm_up", _WARM_UP, params_b),
    )
    total = sum(phase.seconds for phase in phases)
    saved = _phase("", _COMPILE, params_b).seconds - _phase("", _COMPILE_CACHED, params_b).seconds
    return StartTime(phases, read.binding_limit(), read.advice(), round(total - saved))


def disk_read(sizing: Sizing, cache: ModelCacheSettings) -> DiskRead:
    """What the host reads at a start: once for all engines if RAM keeps the files, else each."""
    engines = max(1, sizing.replicas_per_host)
    weights_gib = sizing.model.weights_gib
    kept = _page_cache_gib(sizing.instance, engines) >= weights_gib
    return DiskRead(
        instance=sizing.instance,
        megabytes=weights_gib * _MB_PER_GIB * (1 if kept else engines),
        readers=engines * sizing.tensor_parallel_size,
        throughput_mibps=cache.throughput_mibps,
        iops=cache.iops,
    )


def _page_cache_gib(instance: InstanceType, engines: int) -> float:
    return instance.memory_gib - _ENGINE_RAM_GIB * engines


def _phase(name: str, rows: _Rows, params_b: float) -> Phase:
    row = next(row for row in rows if params_b <= row[0])
    return Phase(name, *row[1:])
