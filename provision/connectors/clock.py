"""The real clock."""

from __future__ import annotations

import time

# The other one stands still while a laptop sleeps: whoever wakes would believe its lock fresh.
_AWAKE_OR_NOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """Time as this machine tells it."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.clock_gettime(_AWAKE_OR_NOT)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
