"""Engines that should answer and are not there are missed; who is away on purpose is not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from provision.agent.report import ReplicaReport
from provision.agent.roll import Called, Roll, call
from provision.agent.supervise import Phase
from tests.agent.test_report import HOSTS, NOW, report

EVERY_S = 5.0


def called(roll: Roll, *reports: ReplicaReport, away: bool = False, now: float = NOW) -> Called:
    return call(roll, reports, away=away, interval_s=EVERY_S, now=now)


SERVED = called(Roll(), report(0)).roll


def test_an_engine_that_comes_up_for_the_first_time_is_not_missed() -> None:
    """A host that joins a healthy fleet is no bad news."""
    for phase in (Phase.STARTING, Phase.WARMING, Phase.STOPPED, Phase.CRASH_LOOP):
        assert called(Roll(), report(0, phase)).missed == ()


def test_one_that_served_and_is_down_misses_a_canary_every_interval() -> None:
    """Nobody can ask it for a token, and clients find nobody either."""
    roll, misses = SERVED, []
    for second in range(20):
        seen = called(roll, report(0, Phase.STARTING), now=NOW + second)
        roll = seen.roll
        misses += [second] if seen.missed else []
    assert misses == [0, 5, 10, 15]


def test_its_own_canary_counts_first() -> None:
    """The interval begins with the last one that the engine was asked for."""
    roll = SERVED.heard(0, NOW)
    assert called(roll, report(0, Phase.STOPPED), now=NOW + 4).missed == ()
    assert called(roll, report(0, Phase.STOPPED), now=NOW + 5).missed == (0,)


def test_who_is_asked_is_not_called() -> None:
    """An engine that hangs misses the canaries of its watch, not these as well."""
    assert called(SERVED, report(0, Phase.HUNG)).missed == ()
    assert called(SERVED, report(0, Phase.READY)).missed == ()


def test_away_on_purpose_is_not_missed() -> None:
    """The host, the engine, or one that is just being changed."""
    down = report(0, Phase.STOPPED)
    assert called(SERVED, down, away=True).missed == ()
    assert called(SERVED, report(0, Phase.STOPPED, away=True)).missed == ()
    assert called(SERVED, report(0, Phase.STOPPED, changing=True)).missed == ()
    assert called(SERVED, down).missed == (0,)


def test_the_same_container_with_another_start_restarted() -> None:
    """Whoever did it. A new container is a release's, and the first look knows nothing yet."""
    first = replace(report(0), container="a", started_at="t1")
    roll = called(Roll(), first).roll
    assert called(Roll(), first).restarted == ()
    assert called(roll, first).restarted == ()
    assert called(roll, replace(first, started_at="t2")).restarted == (0,)
    assert called(roll, replace(first, container="b", started_at="t2")).restarted == ()
    gone = called(roll, report(0, Phase.STOPPED)).roll
    assert called(gone, replace(first, started_at="t2")).restarted == (0,)


@given(HOSTS, st.integers(0, 100))
def test_it_misses_only_who_served(host: list[ReplicaReport], later: int) -> None:
    """And nobody twice within an interval."""
    first = call(Roll(), host, away=False, interval_s=EVERY_S, now=NOW)
    assert first.missed == ()
    down = [replace(one, state=replace(one.state, phase=Phase.STARTING)) for one in host]
    second = call(first.roll, down, away=False, interval_s=EVERY_S, now=NOW + later)
    ready = {one.index for one in host if one.state.phase is Phase.READY}
    free = {one.index for one in host if one.away is None and not one.changing}
    assert set(second.missed) == ready & free
    third = call(second.roll, down, away=False, interval_s=EVERY_S, now=NOW + later + 4.9)
    assert third.missed == ()
