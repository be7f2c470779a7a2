"""Ctrl-C as a wish, not as an exception in the middle of something."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_interrupt(first: Callable[[], None], again: Callable[[], None]) -> Iterator[None]:
    """Within this, Ctrl-C calls *first*, and every further one *again*.

    Only the main thread hears signals; in any other, nothing changes.
    """
    presses = 0

    def pressed(_signal: int, _frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        (first if presses == 1 else again)()

    try:
        before = signal.signal(signal.SIGINT, pressed)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
