"""Being told to stop in the middle: an exception where it can be undone, silence where it can't."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Dict, Optional

from provision.agent.errors import Stopped


class interruptible:  # reads as a statement
    """SIGTERM and SIGINT raise Stopped inside; SIGHUP (the operator's line broke) does nothing."""

    def __init__(self) -> None:
        self._before: Dict[int, Any] = {}

    def __enter__(self) -> interruptible:
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, _stop)
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        except ValueError:
            self._before.clear()  # not the main thread: whoever owns the process handles signals
        return self

    def ignore(self) -> None:
        """From now on nothing interrupts: half-undone is worse than either."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _stop(number: int, _: Optional[FrameType]) -> None:
    raise Stopped(f"ended by {signal.Signals(number).name}")
