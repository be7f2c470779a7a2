"""A Plan: what will be done, in which order, and why. The printed Plan is the executed one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from provision.facts.inventory import Host
from provision.planning.actions import Action, MirrorImages, SeedWeights
from provision.planning.gateway_actions import BuildGateway
from provision.planning.intent import Intent


@dataclass(frozen=True, slots=True)
class Step:
    """One change, on one host or (``host`` None) on the environment, with its reason."""

    host: Host | None
    summary: str
    reason: str
    action: Action

    @property
    def for_all(self) -> bool:
        """Whether every host needs it, wherever it runs: when it fails, no later wave begins."""
        stores = MirrorImages | SeedWeights | BuildGateway
        return self.host is None or isinstance(self.action, stores)


@dataclass(frozen=True, slots=True)
class Wave:
    """Steps that may run at the same time on different hosts.

    Steps of one host keep their order; a host whose step failed gets no further step. With
    *needs_all* the wave begins only when no host has failed before it.
    """

    title: str
    steps: tuple[Step, ...]
    needs_all: bool = False

    def by_host(self) -> dict[str, tuple[Step, ...]]:
        """Steps grouped by host name ("" for steps of the environment), order kept."""
        groups: dict[str, list[Step]] = {}
        for step in self.steps:
            groups.setdefault(step.host.name if step.host else "", []).append(step)
        return {name: tuple(steps) for name, steps in groups.items()}


@dataclass(frozen=True, slots=True)
class Premise:
    """What a Plan takes for granted of the environment. None: it does not matter, or is unknown.

    Attributes:
        hosts: the names of all hosts of the fleet.
        current: the release that booting hosts take ("": none yet).
        primary_weight: the share of the traffic rule that goes to our own hosts, 0 to 100.
    """

    hosts: frozenset[str] | None = None
    current: str | None = None
    primary_weight: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Waves, one after the other; an empty Plan is "nothing to do".

    ``expects`` maps a host name to what it ran when the Plan was made, ``premise`` says what else
    was so; the executor stops with PlanError when that has changed. ``left_out`` maps a host that
    can't be reached to the reason: it counts as failed. ``afterwards`` is done in every ending,
    once the first step began. A Plan with an ``intent`` is a rollout of serving hosts: others can
    finish it or take it back.
    """

    title: str
    waves: tuple[Wave, ...] = ()
    expects: dict[str, str | None] = field(default_factory=dict)
    premise: Premise = field(default_factory=Premise)
    notes: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    afterwards: tuple[Step, ...] = ()
    intent: Intent | None = None

    def __bool__(self) -> bool:
        return any(wave.steps for wave in self.waves)

    def __iter__(self) -> Iterator[Wave]:
        return iter(self.waves)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of the hosts that get a step, sorted."""
        return tuple(sorted({name for wave in self.waves for name in wave.by_host() if name}))
