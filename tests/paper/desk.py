"""People at their desks: they type tasks, which are the real ones, over a paper world."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from invoke.exceptions import Exit

from playbooks import hold
from playbooks.deploy import deploy
from playbooks.rollback import rollback
from playbooks.rolling_restart import rolling_restart
from playbooks.session import Session
from provision.connectors.protocols import Cloud
from provision.executor import actions, executor, gather, locked, stale, target
from provision.executor.journal import Journal
from provision.executor.lock_store import LockStore
from provision.planning.journal import Who
from provision.render.release import render_release
from tests.paper.doors import CloudDoor, PaperClock, PaperHttp, Process, Room
from tests.paper.shell import PaperShell

TASKS = {"restart": rolling_restart, "deploy": deploy, "rollback": rollback}
_HERE = threading.local()  # who types in this thread
_RENDERED: dict[str, Any] = {}


class PromptJournal(Journal):
    """A journal whose heartbeat comes at once after each step, and at no other time.

    So the end of each step is a write of its own, at a place that is the same in each run. (That
    the holder is heard of in between is the paper account's business.)
    """

    def start(self) -> None:
        """Nothing by itself."""

    def end(self, number: int, *, failed: str | None = None) -> None:
        """Note it, and write it."""
        super().end(number, failed=failed)
        self.renew()


@dataclass(frozen=True)
class Said:
    """How a task ended, and what it printed."""

    code: int
    text: str = field(repr=False)


@dataclass
class Desk:
    """A machine with a person. Each task that is typed is a process of its own."""

    room: Room
    person: str = "anna"
    machine: str = "laptop"
    skew_s: float = 0.0

    def process(self, **options: Any) -> Process:
        """The next process."""
        name = self.room.world.process_id(self.machine)
        return Process(self.room, name, self.person, self.machine, **options)

    def fab(self, task: str, *, process: Process | None = None, **flags: Any) -> Said:
        """Type ``fab TASK --yes`` and wait for its end. Raises Killed when it is killed."""
        mine = process or self.process()
        said = io.StringIO()
        code = 0
        with _here(self._session(mine), said):
            try:
                cast(Any, TASKS[task]).body(None, **{"yes": True, **flags})
            except Exit as ended:
                code = int(ended.code or 0)
        mine.kill()  # it has ended
        return Said(code, said.getvalue())

    def _session(self, process: Process) -> Session:
        return Session(
            process.world.environment,
            "test, named by --env",
            cast(Cloud, CloudDoor(process)),
            PaperShell(process),
            PaperHttp(process),
            PaperClock(process, self.skew_s),
        )


@contextlib.contextmanager
def _here(session: Session, said: io.StringIO) -> Iterator[None]:
    """Let the tasks of this thread act with *session*, and say what they say there."""
    for name in ("stdout", "stderr"):  # pytest sets them anew between a fixture and its test
        if not isinstance(getattr(sys, name), _Mouth):
            setattr(sys, name, _Mouth(getattr(sys, name)))
    before = getattr(_HERE, "session", None), getattr(_HERE, "said", None)
    _HERE.session, _HERE.said = session, said
    try:
        yield
    finally:
        _HERE.session, _HERE.said = before


class _Mouth(io.TextIOBase):
    """Standard output, or error, of many people in one process. Progress of hosts side by side,
    from threads that nobody types in, is not kept."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def write(self, text: str) -> int:
        """To whoever types in this thread."""
        said = getattr(_HERE, "said", None)
        if said is not None:
            said.write(text)
        elif threading.current_thread() is threading.main_thread():
            self.real.write(text)
        return len(text)


@contextlib.contextmanager
def desks() -> Iterator[None]:
    """Let every task of this process act on the paper world of whoever types it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "open", classmethod(lambda cls, env: _HERE.session))
        patch.setattr(hold, "caller", _caller)
        patch.setattr(hold, "store_of", _store_of)
        patch.setattr(locked, "Journal", PromptJournal)
        patch.setattr(target, "render_release", _render_once)
        for module in (actions, executor, gather, stale, hold):
            patch.setattr(module, "ThreadPoolExecutor", OneAfterTheOther)
        patch.setattr(executor, "wait", all_done)
        try:
            yield
        finally:
            for name in ("stdout", "stderr"):
                there = getattr(sys, name)
                setattr(sys, name, there.real if isinstance(there, _Mouth) else there)


def _render_once(environment: Any, **options: Any) -> Any:
    """It costs as much as a whole rollout on paper."""
    key = repr((environment, options))
    if key not in _RENDERED:
        _RENDERED[key] = render_release(environment, **options)
    return _RENDERED[key]


class OneAfterTheOther(ThreadPoolExecutor):
    """Questions that are asked side by side change nothing: here they need no threads."""

    def __init__(self, most: int) -> None:
        """However many."""

    def submit(self, ask: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        """Its answer, or what it raised."""
        answer: Future[Any] = Future()
        try:
            answer.set_result(ask(*arguments, **options))
        except BaseException as error:  # as a pool's thread does
            answer.set_exception(error)
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing runs."""


def all_done(futures: Iterable[Future[Any]], timeout: float) -> Any:
    """``concurrent.futures.wait`` for those that were asked one after the other."""
    return wait(futures)


def _process_of(session: Session) -> Process:
    return cast(PaperClock, session.clock).process


def _caller(session: Session) -> Who:
    process = _process_of(session)
    return Who(f"{process.person}@{process.machine}", session.cloud.identity(), process.id)


def _store_of(session: Session) -> LockStore:
    """A machine knows which of its own processes have ended."""
    process = _process_of(session)

    def gone(who: Who) -> bool:
        mine = who.process.partition("/")[0] == process.machine
        return mine and who.process not in process.world.alive

    return LockStore(session.cloud, gone=gone)
