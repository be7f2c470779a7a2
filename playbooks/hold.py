"""Holding the environment's lock while a task changes something."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from playbooks.frame import progress
from playbooks.session import Session
from provision.errors import FleetError

if TYPE_CHECKING:
    from provision.planning.journal import Who
    from provision.planning.lock import Seen
    from provision.planning.plan import Plan


def glance(session: Session) -> Future[Seen]:
    """Read the lock on the side, before a task looks at what it plans by: nothing waits for it."""
    from provision.executor.lock_store import LockStore

    store = LockStore(session.cloud)
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(store.look)
    finally:
        pool.shutdown(wait=False)


def tell_who_works(before: Future[Seen]) -> None:
    """Name whoever holds the lock, so that nobody is asked first and refused then."""
    from provision.planning.lock import State

    with suppress(FleetError):  # who only looks at a plan needs no right to see the lock
        seen = before.result()
        if seen.lock is not None and seen.state is State.HELD:
            run = seen.lock.run
            progress(f"{run.who} is at work: {run.what.purpose}, since {run.begun}")


@contextmanager
def holding(session: Session, plan: Plan, *, task: str, before: Future[Seen]) -> Iterator[None]:
    """Hold the lock, and write down what is carried out meanwhile; freed in every ending.

    Raises LockHeld when somebody else works on the environment, PlanError when somebody did since
    *before*: nothing was changed then.
    """
    import secrets

    from provision.executor.lock_store import LockStore
    from provision.executor.locked import locked
    from provision.planning.journal import errand
    from provision.report.history import ending

    with locked(
        LockStore(session.cloud),
        session.clock,
        who=caller(session),
        what=errand(task, plan),
        token=secrets.token_hex(8),
        planned_at=before.result().settled_epoch,
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

    from provision.planning.journal import Who

    name = f"{_user()}@{socket.gethostname().partition('.')[0]}"
    return Who(name, session.cloud.identity())


def _user() -> str:
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container under a number that has no name
        return f"uid-{os.getuid()}"
