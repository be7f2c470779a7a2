"""Holding the environment's lock while a task changes something."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playbooks.frame import progress
from playbooks.session import Session
from provision.errors import FleetError

if TYPE_CHECKING:
    from provision.executor.lock_store import LockStore
    from provision.planning.journal import Run, Who
    from provision.planning.lock import Seen
    from provision.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Glance:
    """The lock, and the last rollout if it broke off, before a task looks at what it plans by."""

    seen: Seen
    unfinished: Run | None = None

    @property
    def left_held(self) -> tuple[str, ...]:
        """Processes of the Auto Scaling group that the unfinished rollout suspended."""
        intent = self.unfinished.what.intent if self.unfinished else None
        return intent.held if intent else ()


def store_of(session: Session) -> LockStore:
    """The environment's lock, which knows of runs that ended on this machine."""
    from provision.connectors.process import is_gone
    from provision.executor.lock_store import LockStore

    return LockStore(session.cloud, gone=lambda who: is_gone(who.process))


def glance(session: Session) -> Future[Glance]:
    """Read the lock on the side, while a task looks at other things."""
    store = store_of(session)

    def look() -> Glance:
        seen = store.look()
        return Glance(seen, store.unfinished(seen))

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(look)
    finally:
        pool.shutdown(wait=False)


def left_held(before: Future[Glance]) -> tuple[str, ...]:
    """What an unfinished rollout left suspended; nothing for who has no right to see the lock."""
    with suppress(FleetError):
        return before.result().left_held
    return ()


def tell_who_works(before: Future[Glance]) -> None:
    """Name whoever holds the lock, so that nobody is asked first and refused then; and what they
    left, if they are gone."""
    from provision.planning.lock import State

    with suppress(FleetError):  # who only looks at a plan needs no right to see the lock
        seen, unfinished = before.result().seen, before.result().unfinished
        if seen.lock is not None and seen.state is State.HELD:
            run = seen.lock.run
            progress(f"{run.who} is at work: {run.what.purpose}, since {run.begun}")
        if unfinished is not None:
            progress(
                f"note: {unfinished.what.purpose} (epoch {unfinished.epoch}, {unfinished.who})"
                " broke off: `fab deploy --resume` goes on with it, `--abort` takes it back"
            )


@contextmanager
def holding(session: Session, plan: Plan, *, task: str, before: Future[Glance]) -> Iterator[None]:
    """Hold the lock, and write down what is carried out meanwhile; freed in every ending.

    Raises LockHeld when somebody else works on the environment, PlanError when somebody did since
    *before*: nothing was changed then.
    """
    import secrets

    from provision.executor.locked import locked
    from provision.planning.journal import errand
    from provision.report.history import ending

    with locked(
        store_of(session),
        session.clock,
        who=caller(session),
        what=errand(task, plan),
        token=secrets.token_hex(8),
        planned_at=before.result().seen.settled_epoch,
    ) as work:
        if work.buried is not None:
            dead = work.buried
            progress(f"taking over from {dead.who}: {dead.what.purpose}: {ending(dead)}")
        session.work = work
        try:
            yield
        finally:
            session.work = None


def caller(session: Session) -> Who:
    """Who types, and where."""
    import socket

    from provision.connectors.process import mine
    from provision.planning.journal import Who

    name = f"{_user()}@{socket.gethostname().partition('.')[0]}"
    return Who(name, session.cloud.identity(), mine())


def _user() -> str:
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container under a number that has no name
        return f"uid-{os.getuid()}"
