"""No step begins unwritten, and none once the lock is another's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from provision.connectors.protocols import Written
from provision.errors import CloudError, Conflict, HostError, LockLost
from provision.executor.journal import GIVE_UP_S, Journal
from provision.executor.lock_store import LockStore
from provision.planning import journal as record
from provision.planning import lock
from provision.planning.journal import Ending, Entry, Run
from provision.planning.lock import LOCK, RENEW_S, State
from tests.executor.lock_room import BOB, Bucket, Laptop, answer_lost, away, once, take

STAMP = "2027-01-15T08:00:00+00:00"


class Writer:
    """A journal whose thread is not started, so that a test decides when it writes."""

    def __init__(self, bucket: Bucket | None = None, token: str = "a1") -> None:
        self.bucket, self.clock = bucket or Bucket(), Laptop()
        self.journal = Journal(LockStore(self.bucket), take(self.bucket, token=token), self.clock)
        self.lost: list[LockLost] = []
        self.said: list[str] = []
        self.stopped = False
        self.journal.attend(
            stopped=lambda: self.stopped, lost=self.lost.append, say=self.said.append
        )

    def pass_time(self, seconds: float) -> None:
        """Here and at the server."""
        self.clock.sleep(seconds)
        self.bucket.server_time += seconds

    @property
    def run(self) -> Run:
        """What S3 holds."""
        return lock.parse(self.bucket.objects[LOCK]).run


@contextmanager
def no_writes(bucket: Bucket) -> Iterator[None]:
    """Whoever writes a lock meanwhile fails the test."""
    before = bucket.objects[LOCK]
    yield
    assert bucket.objects[LOCK] == before


class TestConfirm:
    """Before what no host can refuse."""

    def test_nobody_asks_when_s3_was_just_heard(self) -> None:
        """A lock that was renewed a moment ago is nobody else's."""
        writer = Writer()
        writer.pass_time(RENEW_S - 1)
        with no_writes(writer.bucket):
            writer.journal.confirm()

    def test_one_that_slept_and_was_replaced(self) -> None:
        """It finds out before it acts."""
        writer = Writer()
        writer.pass_time(400.0)
        take(writer.bucket, BOB, token="b1")
        with pytest.raises(LockLost, match=r"bob@desk .* holds epoch 2 now, this run has epoch 1"):
            writer.journal.confirm()
        with pytest.raises(LockLost):
            writer.journal.confirm()

    def test_one_that_slept_and_nobody_came(self) -> None:
        """The lock is renewed, and it goes on."""
        writer = Writer()
        writer.pass_time(400.0)
        writer.journal.confirm()
        assert writer.run.open
        with no_writes(writer.bucket):
            writer.journal.confirm()

    def test_s3_is_away(self) -> None:
        """Then it waits until it knows, as before each step."""
        writer = Writer()
        writer.pass_time(RENEW_S)
        once(away, writer.bucket)
        writer.journal.confirm()
        assert writer.said[0].startswith("S3 does not take the journal, trying again")


