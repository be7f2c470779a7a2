"""How fast clients were answered before a host was taken away, kept until it has come back.

A release that answers its first canary in time may still be slow under real questions: the bake
compares what clients got before with what they get after.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Deque, Dict, Optional, Tuple

from provision.agent.errors import AgentError
from provision.agent.metrics import Served
from provision.agent.system import read_json, write_json

WINDOW_S = 300.0
_WRITING = threading.Lock()  # each engine's watch writes its own part


class Window:
    """An engine's counters over the last minutes."""

    def __init__(self) -> None:
        self._looks: Deque[Tuple[float, Served]] = deque()

    def add(self, now: float, served: Optional[Served]) -> None:
        """Take a look at the counters; None says nothing."""
        if served is None:
            return
        self._looks.append((now, served))
        while now - self._looks[0][0] > WINDOW_S:
            self._looks.popleft()

    def clear(self) -> None:
        """The engine starts anew: its counters begin at zero."""
        self._looks.clear()

    def served(self) -> Optional[Served]:
        """What was served within the window; None when nobody looked twice."""
        if len(self._looks) < 2:
            return None
        return self._looks[-1][1].since(self._looks[0][1])


@dataclass(frozen=True)
class _Entry:
    """What one engine served before the maintenance that began at ``since``."""

    since: float
    layout: str
    served: Optional[Served]

    @staticmethod
    def parse(document: Dict[str, Any]) -> _Entry:
        served = document["served"]
        parsed = None if served is None else Served.parse(served)
        return _Entry(float(document["since"]), str(document["layout"]), parsed)


class Before:
    """What each engine served before the maintenance that began last, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, since: float, layout: str, index: int, served: Optional[Served]) -> None:
        """Write down one engine, once for the maintenance that began at *since*."""
        with _WRITING:
            known = self._known()
            if index in known and known[index].since == since:
                return
            known[index] = _Entry(since, layout, served)
            write_json(self._path, {str(number): asdict(entry) for number, entry in known.items()})

    def served(self, layout: str) -> Dict[int, Served]:
        """By replica; those of another *layout*, or of which nobody knows, are left out."""
        entries = self._known().items() if layout else ()
        return {
            index: entry.served
            for index, entry in entries
            if entry.layout == layout and entry.served is not None
        }

    def forget(self) -> None:
        """It was compared: the next bake is about another time."""
        self._path.unlink(missing_ok=True)

    def _known(self) -> Dict[int, _Entry]:
        """By replica; nothing when it can't be read, so that it is written anew."""
        try:
            document: Dict[str, Dict[str, Any]] = read_json(self._path)
            return {int(index): _Entry.parse(entry) for index, entry in document.items()}
        except (AgentError, OSError, LookupError, TypeError, ValueError, AttributeError):
            return {}
