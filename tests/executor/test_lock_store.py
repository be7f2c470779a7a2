"""The lock in the bucket: taken by one, given up by the dead, never by the clock of a laptop."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from provision.connectors.protocols import Written
from provision.errors import CloudError, LockHeld, PlanError, Refused
from provision.executor.lock_store import LockStore
from provision.planning import journal, lock
from provision.planning.journal import Ending, Entry, Errand, Run
from provision.planning.lock import HISTORY, LOCK, State
from tests.executor.lock_room import (
    ANNA,
    BOB,
    DEPLOY,
    ROLLOUT,
    Bucket,
    answer_lost,
    away,
    once,
    take,
)


def history(bucket: Bucket) -> list[tuple[int, str, Ending | None]]:
    return [(run.epoch, run.who.name, run.ending) for run in LockStore(bucket).history(20)]


def close(bucket: Bucket, ending: Ending = Ending.DONE) -> None:
    """What a holder does in the end, short of the copy in the history."""
    store = LockStore(bucket)
    seen = store.look()
    assert seen.lock is not None
    store.write(lock.closed(seen.lock, ending, at=seen.at, error=None, by=None), seen.etag)


def test_the_first_one_ever_gets_epoch_one() -> None:
    """By the server's clock; the document stands in the bucket."""
    bucket = Bucket()
    taken = take(bucket)
    assert (taken.lock.epoch, taken.lock.run.begun) == (1, "2027-01-15T08:00:00+00:00")
    assert lock.parse(bucket.objects[LOCK]) == taken.lock


def test_a_second_one_is_refused_and_changes_nothing() -> None:
    """With who it is; the holder's document stays as it was."""
    bucket = Bucket()
    take(bucket)
    before = dict(bucket.objects)
    with pytest.raises(LockHeld, match=r"anna@laptop \(user/anna\) works on test: deploy r-2"):
        take(bucket, BOB, token="b1")
    assert bucket.objects == before


def test_the_next_one_gets_the_next_epoch() -> None:
    """And files the record of the one before."""
    bucket = Bucket()
    take(bucket)
    close(bucket)
    assert take(bucket, BOB, token="b1").lock.epoch == 2
    assert list(bucket.objects) == [LOCK, f"{HISTORY}0000000001.json"]
    assert history(bucket) == [(2, "bob@desk", None), (1, "anna@laptop", Ending.DONE)]


def test_a_dead_holder_is_closed_by_the_next_one() -> None:
    """A minute after the server last heard of it, not a second earlier."""
    bucket = Bucket()
    take(bucket)
    bucket.server_time += 60
    with pytest.raises(LockHeld, match="frees itself in 0 s"):
        take(bucket, BOB, token="b1")
    bucket.server_time += 1
    assert take(bucket, BOB, token="b2").lock.epoch == 2
    (_, dead) = LockStore(bucket).history(20)
    assert (dead.ending, dead.closed_by) == (Ending.DIED, "bob@desk (user/bob)")
    assert dead.ended == dead.begun  # it was never heard of again


def test_two_who_take_it_in_the_same_moment() -> None:
    """Both saw it free; one write arrives first, the other one finds it held."""
    bucket = Bucket()
    take(bucket)
    close(bucket)

    def overtaken(_key: str, write: Callable[[], Written]) -> Written:
        take(bucket, BOB, token="b1")
        return write()

    def trouble(key: str, write: Callable[[], Written]) -> Written:
        if key == LOCK:
            bucket.trouble = None
            return overtaken(key, write)
        return write()

    bucket.trouble = trouble
    with pytest.raises(LockHeld, match="bob@desk"):
        take(bucket, ANNA, token="a2")
    assert history(bucket)[0] == (2, "bob@desk", None)


def test_many_at_once() -> None:
    """Of twenty threads exactly one gets it."""
    bucket, barrier = Bucket(), threading.Barrier(20)
    got: list[int] = []
    refused: list[Refused] = []

    def one(number: int) -> None:
        barrier.wait()
        try:
            got.append(take(bucket, token=str(number)).lock.epoch)
        except Refused as error:
            refused.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [1]
    assert len(refused) == 19


def test_two_who_bury_the_same_dead() -> None:
    """The later one finds it buried and goes on; there is one record, and one new holder."""
    bucket = Bucket()
    take(bucket)
    bucket.server_time += 61

    def overtaken(_key: str, write: Callable[[], Written]) -> Written:
        take(bucket, BOB, token="b1")
        return write()

    once(overtaken, bucket)
    with pytest.raises(LockHeld, match="bob@desk"):
        take(bucket, ANNA, token="a2")
    assert history(bucket) == [(2, "bob@desk", None), (1, "anna@laptop", Ending.DIED)]


def test_a_write_whose_answer_got_lost_is_no_conflict() -> None:
    """boto3 tries again, S3 says that the version is another: it is our own."""
    bucket = Bucket()

    def twice(_key: str, write: Callable[[], Written]) -> Written:
        write()
        return write()

    once(twice, bucket)
    taken = take(bucket)
    assert taken.lock.epoch == 1
    assert lock.parse(bucket.objects[LOCK]) == taken.lock


