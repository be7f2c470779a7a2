"""An AWS account on paper: the bucket, the group, and the target group of a paper world."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from provision.connectors.protocols import Stamped, TargetHealth, Written
from provision.errors import CloudError
from provision.facts.inventory import Inventory
from provision.planning.lock import LOCK, RENEW_S
from provision.planning.release import CURRENT, parse_current
from provision.testing import samples
from provision.testing.cloud import FakeCloud

if TYPE_CHECKING:
    from tests.paper.world import World


_PROCESS = re.compile(rb'"process":"([^"]*)"')  # parsing the whole takes longer than the rest


class Account(FakeCloud):
    """FakeCloud whose hosts, targets and times are those of *world*.

    ``holder`` is the process that wrote the lock last. While it lives it is heard of: a lock that
    it holds never looks older than the time between two of its heartbeats.
    """

    def __init__(self, world: World) -> None:
        super().__init__(samples.outputs())
        self.world = world
        self.holder = ""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        fresh = FakeCloud(samples.outputs())
        vars(self).update({**vars(fresh), **state})

    @property
    def server_time(self) -> float:
        """The world's time."""
        return self.world.time.now

    @server_time.setter
    def server_time(self, _: float) -> None:
        """Time passes by itself."""

    def current(self) -> str | None:
        """The release that booting hosts take."""
        return parse_current(self.objects.get(CURRENT))

    def inventory(self) -> Inventory:
        """Instances that run."""
        self._fail("inventory")
        return Inventory(tuple(sorted(one.host for one in self.world.hosts.values() if one.on)))

    def target_health(self) -> tuple[TargetHealth, ...]:
        """As the world's load balancer says."""
        self._fail("target_health")
        return self.world.balancer.health()

    def register(self, host: str) -> None:
        """Put the host in."""
        self._fail("register")
        if host not in self.world.hosts:
            raise CloudError(f"elbv2:register_targets on {host} failed: InvalidTarget: terminated")
        self.log.append(f"register {host}")
        self.world.balancer.register(host)

    def deregister(self, host: str) -> None:
        """Take it out."""
        self._fail("deregister")
        self.log.append(f"deregister {host}")
        self.world.note_leaving(host)
        self.world.balancer.deregister(host)

    def get_stamped(self, key: str) -> Stamped:
        """The object; a lock whose holder lives was renewed lately."""
        self._hear()
        return super().get_stamped(key)

    def put_if(self, key: str, data: bytes, *, etag: str | None) -> Written:
        """Write under the condition, and remember who holds the lock."""
        written = super().put_if(key, data, etag=etag)
        if key == LOCK:
            who = _PROCESS.search(data)
            self.holder = who[1].decode() if who and b'"ending":null' in data else ""
        return written

    def falls_silent(self, process: str) -> None:
        """Its last heartbeat was the one before now."""
        if process == self.holder:
            self._hear()

    def _hear(self) -> None:
        """What the holder's own thread does each 15 s; nobody looks at a clock in between."""
        written = self._written.get(LOCK)
        if written is not None and self.world.is_heard(self.holder):
            since = self.server_time - written
            self._written[LOCK] = self.server_time - since % RENEW_S
