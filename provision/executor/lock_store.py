"""The lock and the records of past runs in the environment's bucket."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from provision.connectors.protocols import Cloud, Written
from provision.errors import CloudError, Conflict, Refused
from provision.planning import journal, lock
from provision.planning.journal import Ending, Errand, Run, Who
from provision.planning.lock import HISTORY, LOCK, Lock, Seen, State
from provision.planning.resume import broke_off, tells

_ATTEMPTS = 10
_READS_AT_ONCE = 8
_LOOK_BACK = 20  # runs


@dataclass(frozen=True, slots=True)
class Taken:
    """A lock that is ours, the ETag of its document, and the server's clock when it was taken.

    ``buried`` is the run of a dead holder that was closed on the way.
    """

    lock: Lock
    etag: str
    at: float
    buried: Run | None = None


@dataclass(frozen=True, slots=True)
class LockStore:
    """The lock of one environment.

    It changes in three ways only, each one conditional write: taken (epoch + 1), written on by its
    holder, closed by its holder or, when that is dead, by another. A closed run never changes
    again, so its record can be copied into the history by whoever comes next. *gone* says of a
    holder whether it is known to have ended (see :mod:`provision.connectors.process`).
    """

    cloud: Cloud
    gone: Callable[[Who], bool] = lambda _: False

    @property
    def environment(self) -> str:
        """Whose lock it is."""
        return self.cloud.outputs().environment

    def look(self) -> Seen:
        """The lock as it is now. Raises FleetError when the document is something else."""
        found = self.cloud.get_stamped(LOCK)
        if found.data is None:
            return Seen(at=found.read_at)
        written_at = found.read_at if found.written_at is None else found.written_at
        there = lock.parse(found.data)
        return Seen(
            there,
            found.etag,
            idle_s=max(0.0, found.read_at - written_at),
            at=found.read_at,
            gone=there.run.open and self.gone(there.run.who),
        )

    def unfinished(self, seen: Seen) -> Run | None:
        """The last rollout, when it broke off and nobody finished it or took it back.

        Runs may have come after it that were no rollouts (`fab setup`), or left all as it was.
        """
        if seen.lock is None or seen.state is State.HELD:
            return None
        now = seen.lock
        last = lock.died(now, seen, by=None).run if seen.state is State.EXPIRED else now.run
        decides = last if tells(last) else self._last_that_tells(before=last.epoch)
        return decides if decides is not None and broke_off(decides) else None

    def _last_that_tells(self, *, before: int) -> Run | None:
        keys = {lock.epoch_of(key): key for key in self.cloud.list_objects(HISTORY)}
        for epoch in sorted((e for e in keys if e < before), reverse=True)[:_LOOK_BACK]:
            text = self.cloud.get_object(keys[epoch])
            run = None if text is None else journal.parse_record(text, key=keys[epoch])
            if run is not None and tells(run):
                return run
        return None

    def take(self, *, who: Who, what: Errand, token: str, planned_at: int | None = None) -> Taken:
        """Take the lock; a dead holder's run is closed first, and its record kept.

        *token* is a text that nobody used before. Raises LockHeld when somebody works, PlanError
        when somebody did since *planned_at* (see :func:`provision.planning.lock.refuse_moved`).
        """
        try:
            return self._take(who=who, what=what, token=token, planned_at=planned_at)
        except BaseException:
            # Ctrl-C, or an answer that never came: did our write arrive?
            with suppress(CloudError):
                seen = self.look()
                if seen.lock and seen.lock.token == token and seen.state is not State.FREE:
                    text = "given up while it took the lock"
                    end = lock.closed(
                        seen.lock, Ending.INTERRUPTED, at=seen.at, error=text, by=None
                    )
                    self.write(end, seen.etag)
            raise

    def _take(self, *, who: Who, what: Errand, token: str, planned_at: int | None) -> Taken:
        buried = None
        for _ in range(_ATTEMPTS):
            seen = self.look()
            lock.refuse_held(seen, environment=self.environment)
            try:
                if seen.lock is not None and seen.state is State.EXPIRED:
                    dead = lock.died(seen.lock, seen, by=who)
                    self.write(dead, seen.etag)
                    buried = dead.run
                    continue
                lock.refuse_moved(seen, planned_at=planned_at)
                epoch = 1 + self._last_epoch(seen)
                mine = lock.begun(epoch=epoch, who=who, what=what, token=token, at=seen.at)
                written = self.write(mine, seen.etag)
            except Conflict:
                continue  # somebody was quicker: look again
            return Taken(mine, written.etag, written.at, buried)
        raise Refused(
            "too many ask for the lock at once; nothing was changed",
            hint="run the same command again",
        )

    def _last_epoch(self, seen: Seen) -> int:
        """The last run's epoch, its record being in the history; 0 when there was none."""
        if seen.lock is None:
            keys = self.cloud.list_objects(HISTORY)  # the document may have been deleted
            return max(map(lock.epoch_of, keys), default=0)
        self.archive(seen.lock.run)
        return seen.lock.epoch

    def write(self, new: Lock, etag: str | None) -> Written:
        """Replace the version *etag*. Raises Conflict when there is another.

        A write that arrived although its answer got lost counts as done.
        """
        text = new.to_json()
        try:
            return self.cloud.put_if(LOCK, text, etag=etag)
        except Conflict:
            found = self.cloud.get_stamped(LOCK)
            if found.data == text and found.etag is not None:
                return Written(found.etag, found.read_at)
            raise

    def archive(self, run: Run) -> None:
        """Copy the record of a closed run into the history; one that is there stays."""
        with suppress(Conflict):
            self.cloud.put_if(lock.history_key(run.epoch), journal.record(run), etag=None)

    def break_open(self, seen: Seen, *, by: Who) -> Run:
        """Close the open run of *seen*; its record as it is now, also when it ended by itself.

        Raises Refused when another run holds the lock by now.
        """
        for _ in range(_ATTEMPTS):
            now = self.look()
            if now.lock is None or seen.lock is None or now.lock.token != seen.lock.token:
                raise Refused(
                    "the lock is another one's by now; it was left alone",
                    hint=f"`fab lock.status --env {self.environment}`",
                )
            if not now.lock.run.open:
                return now.lock.run
            broken = lock.closed(now.lock, Ending.BROKEN, at=now.at, error=None, by=by)
            with suppress(Conflict):
                self.write(broken, now.etag)
                self.archive(broken.run)
                return broken.run
        raise Refused("its holder writes without a pause", hint="run the same command again")

    def history(self, last: int) -> tuple[Run, ...]:
        """The last runs, newest first, also one that runs now; a dead one is told as dead."""
        seen = self.look()
        now = seen.lock
        if now is not None and seen.state is State.EXPIRED:
            now = lock.died(now, seen, by=None)
        runs = {} if now is None else {now.epoch: now.run}
        keys = {lock.epoch_of(key): key for key in self.cloud.list_objects(HISTORY)}
        missing = sorted(keys.keys() - runs.keys() - {0}, reverse=True)[:last]
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            found = pool.map(self.cloud.get_object, [keys[epoch] for epoch in missing])
            for epoch, text in zip(missing, found, strict=True):
                if text is not None:
                    runs[epoch] = journal.parse_record(text, key=keys[epoch])
        return tuple(runs[epoch] for epoch in sorted(runs, reverse=True)[:last])
