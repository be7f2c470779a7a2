"""What brings a host back by itself: a boot, an apply or a maintenance that was left half done."""

from __future__ import annotations

from typing import Optional, Protocol

from provision.agent.apply import Apply
from provision.agent.boot import boot
from provision.agent.errors import AgentError, Busy
from provision.agent.host import Host
from provision.agent.lock import held
from provision.agent.maintenance import Maintenance

_RETRY_S = 20.0


class Say(Protocol):
    """Says trouble, once while it lasts."""

    def __call__(self, reason: str, *, hint: str = "") -> None: ...


class Rescue:
    """Tried again from the agent's turns, never more often than each 20 s."""

    def __init__(self, host: Host, maintenance: Maintenance, say: Say) -> None:
        self._host, self._maintenance, self._say = host, maintenance, say
        self._next_boot = 0.0
        self._journal_since: Optional[float] = None
        self.boot_problem = ""

    def boot(self) -> None:
        """A boot that failed: the network was not up yet, S3 was away."""
        now = self._host.clock.monotonic()
        if now < self._next_boot:
            return
        self._next_boot = now + _RETRY_S
        try:
            boot(self._host, lock_wait_s=0.0)
        except Busy:
            self.boot_problem = "a release is being applied"
        except AgentError as error:
            self._say(error.reason, hint=error.hint)
            self.boot_problem = error.reason
        else:
            there = self._host.paths.current_release() is not None
            self.boot_problem = "" if there else "the fleet has no current release yet"

    def apply(self, release: str) -> None:
        """An apply that was killed left its journal: bring up what ``current`` points to."""
        now = self._host.clock.monotonic()
        if not self._host.paths.journal.exists():
            self._journal_since = None
            return
        if self._journal_since is None:
            self._journal_since = now
        if now - self._journal_since < _RETRY_S:
            return
        self._journal_since = now
        try:
            Apply(self._host, restart_agent=False).release(release, fetch=False, lock_wait_s=0.0)
        except Busy:
            return

    def end_lease(self) -> None:
        """Nobody ended the maintenance: whoever began it is gone, so the host returns by itself.

        Not while a release is applied: what fetches an image for an hour stops the engine in the
        end. The mark goes last: when AWS does not answer, the next turn tries again.
        """
        host = self._host
        if not self._maintenance.ran_out(host.clock.now()):
            return
        try:
            with held(host.paths.lock, host.clock, host.events, wait_s=0.0):
                host.cloud.enter_traffic(host.metadata.identity().instance_id)
                self._maintenance.end()
        except Busy:
            return
        except AgentError as error:
            self._say(error.reason, hint=error.hint)
            return
        host.events.emit("lease-ended", text="nobody ended the maintenance")
