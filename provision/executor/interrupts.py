"""Ctrl-C, and what ends a CI job or a terminal: a wish, not an exception amid something."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_WISHES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def on_interrupt(first: Callable[[], None], again: Callable[[], None]) -> Iterator[None]:
    """Within this, Ctrl-C calls *first*, and every further one *again*; so do SIGTERM and SIGHUP.

    Only the main thread hears signals; in any other, nothing changes.
    """
    presses = 0

    def pressed(_signal: int, _frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        (first if presses == 1 else again)()

    try:
        before = {number: signal.signal(number, pressed) for number in _WISHES}
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
