"""The engines of a host that has several: which of them are changed, and how, one at a time. Pure.

The host stays in the load balancer meanwhile. Its front sends the engine that is changed nothing
new, and the others serve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from provision.facts.host import HostFacts
from provision.facts.inventory import Host
from provision.planning.actions import (
    ApplyRelease,
    Bake,
    BeginMaintenance,
    DrainHost,
    EndMaintenance,
    WaitReady,
)
from provision.planning.plan import Step

_MARGIN_S = 120.0
_NEVER_EMPTY = {"hung"}  # one that is down may be up when its turn comes


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine as its host's agent tells of it. None is unknown.

    Attributes:
        release: from which its container was started; None also from an agent that knows only
            whole hosts.
        serves: it is ready, and the front sends to it.
    """

    index: int
    release: str | None
    state: str
    serves: bool
    uptime_s: float | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """How long the steps of one engine may take, in seconds; ``bake_s`` 0.0: nobody watches."""

    drain_s: float
    ready_s: float
    bake_s: float


def engines_of(facts: HostFacts) -> tuple[Engine, ...]:
    """All engines of a host, none when its agent says nothing of them."""
    return tuple(
        Engine(
            index=int(said.get("index", number)),
            release=said.get("release"),
            state=str(said.get("state", "")),
            serves=said.get("ready_for") is not None and not said.get("out"),
            uptime_s=said.get("uptime_s"),
        )
        for number, said in enumerate((facts.agent or {}).get("replicas") or ())
    )


def singly(
    facts: HostFacts, wanted: str, *, same_shape: bool, older_than_s: float | None = None
) -> tuple[int, ...]:
    """The engines to change one at a time so that the host runs *wanted*; none: as a whole.

    With *older_than_s* also those that run it for longer (0.0: all). *same_shape* says that
    *wanted* shares out the host's GPUs, and is called, as what runs there. The host must have
    several engines, two of which serve, or one that need not be changed.
    """
    engines = engines_of(facts)
    if len(engines) < 2 or any(engine.release is None for engine in engines):
        return ()
    if not (same_shape or any(engine.release == wanted for engine in engines)):
        return ()
    change = tuple(
        engine.index
        for engine in engines
        if engine.release != wanted or not engine.serves or _is_old(engine, older_than_s)
    )
    serving = [engine.index for engine in engines if engine.serves]
    enough = len(serving) > 1 or bool(set(serving) - set(change))
    return _sick_first(engines, change) if enough else ()


def one_by_one(
    host: Host,
    facts: HostFacts,
    engines: tuple[int, ...],
    start: ApplyRelease,
    *,
    why: str,
    times: Times,
) -> Iterator[Step]:
    """The steps in which *engines* of the host are changed, as *start* says for the host.

    The first one is watched before the next one goes.
    """
    states = {engine.index: engine.state for engine in engines_of(facts)}
    for number, index in enumerate(engines):
        lease = BeginMaintenance(times.drain_s + _MARGIN_S, index)
        yield Step(host, f"leave engine {index} out", "its front sends to the others", lease)
        if states.get(index) not in _NEVER_EMPTY:
            reason = f"what runs may end, for {times.drain_s:.0f} s at most"
            yield Step(host, f"empty engine {index}", reason, DrainHost(times.drain_s, index))
        this = replace(start, replica=index)
        yield Step(host, f"start {start.release_id} on engine {index}", why, this)
        ready = WaitReady(start.release_id, times.ready_s, index)
        yield Step(host, f"wait until engine {index} is ready", "the agent warms it", ready)
        yield Step(host, f"take engine {index} in", "its front sends to it", EndMaintenance(index))
        if number == 0 and times.bake_s:
            bake = Bake(start.release_id, times.bake_s, index)
            reason = "before the next one goes"
            yield Step(host, f"watch engine {index} for {times.bake_s:.0f} s", reason, bake)


def _is_old(engine: Engine, older_than_s: float | None) -> bool:
    if older_than_s is None:
        return False
    return engine.uptime_s is None or engine.uptime_s > older_than_s


def _sick_first(engines: tuple[Engine, ...], change: tuple[int, ...]) -> tuple[int, ...]:
    """Those that do not serve cost nothing, and serve afterwards."""
    sick = {engine.index for engine in engines if not engine.serves}
    return tuple(sorted(change, key=lambda index: (index not in sick, index)))
