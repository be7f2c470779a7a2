"""Writing down what is done, before and after, under the lock that it keeps alive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import NoReturn, TypeVar

from provision.connectors.protocols import Clock
from provision.errors import CloudError, Conflict, FleetError, LockLost
from provision.executor.lock_store import LockStore, Taken
from provision.planning import lock
from provision.planning.journal import Ending, Entry, stamp
from provision.planning.lock import RENEW_S, TTL_S

T = TypeVar("T")
Say = Callable[[str], None]

GATHER_S = 0.2
RETRY_S = 2.0
GIVE_UP_S = 300.0  # no step begins unwritten: so long S3 may be away before the run ends
_CLOSING_S = 30.0


class Journal:
    """The record of one run, and its hold on the lock. Safe from many threads.

    No step begins before its entry stands in S3, under a condition that only the lock's holder can
    meet. Entries of threads that wait are written together. A thread of its own renews the lock
    between steps; it ends with :meth:`close`, and with the process.
    """

    def __init__(self, store: LockStore, taken: Taken, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._lock, self._etag = taken.lock, taken.etag
        self._entries: list[Entry] = []
        self._made = self._written = 0  # changes of the entries
        self._state = threading.Condition()
        self._pen_taken = False  # one writes at a time
        self._lost: LockLost | None = None
        self._taken_away = False
        self._away_since: float | None = None
        self._stopped: Callable[[], bool] = lambda: False
        self._tell_lost: Callable[[LockLost], None] = lambda _: None
        self._say: Say = lambda _: None
        self._hear(taken.at)
        self._closing, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lock", daemon=True)

    @property
    def lost(self) -> LockLost | None:
        """Why the lock is not ours any more, None while it is."""
        return self._lost

    @property
    def untouched(self) -> bool:
        """No step was begun."""
        return not self._entries

    @property
    def epoch(self) -> int:
        """The run's number."""
        return self._lock.epoch

    def attend(
        self, *, stopped: Callable[[], bool], lost: Callable[[LockLost], None], say: Say
    ) -> None:
        """Tell whoever carries the Plan out: *lost* is called, once, when no step may begin."""
        self._stopped, self._tell_lost, self._say = stopped, lost, say

    def around(
        self, wave: str, host: str, step: str, act: Callable[[], T], *, action: str = ""
    ) -> T:
        """Write that the step begins, do it, write how it ended. *action* is the kind of the step.

        Raises LockLost, the step not being begun, when the lock is another's; what *act* raises.
        """
        number = self.begin(wave, host, step, action=action)
        try:
            result = act()
        except Exception as error:
            self.end(number, failed=first_line(error))
            raise
        self.end(number)
        return result

    def begin(self, wave: str, host: str, step: str, *, action: str = "") -> int:
        """Write that a step begins, and its number. When this returns the entry stands in S3."""
        with self._state:
            self._entries.append(Entry(wave, host, step, self._now(), action=action))
            number = len(self._entries) - 1
            self._made += 1
            made = self._made
        try:
            self._write(made)
        except FleetError:
            self.end(number, failed="was never begun: it could not be written down")
            raise
        return number

    def end(self, number: int, *, failed: str | None = None) -> None:
        """Note how a step ended; it is written in a moment, but nobody waits for it."""
        with self._state:
            entry = self._entries[number]
            self._entries[number] = replace(entry, ended=self._now(), failed=failed)
            self._made += 1
        self._wake.set()

    def confirm(self) -> None:
        """Make sure that the lock is still ours, before what no host can refuse: calls of AWS.

        S3 is asked when it was not heard of lately, for then another may have taken over. Raises
        LockLost.
        """
        if self._lost:
            raise self._lost
        if self._clock.monotonic() - self._heard_at < RENEW_S:
            return
        with self._state:
            self._made += 1
            made = self._made
        self._write(made)

    def start(self) -> None:
        """Begin to keep the lock alive."""
        self._thread.start()

    def renew(self) -> None:
        """Write what is not written yet; without such, renew the lock when it is due."""
        with self._pen():
            due = self._clock.monotonic() - self._heard_at >= RENEW_S
            if self._lost or (not due and self._written == self._made):
                return
            with suppress(LockLost):  # the executor was told, and the next step will be
                try:
                    self._put()
                except CloudError as error:
                    self._complain(error)

    def close(self, ending: Ending, error: str | None = None, *, returned: bool = False) -> None:
        """Free the lock and say how it ended. A lock that is not ours any more is left alone.

        *returned*: it did not end well, and everything is as it was before. When S3 does not
        answer, the lock frees itself later; nothing is raised.
        """
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._pen():
            until = self._clock.monotonic() + _CLOSING_S
            while not self._taken_away:
                try:
                    self._put(ending, error, returned=returned)
                except LockLost:
                    return
                except CloudError as trouble:
                    if self._clock.monotonic() >= until:
                        self._say(f"the lock frees itself in {TTL_S:.0f} s: {first_line(trouble)}")
                        return
                    self._clock.sleep(RETRY_S)
                else:
                    with suppress(CloudError):  # it stands in the lock, too
                        self._store.archive(self._lock.run)
                    return

    def _beat(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(RENEW_S if self._away_since is None else RETRY_S)
            if not self._closing.wait(GATHER_S):  # the next step's begin may take the end along
                self._wake.clear()
                self.renew()

    def _write(self, made: int) -> None:
        while not self._written_by_another(made):
            try:
                self._put()
            except CloudError as error:
                if self._stopped():
                    raise
                self._complain(error)
                self._clock.sleep(RETRY_S)
            finally:
                self._lay_pen_down()

    def _written_by_another(self, made: int) -> bool:
        """Wait for whoever writes now; without True the pen is ours."""
        with self._state:
            self._state.wait_for(
                lambda: not self._pen_taken or self._written >= made or self._lost is not None
            )
            if self._written >= made:
                return True
            if self._lost:
                raise self._lost
            self._pen_taken = True
            return False

    @contextmanager
    def _pen(self) -> Iterator[None]:
        with self._state:
            self._state.wait_for(lambda: not self._pen_taken)
            self._pen_taken = True
        try:
            yield
        finally:
            self._lay_pen_down()

    def _lay_pen_down(self) -> None:
        with self._state:
            self._pen_taken = False
            self._state.notify_all()

    def _put(
        self, ending: Ending | None = None, error: str | None = None, *, returned: bool = False
    ) -> None:
        """Write all there is. Raises LockLost, or CloudError when it may help to try again."""
        with self._state:
            entries, made = tuple(self._entries), self._made
        new = replace(self._lock, run=replace(self._lock.run, entries=entries))
        new = (
            lock.closed(new, ending, at=self._time(), error=error, by=None, returned=returned)
            if ending
            else replace(new, beat=new.beat + 1)
        )
        try:
            written = self._store.write(new, self._etag)
        except Conflict:
            before = self._etag
            self._look_again()
            if self._etag == before:
                raise  # S3 could not decide: nobody wrote
            if self._lock.run.open:
                self._put(ending, error, returned=returned)
            return
        self._lock, self._etag, self._written = new, written.etag, made
        self._hear(written.at)

    def _look_again(self) -> None:
        """After a conflict: is it a write of our own whose answer got lost, or is the lock lost?"""
        try:
            seen = self._store.look()
        except CloudError:
            raise
        except FleetError as error:
            self._taken_away = True
            self._lose(LockLost(error.message, hint=error.hint))
        found = seen.lock
        if found is None or found.token != self._lock.token or found.run.closed_by:
            self._taken_away = True
            self._lose(lock.lost(self._lock, found))
        self._lock, self._etag = found, seen.etag or ""

    def _complain(self, error: CloudError) -> None:
        """Say once that S3 is away; give up when it is away for too long."""
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since = now
            self._say(f"S3 does not take the journal, trying again: {first_line(error)}")
        away = now - self._away_since
        if away > GIVE_UP_S:
            text = f"S3 did not take the journal for {away:.0f} s: {error.message}"
            self._lose(LockLost(text, hint=error.hint))

    def _lose(self, why: LockLost) -> NoReturn:
        if self._lost is None:
            self._lost = why
            self._tell_lost(why)
        raise self._lost

    def _hear(self, server_time: float) -> None:
        self._server_time, self._heard_at = server_time, self._clock.monotonic()
        self._away_since = None

    def _time(self) -> float:
        """The server's clock, as far as it is known here."""
        return self._server_time + self._clock.monotonic() - self._heard_at

    def _now(self) -> str:
        return stamp(self._time())


def first_line(error: BaseException) -> str:
    """The first line of what went wrong."""
    text = error.message if isinstance(error, FleetError) else f"{type(error).__name__}: {error}"
    return text.splitlines()[0] if text else type(error).__name__
