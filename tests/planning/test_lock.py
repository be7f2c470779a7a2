"""Who may change an environment, decided from what the server showed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from provision.errors import FleetError, LockHeld, PlanError
from provision.planning import lock
from provision.planning.journal import Ending, Errand, Who
from provision.planning.lock import LOCK, Lock, Seen, State

ANNA = Who("anna@laptop", "arn:aws:iam::123456789012:user/anna")
BOB = Who("bob@desk", "arn:aws:sts::123456789012:assumed-role/Ops/bob")
DEPLOY = Errand("deploy", "deploy r-2 (mistral-7b) to prod", before=("r-1",), release="r-2")
AT = 1_800_000_000.0  # 2027-01-15T08:00:00+00:00
HELD = lock.begun(epoch=7, who=ANNA, what=DEPLOY, token="a1", at=AT)


def seen(found: Lock | None = HELD, *, idle_s: float = 4.0) -> Seen:
    return Seen(found, '"etag"', idle_s=idle_s, at=AT + 100.0)


@pytest.mark.parametrize(
    ("found", "idle_s", "state", "frees_in_s", "settled"),
    [
        (None, 0.0, State.FREE, 0.0, 0),
        (HELD, 0.0, State.HELD, 60.0, 6),
        (HELD, 60.0, State.HELD, 0.0, 6),
        (HELD, 61.0, State.EXPIRED, 0.0, 7),
        (replace(HELD, ttl_s=300.0), 61.0, State.HELD, 239.0, 6),
        (lock.closed(HELD, Ending.DONE, at=AT, error=None, by=None), 4.0, State.FREE, 0.0, 7),
        (lock.closed(HELD, Ending.DONE, at=AT, error=None, by=None), 9e9, State.FREE, 0.0, 7),
    ],
)
def test_what_can_be_said_of_a_lock(
    found: Lock | None, idle_s: float, state: State, frees_in_s: float, settled: int
) -> None:
    """Open and heard of is held; open and silent for longer than it promised is expired."""
    now = seen(found, idle_s=idle_s)
    assert (now.state, now.frees_in_s, now.settled_epoch) == (state, frees_in_s, settled)


def test_the_one_who_is_refused_hears_everything() -> None:
    """Who, for what, since when, when it frees itself, and what to type; exit code 3."""
    with pytest.raises(LockHeld) as held:
        lock.refuse_held(seen(), environment="prod")
    assert str(held.value) == (
        "anna@laptop (user/anna) works on prod: deploy r-2 (mistral-7b) to prod, since"
        " 2027-01-15T08:00:00+00:00 (heard of 4 s ago); nothing was changed\n"
        "  next: `fab lock.status --env prod` shows how far it is. If it is dead, the lock frees"
        " itself in 56 s; `fab lock.break --env prod` ends it now"
    )
    assert held.value.exit_code == 3


def test_a_holder_that_is_known_to_have_ended() -> None:
    """Its lock is anybody's at once, and its run says why."""
    now = Seen(HELD, '"1"', idle_s=3.0, at=1000.0, gone=True)
    assert (now.state, now.frees_in_s) == (State.EXPIRED, 0.0)
    assert lock.died(HELD, now, by=None).run.error == "its process ended"


def test_nobody_is_refused_for_a_dead_or_a_free_lock() -> None:
    """Neither stands in the way."""
    lock.refuse_held(seen(idle_s=61.0), environment="prod")
    lock.refuse_held(seen(None), environment="prod")


@pytest.mark.parametrize(
    ("found", "planned_at", "stale"),
    [
        (None, None, False),
        (None, 0, False),
        (HELD, None, False),
        (lock.died(HELD, seen(idle_s=90.0), by=BOB), 7, False),  # it was dead when it was planned
        (lock.died(HELD, seen(idle_s=90.0), by=BOB), 6, True),  # it was at work then
        (lock.closed(HELD, Ending.DONE, at=AT, error=None, by=None), 0, True),
    ],
)
def test_a_plan_is_stale_when_a_run_lay_between(
    found: Lock | None, planned_at: int | None, stale: bool
) -> None:
    """The settled epoch of then and now must be the same."""
    if not stale:
        lock.refuse_moved(seen(found), planned_at=planned_at)
        return
    with pytest.raises(PlanError, match=r"anna@laptop \(user/anna\) worked on the environment"):
        lock.refuse_moved(seen(found), planned_at=planned_at)


def test_a_dead_run_ended_when_it_was_last_heard_of() -> None:
    """Not when somebody noticed; and it says who did."""
    run = lock.died(HELD, seen(idle_s=90.0), by=BOB).run
    assert (run.ended, run.ending) == ("2027-01-15T08:00:10+00:00", Ending.DIED)
    assert (run.error, run.closed_by) == (
        "not heard of for 90 s",
        "bob@desk (assumed-role/Ops/bob)",
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, f"the lock is gone: {LOCK} was deleted"),
        (
            lock.closed(HELD, Ending.BROKEN, at=AT, error=None, by=BOB),
            "bob@desk (assumed-role/Ops/bob) broke the lock at 2027-01-15T08:00:00+00:00",
        ),
        (
            lock.died(HELD, seen(idle_s=90.0), by=BOB),
            "this run was not heard of for too long (since 2027-01-15T08:00:10+00:00), and"
            " bob@desk (assumed-role/Ops/bob) closed it",
        ),
        (
            lock.begun(epoch=8, who=BOB, what=DEPLOY, token="b1", at=AT),
            "bob@desk (assumed-role/Ops/bob) holds epoch 8 now, this run has epoch 7: deploy r-2"
            " (mistral-7b) to prod, since 2027-01-15T08:00:00+00:00",
        ),
    ],
)
def test_the_one_who_lost_it_hears_to_whom(found: Lock | None, said: str) -> None:
    """Deleted, broken, closed as dead, or a newer epoch."""
    why = lock.lost(HELD, found)
    assert why.message == said
    assert "run the" in why.hint


def test_every_version_of_the_document_is_another_text() -> None:
    """An ETag is a digest of the text: two writes with one text could not be told apart."""
    closed = lock.closed(HELD, Ending.DONE, at=AT, error=None, by=None)
    again = lock.begun(epoch=7, who=ANNA, what=DEPLOY, token="a2", at=AT)
    texts = [one.to_json() for one in (HELD, replace(HELD, beat=1), closed, again)]
    assert len(set(texts)) == len(texts)


def test_a_document_reads_back_as_itself() -> None:
    """Whatever state it is in."""
    for one in (HELD, lock.died(HELD, seen(idle_s=61.0), by=BOB)):
        assert lock.parse(one.to_json()) == one


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"format": 1, "run": {}}'])
def test_a_document_that_is_no_lock(text: bytes) -> None:
    """Named, with where to find what it was before."""
    with pytest.raises(FleetError, match=r"rollouts/lock\.json is not a lock") as broken:
        lock.parse(text)
    assert "older versions" in broken.value.hint


def test_a_document_of_another_format() -> None:
    """It is left to whoever understands it."""
    text = json.dumps({**json.loads(HELD.to_json()), "format": 3}).encode()
    with pytest.raises(FleetError, match=r"another llm-fleet \(format 3\)"):
        lock.parse(text)


def test_keys_of_the_history_sort_as_epochs_do() -> None:
    """And lead back to them; other names are no epochs."""
    keys = [lock.history_key(epoch) for epoch in (1, 9, 10, 123_456)]
    assert keys == sorted(keys)
    assert [lock.epoch_of(key) for key in keys] == [1, 9, 10, 123_456]
    assert lock.epoch_of(f"{lock.HISTORY}README") == 0