@pytest.mark.parametrize("how", [CloudError("timeout"), KeyboardInterrupt()])
def test_giving_up_while_taking_leaves_no_lock(how: BaseException) -> None:
    """Nobody knows whether the write arrived: it is looked for, and taken back."""
    bucket = Bucket()

    def cut(_key: str, write: Callable[[], Written]) -> Written:
        write()
        raise how

    once(cut, bucket)
    with pytest.raises(type(how)):
        take(bucket)
    assert LockStore(bucket).look().state is State.FREE
    assert history(bucket) == [(1, "anna@laptop", Ending.INTERRUPTED)]


def test_giving_up_does_not_touch_the_lock_of_another() -> None:
    """Being refused is not giving up."""
    bucket = Bucket()
    take(bucket)
    with pytest.raises(LockHeld):
        take(bucket, BOB, token="b1")
    assert LockStore(bucket).look().state is State.HELD


def test_epochs_survive_a_deleted_document() -> None:
    """Somebody removed it by hand: the history still counts."""
    bucket = Bucket()
    for token in ("a1", "a2", "a3"):
        take(bucket, token=token)
        close(bucket)
    take(bucket, token="a4")
    del bucket.objects[LOCK]
    assert take(bucket, token="a5").lock.epoch == 4  # the highest that was filed is 3


@pytest.mark.parametrize(("planned_at", "stale"), [(None, False), (1, False), (0, True)])
def test_a_plan_that_was_overtaken(planned_at: int | None, stale: bool) -> None:
    """Somebody worked on the environment since it was made: nothing is taken."""
    bucket = Bucket()
    take(bucket, BOB, token="b1")
    close(bucket)
    before = dict(bucket.objects)
    if not stale:
        assert take(bucket, at=planned_at).lock.epoch == 2
        return
    with pytest.raises(PlanError, match="the plan is stale: bob@desk"):
        take(bucket, at=planned_at)
    assert bucket.objects == before


class TestBreak:
    def test_the_run_ends_and_says_by_whom(self) -> None:
        """The lock is free at once, and the record is in the history."""
        bucket = Bucket()
        take(bucket)
        store = LockStore(bucket)
        run = store.break_open(store.look(), by=BOB)
        assert (run.ending, run.closed_by) == (Ending.BROKEN, "bob@desk (user/bob)")
        assert store.look().state is State.FREE
        assert f"{HISTORY}0000000001.json" in bucket.objects

    def test_a_holder_that_writes_meanwhile(self) -> None:
        """The question takes longer than a heartbeat: it is the run that is broken, not a text."""
        bucket = Bucket()
        taken = take(bucket)
        store = LockStore(bucket)
        seen = store.look()
        store.write(replace(taken.lock, beat=1), taken.etag)
        assert store.break_open(seen, by=BOB).ending is Ending.BROKEN

    def test_a_run_that_ended_by_itself(self) -> None:
        """It is left as it ended."""
        bucket = Bucket()
        take(bucket)
        store = LockStore(bucket)
        seen = store.look()
        close(bucket, Ending.FAILED)
        assert store.break_open(seen, by=BOB).ending is Ending.FAILED

    def test_another_run(self) -> None:
        """Whoever was shown is gone, and the next one is not broken in its place."""
        bucket = Bucket()
        take(bucket)
        store = LockStore(bucket)
        seen = store.look()
        close(bucket)
        take(bucket, BOB, token="b1")
        with pytest.raises(Refused, match="another one's by now"):
            store.break_open(seen, by=ANNA)
        assert store.look().state is State.HELD


class TestHistory:
    def test_the_last_ones_newest_first(self) -> None:
        """As many as asked for, read from the history and the lock."""
        bucket = Bucket()
        for number in range(12):
            take(bucket, token=f"a{number}")
            close(bucket)
        assert [run.epoch for run in LockStore(bucket).history(3)] == [12, 11, 10]
        assert len(LockStore(bucket).history(20)) == 12

    def test_a_dead_run_is_told_as_dead_before_anybody_closed_it(self) -> None:
        """Looking changes nothing."""
        bucket = Bucket()
        take(bucket)
        bucket.server_time += 3600
        before = dict(bucket.objects)
        (run,) = LockStore(bucket).history(20)
        assert (run.ending, run.error, run.closed_by) == (
            Ending.DIED,
            "not heard of for 3600 s",
            None,
        )
        assert bucket.objects == before

    def test_a_record_is_never_written_over(self) -> None:
        """Whoever files it again leaves the first one."""
        bucket = Bucket()
        run: Run = take(bucket).lock.run
        store = LockStore(bucket)
        store.archive(replace(run, ending=Ending.DONE))
        store.archive(replace(run, ending=Ending.FAILED))
        (key,) = [key for key in bucket.objects if key != LOCK]
        said = journal.parse_record(bucket.objects[key], key=key)
        assert said.ending is Ending.DONE

    def test_nothing_yet(self) -> None:
        """An empty bucket has an empty history."""
        assert LockStore(Bucket()).history(20) == ()


