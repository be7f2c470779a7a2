"""The maintenance mark: this host is away on purpose, until a time.

It is a lease. Whoever sets it renews it while he works; when he dies, it runs out by itself and the
host serves again. It does not outlive a reboot.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

from provision.agent.errors import AgentError
from provision.agent.system import read_json, write_json


@dataclass(frozen=True)
class Mark:
    """Who took the host away, why, and when that ends. Times are seconds since the epoch."""

    since: float
    until: float
    why: str

    def holds(self, now: float) -> bool:
        """It has not run out."""
        return now < self.until


class Maintenance:
    """The mark of this host, in a file that the agent and the operator's commands share."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self, now: float) -> Optional[Mark]:
        """The mark that holds now; None when there is none, or it ran out, or can't be read.

        An unreadable mark must not keep a host out of traffic for good.
        """
        try:
            mark = Mark(**read_json(self._path))
        except (AgentError, TypeError, OSError):
            return None
        return mark if mark.holds(now) else None

    def begin(self, now: float, *, lease_s: float, why: str) -> Mark:
        """Set the mark, or renew the one that holds: it keeps its beginning."""
        before = self.mark(now)
        mark = Mark(before.since if before else now, now + lease_s, why)
        write_json(self._path, asdict(mark))
        return mark

    def ran_out(self, now: float) -> bool:
        """There was a mark, and nobody ended it."""
        return self._path.exists() and self.mark(now) is None

    def end(self) -> bool:
        """Take the mark away; False when there was none."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True
