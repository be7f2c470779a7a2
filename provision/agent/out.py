"""Which engines of a host get nothing new: an empty file each, at which its front looks.

The front looks with every request (``nginx.conf``), so what is written here holds at once, without
a reload, and whether the agent runs or not. Hosts with several engines have such files, and those
that may ask the gateway instead: the agent is told by ``leaves_out``.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Collection, FrozenSet, Iterator


class Out:
    """The files of this host. The agent and the operator's commands write them in turns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def indexes(self) -> FrozenSet[int]:
        """The engines that are left out now."""
        if not self._folder.is_dir():
            return frozenset()
        names = (path.name for path in self._folder.iterdir())
        return frozenset(int(name) for name in names if name.isdigit())

    def update(self, wanted: Callable[[FrozenSet[int]], Collection[int]]) -> None:
        """Leave out what *wanted* says, given what is left out now; nobody writes meanwhile."""
        with self._alone():
            now = self.indexes()
            then = frozenset(wanted(now))
            for index in then - now:
                (self._folder / str(index)).touch()
            for index in now - then:
                (self._folder / str(index)).unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = self._folder.with_name(f"{self._folder.name}.lock")
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
