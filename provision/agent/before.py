"""How fast clients were answered before a host was taken away, kept until it has come back.

A release that answers its first canary in time may still be slow under real questions: the bake
compares what clients got before with what they get after.
"""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, Mapping, Optional, Tuple

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


class Before:
    """What the engines served before the maintenance that began last, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, since: float, layout: str, index: int, served: Optional[Served]) -> None:
        """Write down one engine, once for the maintenance that began at *since*."""
        with _WRITING:
            known = self._document()
            if known.get("since") != since or known.get("layout") != layout:
                known = {"since": since, "layout": layout, "replicas": {}}
            if str(index) not in known["replicas"]:
                known["replicas"][str(index)] = None if served is None else served.to_json()
                write_json(self._path, known)

    def served(self, layout: str) -> Dict[int, Served]:
        """By replica; nothing when it was another *layout*, or nobody knows."""
        known = self._document()
        if not layout or known.get("layout") != layout:
            return {}
        replicas: Mapping[str, Optional[Mapping[str, float]]] = known["replicas"]
        return {int(index): Served.parse(one) for index, one in replicas.items() if one is not None}

    def forget(self) -> None:
        """It was compared: the next bake is about another time."""
        self._path.unlink(missing_ok=True)

    def _document(self) -> Dict[str, Any]:
        """What is written there; nothing when it can't be read, so that it is written anew."""
        try:
            document: Dict[str, Any] = read_json(self._path)
            for one in document["replicas"].values():
                if one is not None:
                    Served.parse(one)
            return document
        except (AgentError, OSError, LookupError, TypeError, ValueError, AttributeError):
            return {}
