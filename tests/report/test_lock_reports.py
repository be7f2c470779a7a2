"""What ``fab lock.status`` and ``fab history`` print, compared as a whole."""

from __future__ import annotations

from dataclasses import replace

from provision.planning import lock
from provision.planning.journal import Ending, Entry, Errand, Run, Who, stamp
from provision.planning.lock import Lock, Seen
from provision.report import history
from provision.report import lock as report

AT = 1_800_000_000.0
ANNA = Who("anna@laptop", "arn:aws:iam::123456789012:user/anna")
BOB = Who("bob@desk", "arn:aws:sts::123456789012:assumed-role/Ops/bob")
DEPLOY = Errand("deploy", "deploy r-2 (mistral-7b) to prod", before=("r-1",), release="r-2")
ENTRIES = (
    Entry("publish and upload", "", "publish r-2", stamp(AT + 1), stamp(AT + 2)),
    Entry("start", "i-1", "start r-2", stamp(AT + 30), stamp(AT + 60)),
    Entry("start", "i-1", "wait until ready", stamp(AT + 60)),
    Entry("start", "i-2", "start r-2", stamp(AT + 31)),
)
RUN = Run(8, ANNA, DEPLOY, begun=stamp(AT), entries=ENTRIES)


def seen(run: Run = RUN, *, idle_s: float = 4.0) -> Seen:
    return Seen(Lock(run, "a1"), '"etag"', idle_s=idle_s, at=AT + 123)


def status(found: Seen) -> list[str]:
    return report.text(found, environment="prod").splitlines()


def test_a_lock_that_is_held() -> None:
    """By whom, for what, since when, how far it is, what would end it."""
    assert status(seen()) == [
        "held by anna@laptop (user/anna), epoch 8",
        "  for       deploy r-2 (mistral-7b) to prod",
        "  since     2027-01-15T08:00:00+00:00 (2 min 3 s)",
        "  heard of  4.0 s ago; if it is dead, the lock frees itself in 56.0 s",
        "  now       i-1: wait until ready (since 2027-01-15T08:01:00+00:00)",
        "            i-2: start r-2 (since 2027-01-15T08:00:31+00:00)",
        "  to end it fab lock.break --env prod",
    ]


def test_a_lock_whose_holder_died() -> None:
    """It is free, and what it was doing may be half done."""
    assert status(seen(idle_s=61.0)) == [
        "free: anna@laptop (user/anna) died, epoch 8",
        "  for       deploy r-2 (mistral-7b) to prod",
        "  since     2027-01-15T08:00:00+00:00 (2 min 3 s)",
        "  heard of  1 min 1 s ago: whoever changes something next closes its run",
        "  half done i-1: wait until ready (since 2027-01-15T08:01:00+00:00)",
        "            i-2: start r-2 (since 2027-01-15T08:00:31+00:00)",
    ]


def test_a_lock_that_is_free() -> None:
    """With what the last one did with it."""
    done = lock.closed(seen().lock or Lock(RUN, "a1"), Ending.DONE, at=AT, error=None, by=None)
    assert status(seen(replace(done.run, entries=()))) == [
        "free",
        "  last      deploy r-2 (mistral-7b) to prod",
        "  by        anna@laptop (user/anna), epoch 8, 2027-01-15T08:00:00+00:00",
        "  ended     done",
    ]


def test_many_hosts_at_once() -> None:
    """Five are named, the others counted."""
    many = tuple(Entry("start", f"i-{number}", "start r-2", stamp(AT)) for number in range(9))
    assert status(seen(replace(RUN, entries=many)))[-2] == "            and 4 more"


def test_the_history() -> None:
    """One line a run: when, who, what, from where to where, how long, how it ended and why."""
    finished = replace(RUN, entries=ENTRIES[:2], ended=stamp(AT + 200), ending=Ending.DONE)
    failed = replace(finished, ending=Ending.FAILED, error="i-2: engine exited")
    runs = [
        replace(RUN, epoch=12, what=replace(DEPLOY, before=("r-1", "r-2"))),
        replace(failed, epoch=11, what=Errand("setup", "set up 2 host(s) of prod")),
        replace(
            failed, epoch=10, ending=Ending.BROKEN, error=None, closed_by=str(BOB), entries=ENTRIES
        ),
        lock.died(Lock(replace(RUN, epoch=9), "a1"), seen(idle_s=61.0), by=BOB).run,
        replace(failed, epoch=8, who=BOB),
        replace(finished, epoch=7),
    ]
    assert history.text(runs).splitlines() == [
        "epoch  when (UTC)           who          task    from      to   hosts        took  ended",
        "   12  2027-01-15 08:00:00  anna@laptop  deploy  r-1, r-2  r-2      2              still"
        " runs",
        "   11  2027-01-15 08:00:00  anna@laptop  setup   -         -        1  3 min 20 s  failed:"
        " i-2: engine exited",
        "   10  2027-01-15 08:00:00  anna@laptop  deploy  r-1       r-2      2  3 min 20 s  broken"
        " by bob@desk (assumed-role/Ops/bob): half done: i-1: wait until ready, i-2: start r-2",
        "    9  2027-01-15 08:00:00  anna@laptop  deploy  r-1       r-2      2   1 min 2 s  died:"
        " not heard of for 61 s; half done: i-1: wait until ready, i-2: start r-2",
        "    8  2027-01-15 08:00:00  bob@desk     deploy  r-1       r-2      1  3 min 20 s  failed:"
        " i-2: engine exited",
        "    7  2027-01-15 08:00:00  anna@laptop  deploy  r-1       r-2      1  3 min 20 s  done",
    ]


def test_json_has_every_step() -> None:
    """As it stands in the bucket."""
    (run,) = history.document([RUN])
    assert run["entries"][2] == {
        "wave": "start",
        "host": "i-1",
        "step": "wait until ready",
        "begun": "2027-01-15T08:01:00+00:00",
        "ended": None,
        "failed": None,
        "action": "",
    }
    assert (run["ending"], run["epoch"]) == (None, 8)
