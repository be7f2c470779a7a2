"""Time on paper: what is due happens in its order, whoever waits, and nobody really waits."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_Due = tuple[float, int, Callable[..., None], tuple[Any, ...]]


@dataclass
class Timeline:
    """Seconds since the epoch as AWS's servers count them, and what is due.

    What is due is a bound method and its arguments, so that a world can be copied in the middle.
    """

    now: float = 1_800_000_000.0
    _due: list[_Due] = field(default_factory=list)
    _count: int = 0

    def after(self, seconds: float, do: Callable[..., None], *arguments: Any) -> None:
        """Let something happen in *seconds*."""
        self._count += 1
        heapq.heappush(self._due, (self.now + seconds, self._count, do, arguments))

    def step(self, until: float) -> bool:
        """The next thing that is due by *until* happens; False: nothing was, and it is *until*."""
        if not self._due or self._due[0][0] > until:
            self.now = max(self.now, until)
            return False
        at, _, do, arguments = heapq.heappop(self._due)
        self.now = max(self.now, at)
        do(*arguments)
        return True

    def run(self, seconds: float) -> None:
        """Let *seconds* pass."""
        until = self.now + seconds
        while self.step(until):
            pass
