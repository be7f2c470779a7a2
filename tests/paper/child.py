"""A real process that rolls over a fleet behind HTTP, and is killed where it is told to.

It has what an operator's process has: the real journal with its thread, S3 behind HTTP, and its end
is ``kill -9``.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

import pytest
from invoke.exceptions import Exit

from playbooks.session import Session
from provision.config.environment import AwsSettings
from provision.connectors.aws import AwsCloud
from provision.connectors.protocols import Cloud, Stamped, Written
from provision.executor import locked
from provision.executor.journal import Journal
from provision.executor.lock_store import LockStore
from provision.planning.lock import FOLDER, Lock
from provision.testing import samples
from tests.paper.desk import TASKS
from tests.paper.server import Far, FarShell

T = TypeVar("T")
Kill = tuple[int, str]  # a step's number, and begun, done or ended; or 0 and a word on the lock
NEVER: Kill = (-1, "")


def die() -> None:
    """As the kernel does it: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Journal):
    """Dies at its place. The end of each step is written at once."""

    kill: Kill = NEVER
    _steps = 0

    def around(
        self, wave: str, host: str, step: str, act: Callable[[], T], *, action: str = ""
    ) -> T:
        """Die after the entry stands, after the effect, or after the end stands."""
        self._steps += 1
        number = self._steps

        def then() -> T:
            self._at(number, "begun")
            value = act()
            self._at(number, "done")
            return value

        value = super().around(wave, host, step, then, action=action)
        self.renew()
        self._at(number, "ended")
        return value

    def start(self) -> None:
        """Die with the lock, before anything is done."""
        self._at(0, "taken")
        super().start()

    def close(self, *arguments: Any, **options: Any) -> None:
        """Die with all done, and the lock not freed."""
        self._at(0, "closing")
        super().close(*arguments, **options)

    def _at(self, number: int, what: str) -> None:
        if self.kill == (number, what):
            die()


class MortalStore(LockStore):
    """Dies in the middle of taking and freeing the lock."""

    def write(self, new: Lock, etag: str | None) -> Written:
        """Die before or after the write that takes or closes."""
        written = super().write(new, etag)
        if Mortal.kill == (0, "took") and new.run.open and not new.run.entries:
            die()
        if Mortal.kill == (0, "closed") and not new.run.open:
            die()
        return written


class TwoBuckets(Far):
    """Implements Cloud: what belongs to the lock lies in S3, all else in the world's account."""

    def __init__(self, address: tuple[str, int], process: str, s3: str) -> None:
        super().__init__(address, process, "cloud")
        aws = AwsSettings(endpoint_url=s3)
        self._s3 = AwsCloud(replace(samples.environment(), aws=aws))

    def get_stamped(self, key: str) -> Stamped:
        """From S3."""
        return self._s3.get_stamped(key)

    def put_if(self, key: str, data: bytes, *, etag: str | None) -> Written:
        """To S3."""
        return self._s3.put_if(key, data, etag=etag)

    def get_object(self, key: str) -> Any:
        """From where it lies."""
        of_the_lock = key.startswith(FOLDER)
        return self._s3.get_object(key) if of_the_lock else self.ask("get_object", key)

    def list_objects(self, prefix: str) -> Any:
        """From where they lie."""
        of_the_lock = prefix.startswith(FOLDER)
        return self._s3.list_objects(prefix) if of_the_lock else self.ask("list_objects", prefix)


def main(
    address: tuple[str, int],
    s3: str,
    task: str,
    flags: dict[str, Any],
    kill: Kill,
    environment: Any,
) -> None:
    """Type *task* with *flags*; die at *kill*. The exit code is the task's."""
    name = f"process {os.getpid()}"
    Mortal.kill = kill
    session = Session(
        environment,
        "test",
        cast(Cloud, TwoBuckets(address, name, s3)),
        cast(Any, FarShell(address, name, "shell")),
        cast(Any, Far(address, name, "http")),
        cast(Any, Far(address, name, "clock")),
    )
    sys.stdout = sys.stderr = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "open", classmethod(lambda cls, env: session))
        patch.setattr(locked, "Journal", Mortal)
        patch.setattr("provision.executor.lock_store.LockStore", MortalStore)
        try:
            cast(Any, TASKS[task]).body(None, **{"yes": True, **flags})
        except Exit as ended:
            sys.__stderr__.write(sys.stderr.getvalue()[-2000:])  # type: ignore[union-attr]
            os._exit(int(ended.code or 0))
