"""One apply at a time on a host: operator, boot and agent take turns."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from provision.agent.errors import Busy
from provision.agent.events import Clock, Events

_STEP_S = 2.0


@contextmanager
def held(path: Path, clock: Clock, events: Events, *, wait_s: float) -> Iterator[None]:
    """Hold the lock; wait up to *wait_s* for whoever has it. Raises Busy.

    The kernel lets go of it when the holder dies, however it dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, clock, events, wait_s)
        yield
    finally:
        os.close(handle)


def _take(handle: int, clock: Clock, events: Events, wait_s: float) -> None:
    deadline = clock.monotonic() + wait_s
    said = False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() >= deadline:
                raise Busy(
                    "another apply or boot runs on this host",
                    hint="wait for it (fab status shows it), or end its process",
                ) from None
            if not said:
                events.emit("waiting", reason="another apply or boot runs on this host")
                said = True
            clock.sleep(_STEP_S)
        else:
            return