@pytest.mark.parametrize("how", [away, answer_lost])
def test_a_take_that_s3_does_not_answer(how: Callable[..., Written]) -> None:
    """The error is S3's own, and no lock is left."""
    bucket = Bucket()
    once(how, bucket)
    with pytest.raises(CloudError):
        take(bucket)
    assert LockStore(bucket).look().state is State.FREE


def test_the_document_is_plain_json() -> None:
    """Anybody can read it with any tool."""
    bucket = Bucket()
    take(bucket)
    said = json.loads(bucket.objects[LOCK])
    assert said["run"]["who"] == {"name": ANNA.name, "identity": ANNA.identity, "process": ""}
    assert said["run"]["entries"] == []


STEP = Entry("w", "i-1", "start r-2", "t", "t")
GOING_ON = replace(ROLLOUT, intent=ROLLOUT.intent and ROLLOUT.intent.resumed("2027-01-15T08:00:00"))


class TestUnfinished:
    def store(self, *, gone: bool = False) -> tuple[Bucket, LockStore]:
        bucket = Bucket()
        return bucket, LockStore(bucket, gone=lambda _: gone)

    def ends(
        self,
        bucket: Bucket,
        what: Errand,
        ending: Ending,
        *,
        returned: bool = False,
        entries: tuple[Entry, ...] = (),
    ) -> None:
        """A run that took the lock, and ended so."""
        store = LockStore(bucket)
        seen = store.look()
        taken = store.take(who=ANNA, what=what, token=f"t{seen.etag}")
        end = lock.closed(taken.lock, ending, at=taken.at, error=None, by=None, returned=returned)
        end = replace(end, run=replace(end.run, entries=entries))
        store.write(end, taken.etag)
        store.archive(end.run)

    def test_a_rollout_that_died(self) -> None:
        """Known as soon as its lock ran out, or its process is known to have ended."""
        bucket, store = self.store()
        take(bucket, what=ROLLOUT)
        assert store.unfinished(store.look()) is None
        bucket.server_time += 61
        found = store.unfinished(store.look())
        assert found is not None
        assert (found.ending, found.what.intent) == (Ending.DIED, ROLLOUT.intent)

    def test_its_process_ended_on_this_machine(self) -> None:
        """Nobody waits for the minute to pass; the lock is taken over at once."""
        bucket, store = self.store(gone=True)
        take(bucket, what=ROLLOUT)
        assert store.unfinished(store.look()) is not None
        taken = store.take(who=BOB, what=DEPLOY, token="b1")
        assert taken.buried is not None
        assert (taken.lock.epoch, taken.buried.error) == (2, "its process ended")

    def test_other_work_since_then_does_not_hide_it(self) -> None:
        """A setup is no rollout."""
        bucket, store = self.store()
        self.ends(bucket, ROLLOUT, Ending.FAILED)
        self.ends(bucket, DEPLOY, Ending.DONE)
        self.ends(bucket, DEPLOY, Ending.FAILED)
        found = store.unfinished(store.look())
        assert found is not None
        assert found.epoch == 1

    def test_what_was_finished_or_taken_back_is_none(self) -> None:
        """Nor what nobody ever began."""
        bucket, store = self.store()
        assert store.unfinished(store.look()) is None
        self.ends(bucket, ROLLOUT, Ending.FAILED)
        self.ends(bucket, ROLLOUT, Ending.DONE)
        assert store.unfinished(store.look()) is None
        self.ends(bucket, ROLLOUT, Ending.INTERRUPTED, returned=True)
        assert store.unfinished(store.look()) is None

    def test_a_run_that_left_all_as_it_was_does_not_hide_it(self) -> None:
        """One whose plan was stale, one that could not be carried out and was taken back."""
        bucket, store = self.store()
        self.ends(bucket, ROLLOUT, Ending.DIED)
        self.ends(bucket, GOING_ON, Ending.FAILED, returned=True)
        self.ends(bucket, ROLLOUT, Ending.FAILED, returned=True, entries=(STEP,))
        found = store.unfinished(store.look())
        assert found is not None
        assert found.epoch == 1

    def test_who_went_on_with_it_and_took_it_back_settled_it(self) -> None:
        """Then all is as it was before the first of them."""
        bucket, store = self.store()
        self.ends(bucket, ROLLOUT, Ending.DIED)
        self.ends(bucket, GOING_ON, Ending.FAILED, returned=True, entries=(STEP,))
        assert store.unfinished(store.look()) is None

    def test_the_intent_comes_back_as_it_was(self) -> None:
        """Through the document in the bucket."""
        bucket, store = self.store()
        take(bucket, what=ROLLOUT)
        found = store.look().lock
        assert found is not None
        assert found.run.what == ROLLOUT
