"""The four doors to the world. Everything above is written against these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from provision.commands.command import Command, Result
from provision.facts.inventory import Host, Inventory
from provision.facts.outputs import Outputs
from provision.secret import Secret


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Shell(Protocol):
    """Commands and files on hosts."""

    def run(self, host: Host, command: Command, *, check: bool = True) -> Result:
        """Run *command*. With *check*, a failure raises CommandFailed.

        Raises HostUnreachable or HostKeyMismatch when there is no connection.
        """

    def stream(self, host: Host, command: Command, on_line: Callable[[str], None]) -> Result:
        """Run *command* and hand out each line of its output as it comes."""

    def upload(self, host: Host, files: Mapping[str, bytes], folder: str) -> None:
        """Make *folder* hold exactly *files*, in one transfer, whole or not at all."""

    def close(self) -> None:
        """End all connections."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; *chunks* counts the events of a streamed one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    seconds: float = 0.0
    chunks: int = 0


class Http(Protocol):
    """Requests to the service itself."""

    def get(self, url: str, *, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """GET *url*. A connection that fails raises FleetError."""

    def post(
        self, url: str, body: Mapping[str, Any], *, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        """POST *body* as JSON and wait for the whole answer."""

    def stream(
        self, url: str, body: Mapping[str, Any], *, headers: Mapping[str, str], timeout_s: float
    ) -> Iterator[str]:
        """POST *body* and hand out the server-sent events as they come."""


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """What the load balancer thinks of one target."""

    host: str
    state: str  # healthy, unhealthy, initial, draining, unused
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stamped:
    """An object and the times that S3 gave with it, all by S3's own clock, seconds since the epoch.

    Without an object only ``read_at`` is known.
    """

    read_at: float
    data: bytes | None = None
    etag: str | None = None
    written_at: float | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What a write made: the version's ETag, and S3's clock at that moment."""

    etag: str
    at: float


@dataclass(frozen=True, slots=True)
class TemporaryKeys:
    """AWS credentials with a short life and few rights, handed to a host on standard input."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret


class Cloud(Protocol):
    """The AWS calls that tasks need, by what they mean. Errors are CloudError."""

    def outputs(self) -> Outputs:
        """The environment's outputs. Raises OutputsMissing before the first ``pulumi up``."""

    def inventory(self) -> Inventory:
        """Running hosts of the fleet with the keys that they published."""

    def target_health(self) -> tuple[TargetHealth, ...]:
        """The primary target group as the load balancer sees it."""

    def register(self, host: str) -> None:
        """Put the host (its name) into the primary target group; no matter if it is there."""

    def deregister(self, host: str) -> None:
        """Take the host out of the primary target group; no matter if it is not there.

        What it carries may end.
        """

    def suspend(self, processes: Sequence[str]) -> None:
        """Suspend these processes of the fleet's Auto Scaling group."""

    def resume(self, processes: Sequence[str]) -> None:
        """Resume these processes of the fleet's Auto Scaling group."""

    def suspended(self) -> frozenset[str]:
        """The processes of the fleet's Auto Scaling group that are suspended now."""

    def terminate(self, host: str) -> None:
        """End the host (its name); the group brings another one in its place."""

    def primary_weight(self) -> int | None:
        """The share of the traffic rule that goes to our own hosts, 0 to 100.

        None when the rule says nothing of it.
        """

    def get_object(self, key: str) -> bytes | None:
        """An object of the environment's bucket, None when there is none."""

    def put_object(self, key: str, data: bytes) -> None:
        """Write an object of the environment's bucket."""

    def get_stamped(self, key: str) -> Stamped:
        """An object of the environment's bucket with its version and the server's times."""

    def put_if(self, key: str, data: bytes, *, etag: str | None) -> Written:
        """Write an object if it still has this *etag*, or (None) if there is none.

        Raises Conflict when it has another. A write whose answer got lost may raise it, too.
        """

    def identity(self) -> str:
        """The ARN by which AWS knows the caller."""

    def list_objects(self, prefix: str) -> tuple[str, ...]:
        """Keys under *prefix*."""

    def image_digest(self, tag: str) -> str | None:
        """Digest of the environment's image with *tag*, None when it was not pushed."""

    def registry_password(self) -> Secret:
        """A token for ``docker login --username AWS``, with the operator's own rights."""

    def publisher_keys(self, key_prefix: str) -> TemporaryKeys:
        """Keys that may write below *key_prefix* of the bucket, for an hour."""

    def get_secret(self, name: str) -> Secret | None:
        """A secret's value, None when it has none yet."""

    def put_secret(self, name: str, value: Secret) -> None:
        """Write a secret's value."""
