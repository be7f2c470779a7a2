"""A Plan: what will be done, in which order, and why. The printed Plan is the executed one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from provision.commands.command import Command
from provision.facts.inventory import Host
from provision.planning.release import Release
from provision.secret import Secret


@dataclass(frozen=True, slots=True)
class Run:
    """Run a command on the step's host."""

    command: Command


@dataclass(frozen=True, slots=True)
class UploadFiles:
    """Put *files* (relative path -> bytes) into *folder* of the host in one upload.

    The folder appears as a whole or not at all.
    """

    files: dict[str, bytes]
    folder: str


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """An image that the environment's registry must hold.

    With *dockerfile* it is built from *source* (a file name in the release folder), else copied.
    """

    target: str  # registry/repository:tag
    source: str  # the public image
    dockerfile: str | None = None

    @property
    def tag(self) -> str:
        """The target's tag."""
        return self.target.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class MirrorImages:
    """Build or copy images on the host and push them with the operator's own ECR token."""

    release_id: str
    images: tuple[ImageSpec, ...]


@dataclass(frozen=True, slots=True)
class SeedWeights:
    """Fetch weights from the Hub on the host and put them, with a manifest, into the bucket."""

    repository: str
    revision: str
    folder: str  # "weights/<model>/<revision>" in the bucket
    endpoint: str
    gated: bool
    release_id: str  # whose host program does it


@dataclass(frozen=True, slots=True)
class AcceptProbeKey:
    """Let the fronts take *key*, with which deploys ask through the load balancer."""

    key: Secret


@dataclass(frozen=True, slots=True)
class PublishRelease:
    """Put the release's files into the bucket."""

    release: Release


@dataclass(frozen=True, slots=True)
class ProveGpu:
    """Show that a container of *image* on the host sees all *count* GPUs."""

    release_id: str
    image: str
    count: int


@dataclass(frozen=True, slots=True)
class ApplyRelease:
    """Switch the host to the release and start it (the host program does it, atomically).

    With *restart* its containers start anew even when they are as wanted; with *fetch* the host
    takes the release from the bucket when it does not have it.
    """

    release_id: str
    restart: bool = False
    fetch: bool = False


@dataclass(frozen=True, slots=True)
class WaitReady:
    """Wait until the agent on the host says ready for the release."""

    release_id: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class WaitInTraffic:
    """Wait until the load balancer calls the host healthy."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class HoldFleet:
    """Suspend these *processes* of the Auto Scaling group."""

    processes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FreeFleet:
    """Resume these *processes* of the Auto Scaling group."""

    processes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BeginMaintenance:
    """Mark the host as away on purpose; the mark ends by itself after *lease_s*."""

    lease_s: float


@dataclass(frozen=True, slots=True)
class LeaveTraffic:
    """Take the host out of the load balancer, and wait until it sends nothing new there."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class DrainHost:
    """Wait until no engine of the host has anything to do."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class EnterTraffic:
    """End the maintenance, put the host into the load balancer, wait until it is healthy there."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Bake:
    """Watch the host for *seconds*: ready for the release all the time, nothing restarted."""

    release_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class AskThroughLoadBalancer:
    """Ask for an answer through the load balancer; it must say ``x-llm-tier: primary``."""

    model: str
    timeout_s: float
    chat: bool = True  # False: a base model, asked for a plain completion


@dataclass(frozen=True, slots=True)
class SetCurrent:
    """Make the release the one that booting hosts take, after the one *before*."""

    release_id: str
    before: str | None = None


Action = (
    Run
    | UploadFiles
    | MirrorImages
    | SeedWeights
    | AcceptProbeKey
    | PublishRelease
    | ProveGpu
    | ApplyRelease
    | WaitReady
    | WaitInTraffic
    | HoldFleet
    | FreeFleet
    | BeginMaintenance
    | LeaveTraffic
    | DrainHost
    | EnterTraffic
    | Bake
    | AskThroughLoadBalancer
    | SetCurrent
)


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
        return self.host is None or isinstance(self.action, MirrorImages | SeedWeights)


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
class Plan:
    """Waves, one after the other; an empty Plan is "nothing to do".

    ``expects`` maps a host name to what it ran when the Plan was made; the executor stops with
    PlanError when that has changed. ``left_out`` maps a host that can't be reached to the reason:
    it counts as failed. ``afterwards`` is done in every ending, once the first step began.
    """

    title: str
    waves: tuple[Wave, ...] = ()
    expects: dict[str, str | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    afterwards: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return any(wave.steps for wave in self.waves)

    def __iter__(self) -> Iterator[Wave]:
        return iter(self.waves)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of the hosts that get a step, sorted."""
        return tuple(sorted({name for wave in self.waves for name in wave.by_host() if name}))
