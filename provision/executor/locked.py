"""Work on an environment: one at a time, written down, and the lock freed in every ending."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from provision.connectors.protocols import Clock
from provision.executor.interrupts import on_interrupt
from provision.executor.journal import Journal, first_line
from provision.executor.lock_store import LockStore
from provision.executor.outcome import Outcome
from provision.planning.journal import Ending, Errand, Run, Who


@dataclass(slots=True)
class Work:
    """What is done under one hold of the lock: its journal, and what came of each Plan.

    ``buried`` is the run of a dead holder whose lock was taken over; ``returned`` says that what
    went wrong was taken back.
    """

    journal: Journal
    buried: Run | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    returned: bool = False


@contextmanager
def locked(
    store: LockStore,
    clock: Clock,
    *,
    who: Who,
    what: Errand,
    token: str,
    planned_at: int | None = None,
) -> Iterator[Work]:
    """Hold the lock. Leaving frees it and writes how it ended, by the outcomes or the exception.

    Raises LockHeld and PlanError as :meth:`LockStore.take` does, nothing being changed.
    """
    taken = store.take(who=who, what=what, token=token, planned_at=planned_at)
    journal = Journal(store, taken, clock)
    work = Work(journal, taken.buried)
    try:
        journal.start()
        yield work
    except KeyboardInterrupt:
        _close(work, Ending.INTERRUPTED, None)
        raise
    except BaseException as error:
        _close(work, Ending.FAILED, first_line(error))
        raise
    _close(work, *verdict(work.outcomes))


def verdict(outcomes: list[Outcome]) -> tuple[Ending, str | None]:
    """How a run ended, and the first error if it did not end well."""
    if any(outcome.interrupted for outcome in outcomes):
        return Ending.INTERRUPTED, None
    errors = [host.error for one in outcomes for host in one.hosts if host.error is not None]
    if all(outcome.ok for outcome in outcomes):
        return Ending.DONE, None
    return Ending.FAILED, first_line(errors[0]) if errors else None


def _close(work: Work, ending: Ending, error: str | None) -> None:
    """Ctrl-C does not keep the lock from being freed; a second one does."""
    as_before = ending is not Ending.DONE and (work.returned or work.journal.untouched)
    with on_interrupt(lambda: None, _give_up):
        work.journal.close(ending, error, returned=as_before)


def _give_up() -> None:
    raise KeyboardInterrupt
