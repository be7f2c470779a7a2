"""What a step of a Plan can do. Each action is carried out in one place: provision/executor."""

from __future__ import annotations

from dataclasses import dataclass

from provision.commands.command import Command
from provision.planning.gateway_actions import AskGateway, BuildGateway, MoveGateway, WaitGateway
from provision.planning.levers import Linger, PutWish, WaitShare
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
class PrepareRelease:
    """Bring weights and images of the release to the host, while it serves with what it runs.

    With *fetch* the release itself comes from the bucket when the host does not have it.
    """

    release_id: str
    fetch: bool = False


@dataclass(frozen=True, slots=True)
class ApplyRelease:
    """Switch the host to the release and start it (the host program does it, atomically).

    With *restart* its containers start anew even when they are as wanted; with *fetch* the host
    takes the release from the bucket when it does not have it. With *first* it is for a host that
    runs nothing: one that took a release meanwhile may serve. With *replica* only that engine of
    the host is changed, and what the host as a whole runs stays.
    """

    release_id: str
    restart: bool = False
    fetch: bool = False
    replica: int | None = None
    first: bool = False


@dataclass(frozen=True, slots=True)
class WaitReady:
    """Wait until the agent on the host says ready for the release; or (*replica*) one engine is."""

    release_id: str
    timeout_s: float
    replica: int | None = None


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
    """Mark the host as away on purpose; the mark ends by itself after *lease_s*.

    With *replica* only that engine is: the host's own front sends it nothing new. The load balancer
    calls a marked host unhealthy, so one that serves is marked only when at least *others* beside
    it do, which is waited for up to *wait_s*.
    """

    lease_s: float
    replica: int | None = None
    others: int = 0
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class EndMaintenance:
    """Let the host's front send to the engine *replica* again."""

    replica: int


@dataclass(frozen=True, slots=True)
class LeaveTraffic:
    """Take the host out of the load balancer, and wait until it sends nothing new there.

    One that is healthy there, or was when it was marked, leaves only while at least *others* beside
    it are.
    """

    timeout_s: float
    others: int = 0


@dataclass(frozen=True, slots=True)
class DrainHost:
    """Wait until no engine of the host, or (*replica*) the one, has anything to do."""

    timeout_s: float
    replica: int | None = None


@dataclass(frozen=True, slots=True)
class AskFront:
    """Ask the host's own front for tokens, whole and streamed: no other tier can answer there.

    *model* None: whatever the release that runs there is called.
    """

    timeout_s: float
    model: str | None = None
    chat: bool = False  # a plain completion is what every model gives


@dataclass(frozen=True, slots=True)
class EnterTraffic:
    """End the maintenance, put the host into the load balancer, wait until it is healthy there."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Bake:
    """Watch the host for *seconds*: ready for the release all the time, nothing restarted."""

    release_id: str
    seconds: float
    replica: int | None = None


@dataclass(frozen=True, slots=True)
class AskThroughLoadBalancer:
    """Ask for an answer through the load balancer; it must say ``x-llm-tier: primary``."""

    model: str
    timeout_s: float
    chat: bool = True  # False: a base model, asked for a plain completion


@dataclass(frozen=True, slots=True)
class TerminateHost:
    """End the step's host; the Auto Scaling group brings another one in its place."""


@dataclass(frozen=True, slots=True)
class WaitReplaced:
    """Wait until *count* hosts are in traffic that are none of the *known* ones.

    They must stay there for *bake_s*.
    """

    known: tuple[str, ...]
    count: int
    timeout_s: float
    bake_s: float


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
    | PrepareRelease
    | ApplyRelease
    | WaitReady
    | WaitInTraffic
    | HoldFleet
    | FreeFleet
    | BeginMaintenance
    | EndMaintenance
    | LeaveTraffic
    | DrainHost
    | AskFront
    | EnterTraffic
    | Bake
    | AskThroughLoadBalancer
    | PutWish
    | WaitShare
    | Linger
    | BuildGateway
    | MoveGateway
    | WaitGateway
    | AskGateway
    | TerminateHost
    | WaitReplaced
    | SetCurrent
)