class TestSteps:
    def test_the_entry_stands_before_the_step_begins(self) -> None:
        """And says afterwards that it was done."""
        writer = Writer()
        during: list[tuple[Entry, ...]] = []
        result = writer.journal.around(
            "start", "i-1", "start r-2", lambda: during.append(writer.run.entries) or 5
        )
        assert result == 5
        assert during == [(Entry("start", "i-1", "start r-2", STAMP),)]
        writer.journal.renew()
        assert writer.run.entries == (Entry("start", "i-1", "start r-2", STAMP, STAMP),)

    def test_a_step_that_fails(self) -> None:
        """The first line of its error is written; the error itself goes on."""
        writer = Writer()

        def fail() -> None:
            raise HostError("i-1", "engine exited\n | OOM")

        with pytest.raises(HostError):
            writer.journal.around("start", "i-1", "start r-2", fail)
        writer.journal.renew()
        assert writer.run.entries[0].failed == "i-1: engine exited"

    def test_times_are_the_servers(self) -> None:
        """The laptop's wall clock is never read; its seconds count from the last answer on."""
        writer = Writer()
        writer.pass_time(90)
        number = writer.journal.begin("start", "i-1", "start r-2")
        writer.pass_time(10)
        writer.journal.end(number)
        writer.journal.renew()
        (entry,) = writer.run.entries
        assert (entry.begun, entry.ended) == (
            "2027-01-15T08:01:30+00:00",
            "2027-01-15T08:01:40+00:00",
        )

    def test_many_threads_write_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever waits while one writes goes out with the next write: far fewer than entries."""
        writer, gate, at_the_door = Writer(), threading.Event(), threading.Semaphore(0)
        writes, walk_in = 0, Journal._write

        def come(journal: Journal, made: int) -> None:
            at_the_door.release()
            walk_in(journal, made)

        def slow(_key: str, write: Callable[[], Written]) -> Written:
            nonlocal writes
            writes += 1
            if writes == 1:
                assert gate.wait(10)
            return write()

        monkeypatch.setattr(Journal, "_write", come)
        writer.bucket.trouble = slow
        threads = [
            threading.Thread(target=writer.journal.begin, args=("start", f"i-{number}", "start"))
            for number in range(50)
        ]
        for thread in threads:
            thread.start()
        assert all(at_the_door.acquire(timeout=10) for _ in threads)
        gate.set()
        for thread in threads:
            thread.join()
        assert len(writer.run.entries) == 50
        assert writes == 2


class TestRenewal:
    def test_it_is_written_when_it_is_due(self) -> None:
        """Not before, and then with the same content."""
        writer = Writer()
        writer.pass_time(RENEW_S - 1)
        with no_writes(writer.bucket):
            writer.journal.renew()
        writer.pass_time(1)
        writer.journal.renew()
        assert LockStore(writer.bucket).look().idle_s == 0

    def test_an_hour_of_waiting_keeps_the_lock(self) -> None:
        """As long as somebody renews it, nobody gets it."""
        writer = Writer()
        for _ in range(240):
            writer.pass_time(RENEW_S)
            writer.journal.renew()
            assert LockStore(writer.bucket).look().state is State.HELD

    def test_a_thread_does_it_and_ends_with_the_run(self) -> None:
        """What is noted goes out without anybody waiting; after close nothing is left running."""
        writer, written = Writer(), threading.Event()

        def tell(_key: str, write: Callable[[], Written]) -> Written:
            done = write()
            if lock.parse(writer.bucket.objects[LOCK]).run.entries[0].ended:
                written.set()
            return done

        number = writer.journal.begin("start", "i-1", "start")
        writer.bucket.trouble = tell
        before = threading.active_count()
        writer.journal.start()
        assert threading.active_count() == before + 1
        writer.journal.end(number)
        assert written.wait(10)
        writer.journal.close(Ending.DONE)
        assert threading.active_count() == before
        assert not any(thread.name == "lock" for thread in threading.enumerate())


class TestLoss:
    def test_a_laptop_that_slept_past_its_lock(self) -> None:
        """Somebody took it meanwhile: its next step does not begin, nothing is written over."""
        writer = Writer()
        done: list[str] = []
        writer.journal.around("start", "i-1", "one", lambda: done.append("one"))
        writer.bucket.server_time += 8 * 3600  # its own clock stood still: it was closed
        take(writer.bucket, BOB, token="b1")
        with no_writes(writer.bucket), pytest.raises(LockLost, match=r"bob@desk .* holds epoch 2"):
            writer.journal.around("start", "i-1", "two", lambda: done.append("two"))
        assert done == ["one"]
        assert len(writer.lost) == 1
        with no_writes(writer.bucket):
            writer.journal.renew()
            writer.journal.close(Ending.DONE)

    def test_it_is_noticed_without_a_step(self) -> None:
        """The next renewal finds it, and the executor is told."""
        writer = Writer()
        writer.pass_time(61)
        take(writer.bucket, BOB, token="b1")
        writer.journal.renew()
        assert [type(why) for why in writer.lost] == [LockLost]
        assert writer.journal.lost is writer.lost[0]

    def test_a_laptop_that_slept_and_nobody_came(self) -> None:
        """Its lock had run out, but is still its own: it goes on."""
        writer = Writer()
        writer.bucket.server_time += 8 * 3600
        writer.journal.around("start", "i-1", "one", lambda: None)
        assert LockStore(writer.bucket).look().state is State.HELD
        assert not writer.lost

    def test_somebody_came_and_went(self) -> None:
        """The lock is free, but the epoch is newer: what was planned may not hold any more."""
        writer = Writer()
        writer.bucket.server_time += 61
        other = Writer(writer.bucket, token="b1")
        other.journal.close(Ending.DONE)
        with pytest.raises(LockLost, match="holds epoch 2"):
            writer.journal.begin("start", "i-1", "one")

    def test_it_was_broken(self) -> None:
        """With the name of who did it."""
        writer = Writer()
        store = LockStore(writer.bucket)
        store.break_open(store.look(), by=BOB)
        with pytest.raises(LockLost, match=r"bob@desk \(user/bob\) broke the lock"):
            writer.journal.begin("start", "i-1", "one")

    def test_it_was_deleted(self) -> None:
        """Nobody knows who may come next: stop."""
        writer = Writer()
        del writer.bucket.objects[LOCK]
        with pytest.raises(LockLost, match="was deleted"):
            writer.journal.begin("start", "i-1", "one")
        writer.journal.close(Ending.DONE)
        assert LOCK not in writer.bucket.objects

    def test_it_was_overwritten_with_something_else(self) -> None:
        """That is no lock of ours, either."""
        writer = Writer()
        writer.bucket.objects[LOCK] = b"hello"
        with pytest.raises(LockLost, match="is not a lock"):
            writer.journal.begin("start", "i-1", "one")

    def test_every_thread_hears_it_and_the_executor_once(self) -> None:
        """After the first, nobody asks S3 any more."""
        writer = Writer()
        writer.pass_time(61)
        take(writer.bucket, BOB, token="b1")
        for _ in range(3):
            with pytest.raises(LockLost):
                writer.journal.begin("start", "i-1", "one")
        assert len(writer.lost) == 1


class TestS3Away:
    def test_a_step_waits_until_it_can_be_written(self) -> None:
        """Said once; then the step begins."""
        writer, failures = Writer(), 5

        def trouble(key: str, write: Callable[[], Written]) -> Written:
            nonlocal failures
            failures -= 1
            return away(key, write) if failures >= 0 else write()

        writer.bucket.trouble = trouble
        writer.journal.around("start", "i-1", "one", lambda: None)
        assert len(writer.run.entries) == 1
        assert writer.said == [
            "S3 does not take the journal, trying again: s3:put_object on s3://b/k failed:"
            " 503 SlowDown"
        ]

    def test_it_is_given_up_in_the_end(self) -> None:
        """Five minutes without a word from S3: the step was never begun, the run is over."""
        writer, done = Writer(), []
        writer.bucket.trouble = away
        with pytest.raises(LockLost, match=r"did not take the journal for 30\d s: s3:put_object"):
            writer.journal.around("start", "i-1", "one", lambda: done.append("one"))
        assert not done
        assert GIVE_UP_S < writer.clock.monotonic() - 1_700_000_000 < GIVE_UP_S + 10
        assert len(writer.lost) == 1

    def test_a_first_failure_after_a_long_silence(self) -> None:
        """The process stood still for an hour: S3 is away since now, not since then."""
        writer = Writer()
        writer.clock.sleep(3600)
        once(away, writer.bucket)
        writer.journal.around("start", "i-1", "one", lambda: None)
        assert not writer.lost

    def test_it_comes_back_after_it_was_given_up(self) -> None:
        """The run is over, but the lock is still its own: it is freed."""
        writer = Writer()
        writer.bucket.trouble = away
        with pytest.raises(LockLost):
            writer.journal.begin("start", "i-1", "one")
        writer.bucket.trouble = None
        writer.journal.close(Ending.FAILED, "S3 was away")
        assert LockStore(writer.bucket).look().state is State.FREE

    def test_ctrl_c_ends_the_waiting(self) -> None:
        """The step fails with what S3 said; the lock can still be freed when it is back."""
        writer = Writer()
        writer.stopped = True
        once(away, writer.bucket)
        with pytest.raises(CloudError, match="SlowDown"):
            writer.journal.begin("start", "i-1", "one")
        writer.journal.close(Ending.INTERRUPTED)
        assert writer.run.ending is Ending.INTERRUPTED
        (entry,) = writer.run.entries
        assert entry.failed == "was never begun: it could not be written down"

    def test_an_answer_that_got_lost(self) -> None:
        """The write arrived: the next one finds its own and goes on from there."""
        writer = Writer()
        once(answer_lost, writer.bucket)
        for step in ("one", "two"):
            writer.journal.around("start", "i-1", step, lambda: None)
        assert [entry.step for entry in writer.run.entries] == ["one", "two"]
        assert not writer.lost

    def test_s3_that_can_not_decide(self) -> None:
        """409 although nobody wrote: the same version is tried again."""
        writer = Writer()

        def undecided(_key: str, _write: Callable[[], Written]) -> Written:
            raise Conflict("ConditionalRequestConflict")

        once(undecided, writer.bucket)
        writer.journal.around("start", "i-1", "one", lambda: None)
        assert len(writer.run.entries) == 1
        assert not writer.lost


class TestClose:
    @pytest.mark.parametrize("ending", [Ending.DONE, Ending.FAILED, Ending.INTERRUPTED])
    def test_it_frees_the_lock_and_files_the_record(self, ending: Ending) -> None:
        """With how it ended, and all entries."""
        writer = Writer()
        writer.journal.around("start", "i-1", "one", lambda: None)
        writer.pass_time(5)
        writer.journal.close(ending, "why")
        assert LockStore(writer.bucket).look().state is State.FREE
        text = writer.bucket.objects[lock.history_key(1)]
        assert record.parse_record(text, key="k") == writer.run
        assert (writer.run.ending, writer.run.error) == (ending, "why")
        assert writer.run.ended == "2027-01-15T08:00:05+00:00"
        assert not writer.run.unfinished

    def test_s3_comes_back_in_time(self) -> None:
        """It is tried again for a while."""
        writer = Writer()
        once(away, writer.bucket)
        writer.journal.close(Ending.DONE)
        assert writer.run.ending is Ending.DONE

    def test_s3_does_not_come_back(self) -> None:
        """Nothing is raised: the work is done, and the lock frees itself."""
        writer = Writer()
        writer.bucket.trouble = away
        writer.journal.close(Ending.DONE)
        assert writer.said[-1].startswith("the lock frees itself in 60 s: s3:put_object")
        writer.bucket.server_time += 61
        assert LockStore(writer.bucket).look().state is State.EXPIRED

    def test_the_answer_to_the_last_write_got_lost(self) -> None:
        """It is found to be our own: nobody is told that the lock was lost."""
        writer = Writer()
        once(answer_lost, writer.bucket)
        writer.journal.close(Ending.DONE)
        assert (writer.run.ending, writer.lost) == (Ending.DONE, [])
        assert lock.history_key(1) in writer.bucket.objects

    def test_the_record_can_be_filed_later(self) -> None:
        """A kill between the two writes loses nothing: the next one files it."""
        writer = Writer()

        def not_the_history(key: str, write: Callable[[], Written]) -> Written:
            return write() if key == LOCK else away(key, write)

        writer.bucket.trouble = not_the_history
        writer.journal.close(Ending.DONE)
        assert lock.history_key(1) not in writer.bucket.objects
        writer.bucket.trouble = None
        take(writer.bucket, BOB, token="b1")
        assert lock.history_key(1) in writer.bucket.objects
