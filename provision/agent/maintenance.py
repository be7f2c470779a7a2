"""The maintenance mark: this host is away on purpose, until a time.

It is a lease. Whoever sets it renews it while he works; when he dies, it runs out by itself and the
host serves again. It does not outlive a reboot.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Optional

from provision.agent.errors import AgentError
from provision.agent.system import read_json, write_json

_A_WHILE_S = 10.0


@dataclass(frozen=True)
class Mark:
    """Who took the host away, why, and when that ends. Times are seconds since the epoch.

    ``emptied``: nothing runs in its engines any more. Until then they get no canary, which nobody
    could tell from a client's request; an engine that is not started anew needs one afterwards.
    """

    since: float
    until: float
    why: str
    emptied: bool = False

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
        mark = self._read()
        return mark if mark is not None and mark.holds(now) else None

    def require(self, since: Optional[float], *, now: Optional[float] = None) -> None:
        """Raise AgentError unless the mark that began at *since* is there still.

        Whoever stops an engine says since when he believes it away (None: he does not); while he
        was held up it may have come back. A mark that ran out counts until somebody ended it; with
        *now* it must hold for a while yet.
        """
        if since is None:
            return
        mark = self._read()
        if mark is None or mark.since != since or not (now is None or mark.holds(now + _A_WHILE_S)):
            raise AgentError(
                "its maintenance ended before its engine was stopped: it may be in traffic again,"
                " and its engine was left alone",
                hint="run the same command again; was the operator's machine asleep, or S3 away?",
            )

    def begin(self, now: float, *, lease_s: float, why: str) -> Mark:
        """Set the mark, or renew the one that holds: it keeps its beginning."""
        before = self.mark(now)
        if before is None:
            mark = Mark(now, now + lease_s, why)
        else:
            mark = replace(before, until=now + lease_s, why=why)
        write_json(self._path, asdict(mark))
        return mark

    def emptied(self, now: float, *, yes: bool) -> None:
        """Note on the mark that holds, if one does, whether the engines are empty."""
        mark = self.mark(now)
        if mark is not None:
            write_json(self._path, asdict(replace(mark, emptied=yes)))

    def _read(self) -> Optional[Mark]:
        try:
            return Mark(**read_json(self._path))
        except (AgentError, TypeError, OSError):
            return None

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
