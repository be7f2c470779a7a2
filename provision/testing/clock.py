"""A clock that moves only when somebody sleeps."""

from __future__ import annotations

import threading


class FakeClock:
    """Starts at *start*; ``sleep`` moves it and returns at once."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since the epoch, as faked."""
        return self._now

    def monotonic(self) -> float:
        """The same seconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move on without waiting."""
        with self._lock:
            self._now += seconds
            self.slept.append(seconds)
