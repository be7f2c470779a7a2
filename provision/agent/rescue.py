"""What brings a host back by itself: a boot, an apply or a maintenance that was left half done."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Iterable, Protocol

from provision.agent.apply import Apply
from provision.agent.boot import boot
from provision.agent.errors import AgentError, Busy
from provision.agent.host import Host
from provision.agent.lock import held
from provision.agent.maintenance import Maintenance
from provision.agent.one_engine import OneEngine

_RETRY_S = 20.0


class Say(Protocol):
    """Says trouble, once while it lasts."""

    def __call__(self, reason: str, *, hint: str = "") -> None: ...


class Rescue:
    """Tried again from the agent's turns, never more often than each 20 s."""

    def __init__(self, host: Host, maintenance: Maintenance, say: Say) -> None:
        self._host, self._maintenance, self._say = host, maintenance, say
        self._next_boot = 0.0
        self._since: Dict[Path, float] = {}
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
        if not self._left(self._host.paths.journal):
            return
        try:
            Apply(self._host, restart_agent=False).release(release, fetch=False, lock_wait_s=0.0)
        except Busy:
            return

    def engines(self, indexes: Iterable[int]) -> None:
        """The same of a single engine: it becomes what it was, or what it should be."""
        for index in indexes:
            if not self._left(self._host.paths.journal_of(index)):
                continue
            try:
                OneEngine(self._host, index).finish()
            except Busy:
                continue

    def _left(self, journal: Path) -> bool:
        """It is there, and nobody has come for 20 s: then again only after the next 20 s."""
        now = self._host.clock.monotonic()
        if not journal.exists():
            self._since.pop(journal, None)
            return False
        if now - self._since.setdefault(journal, now) < _RETRY_S:
            return False
        self._since[journal] = now
        return True

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
