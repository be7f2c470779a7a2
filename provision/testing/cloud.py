"""An AWS account in memory that holds only what a test put there."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence

from provision.connectors.protocols import Stamped, TargetHealth, TemporaryKeys, Written
from provision.errors import Conflict, FleetError
from provision.facts.inventory import Host, Inventory
from provision.facts.outputs import Outputs
from provision.secret import Secret


class FakeCloud:
    """Implements Cloud over plain dictionaries, open to the test.

    Attributes:
        objects: the bucket.
        images: tag -> digest.
        secrets: name -> value; a name that is not there was never provisioned: an error.
        health: host -> target state, or a list of states told one after the other.
        after_register: host -> its states once it was registered (else healthy at once).
        stopped: suspended processes of the Auto Scaling group.
        template: the launch template's version from which the group launches now.
        replacements: hosts that the group launches in the place of those that are ended, one by
            one, each with the target states that it goes through.
        weight: the primary's share of the traffic rule.
        failures: call name -> error to raise.
        log: every call that changes or hands out something, but ``put_if``: how often the holder
            of a lock writes is up to its threads.
        server_time: the clock of AWS, which has nothing to do with any other.
    """

    def __init__(
        self,
        outputs: Outputs,
        hosts: tuple[Host, ...] = (),
        *,
        objects: Mapping[str, bytes] | None = None,
        images: Mapping[str, str] | None = None,
    ) -> None:
        self._outputs = outputs
        self.hosts = hosts
        self.objects = dict(objects or {})
        self.images = dict(images or {})
        self.secrets: dict[str, Secret | None] = {
            outputs.client_keys_secret: None,
            outputs.probe_key_secret: None,
            outputs.hub_token_secret: None,
        }
        self.health: dict[str, list[str]] = {}
        self.after_register: dict[str, list[str]] = {}
        self.template = ""
        self.replacements: list[tuple[Host, list[str]]] = []
        self.stopped: set[str] = set()
        self.weight: int | None = 100
        self.failures: dict[str, FleetError] = {}
        self.log: list[str] = []
        self.server_time = 1_800_000_000.0
        self._written: dict[str, float] = {}
        self._lock = threading.Lock()

    def outputs(self) -> Outputs:
        """What the test gave."""
        self._fail("outputs")
        return self._outputs

    def inventory(self) -> Inventory:
        """What the test gave."""
        self._fail("inventory")
        return Inventory(self.hosts, self.template)

    def target_health(self) -> tuple[TargetHealth, ...]:
        """Each host's next state; the last one stays."""
        self._fail("target_health")
        with self._lock:
            return tuple(
                TargetHealth(host, states.pop(0) if len(states) > 1 else states[0])
                for host, states in self.health.items()
            )

    def register(self, host: str) -> None:
        """The host becomes healthy at the next look, unless the test said otherwise before."""
        self._fail("register")
        with self._lock:
            self.log.append(f"register {host}")
            self.health[host] = self.after_register.get(host, ["healthy"])

    def deregister(self, host: str) -> None:
        """The host is draining from the next look on."""
        self._fail("deregister")
        with self._lock:
            self.log.append(f"deregister {host}")
            self.health[host] = ["draining"]

    def suspend(self, processes: Sequence[str]) -> None:
        """They do nothing until they are resumed."""
        self._fail("suspend")
        with self._lock:
            self.log.append(f"suspend {' '.join(processes)}")
            self.stopped |= set(processes)

    def resume(self, processes: Sequence[str]) -> None:
        """They go on."""
        self._fail("resume")
        with self._lock:
            self.log.append(f"resume {' '.join(processes)}")
            self.stopped -= set(processes)

    def suspended(self) -> frozenset[str]:
        """``stopped``."""
        self._fail("suspended")
        return frozenset(self.stopped)

    def terminate(self, host: str) -> None:
        """The host is gone, and the next of ``replacements`` is there."""
        self._fail("terminate")
        with self._lock:
            self.log.append(f"terminate {host}")
            self.hosts = tuple(one for one in self.hosts if one.name != host)
            self.health.pop(host, None)
            if self.replacements and "Launch" not in self.stopped:
                new, states = self.replacements.pop(0)
                self.hosts = tuple(sorted((*self.hosts, new)))
                self.health[new.name] = list(states)

    def primary_weight(self) -> int | None:
        """``weight``."""
        self._fail("primary_weight")
        return self.weight

    def get_object(self, key: str) -> bytes | None:
        """The object, None when there is none."""
        self._fail("get_object")
        return self.objects.get(key)

    def put_object(self, key: str, data: bytes) -> None:
        """Keep the object."""
        self._fail("put_object")
        with self._lock:
            self.log.append(f"put {key}")
            self.objects[key] = data
            self._written[key] = self.server_time

    def get_stamped(self, key: str) -> Stamped:
        """The object with its version, at ``server_time``."""
        self._fail("get_stamped")
        with self._lock:
            data = self.objects.get(key)
            if data is None:
                return Stamped(self.server_time)
            written_at = self._written.get(key, self.server_time)
            return Stamped(self.server_time, data, _etag(data), written_at)

    def put_if(self, key: str, data: bytes, *, etag: str | None) -> Written:
        """Keep the object if it is what the caller thinks; ETags are made as S3 makes them."""
        self._fail("put_if")
        with self._lock:
            there = self.objects.get(key)
            if (None if there is None else _etag(there)) != etag:
                raise Conflict(f"{key} was written by somebody else meanwhile")
            self.objects[key] = data
            self._written[key] = self.server_time
            return Written(_etag(data), self.server_time)

    def identity(self) -> str:
        """Always the same person."""
        self._fail("identity")
        return "arn:aws:iam::123456789012:user/anna"

    def list_objects(self, prefix: str) -> tuple[str, ...]:
        """Keys under *prefix*, sorted."""
        self._fail("list_objects")
        return tuple(sorted(key for key in self.objects if key.startswith(prefix)))

    def image_digest(self, tag: str) -> str | None:
        """The digest, None when there is none."""
        self._fail("image_digest")
        return self.images.get(tag)

    def registry_password(self) -> Secret:
        """A password that nobody knows."""
        self._fail("registry_password")
        return Secret("registry-password")

    def publisher_keys(self, key_prefix: str) -> TemporaryKeys:
        """Keys; the log says for which prefix."""
        self._fail("publisher_keys")
        with self._lock:
            self.log.append(f"keys for {key_prefix}")
        return TemporaryKeys("ASIAFAKE", Secret("secret-access-key"), Secret("session-token"))

    def get_secret(self, name: str) -> Secret | None:
        """The value; a name that was never provisioned is an error of the test."""
        self._fail("get_secret")
        if name not in self.secrets:
            raise AssertionError(f"nobody provisioned the secret {name}")
        return self.secrets[name]

    def put_secret(self, name: str, value: Secret) -> None:
        """Keep the value."""
        self._fail("put_secret")
        with self._lock:
            self.log.append(f"secret {name}")
            self.secrets[name] = value

    def _fail(self, call: str) -> None:
        if call in self.failures:
            raise self.failures[call]


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
