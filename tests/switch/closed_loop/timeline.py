"""Time that passes from event to event."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Timeline:
    """Events in their order. *now* is the moment of the event that runs."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, moment: float, event: Callable[[], None]) -> None:
        """Let *event* happen at *moment*, after those that were entered before for it."""
        heapq.heappush(self._events, (max(moment, self.now), next(self._order), event))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Let *event* happen *seconds* from now."""
        self.at(self.now + seconds, event)

    def every(self, seconds: float, event: Callable[[], None], *, first: float) -> None:
        """Let *event* happen at *first* and then again and again."""

        def again() -> None:
            event()
            self.after(seconds, again)

        self.at(first, again)

    def run(self, until: float, ended: Callable[[], bool]) -> None:
        """Let time pass until a moment, or until somebody says that it has *ended*."""
        while self._events and self._events[0][0] <= until and not ended():
            moment, _, event = heapq.heappop(self._events)
            self.now = moment
            event()
