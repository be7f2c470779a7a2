"""When a host is beyond repair, and when it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.agent.beyond_repair import Case, Look, Memory, follow, remember, verdict
from provision.agent.supervise import Phase

GOOD, BAD = "r-000000000000", "r-111111111111"
NEW = Memory("i-1")
PROVEN = Memory("i-1", gpus=1, ready=(GOOD,))
AFTER_S = 600.0
READY, HUNG, STARTING = Phase.READY, Phase.HUNG, Phase.STARTING
LOOP, STOPPED, WARMING = Phase.CRASH_LOOP, Phase.STOPPED, Phase.WARMING


def look(*phases: Phase, release: str = GOOD, gpus: int | None = 1, away: bool = False) -> Look:
    return Look(release, phases or (READY,), gpus, 1, away)


class Host:
    """A host that is looked at every half minute."""

    def __init__(self, memory: Memory = PROVEN) -> None:
        self.memory, self.case, self.now = memory, Case(), 1000.0

    def sees(self, one: Look, seconds: float = 0.0) -> str:
        """What came of the last look, when it was like this for *seconds*."""
        until = self.now + seconds
        while True:
            self.memory = remember(self.memory, one)
            self.case = follow(self.case, self.memory, one, self.now)
            said = verdict(self.case, self.memory, one, AFTER_S, self.now)
            if said or self.now >= until:
                return said
            self.now += 30


class TestGpus:
    def test_gone_for_long_enough(self) -> None:
        """The driver shows fewer than the release needs, and the engine does not serve."""
        host = Host()
        assert host.sees(look(LOOP, gpus=0), 570) == ""
        assert host.sees(look(LOOP, gpus=0), 60) == "0 of 1 GPUs for 600 s; it had 1"

    def test_a_host_that_never_had_them(self) -> None:
        """The image or the type is wrong: another host would be no better."""
        assert Host(NEW).sees(look(LOOP, gpus=0), 7200) == ""

    def test_one_that_comes_back(self) -> None:
        """A driver that was installed anew begins the time anew."""
        host = Host()
        host.sees(look(STARTING, gpus=0), 500)
        host.sees(look(STARTING, gpus=1))
        assert host.sees(look(STARTING, gpus=0), 500) == ""

    def test_nobody_can_tell(self) -> None:
        """No driver at all says nothing of the GPUs, and nothing against them."""
        host = Host()
        assert host.sees(look(STARTING, gpus=None), 7200) == ""
        host.sees(look(STARTING, gpus=0), 300)
        host.sees(look(STARTING, gpus=None), 60)
        assert host.sees(look(STARTING, gpus=0), 600) != ""

    def test_an_engine_that_serves_all_the_same(self) -> None:
        """It has what it needs, whatever the driver says."""
        assert Host().sees(look(READY, gpus=0), 7200) == ""


class TestEngine:
    def test_given_up_although_the_release_is_good(self) -> None:
        """It was ready here before: the host is to blame."""
        host = Host()
        assert host.sees(look(LOOP), 570) == ""
        assert host.sees(look(LOOP), 60) == (
            f"crash-loop for 600 s in spite of restarts; {GOOD} was ready here before"
        )

    def test_a_bad_release_replaces_nobody(self) -> None:
        """It never was ready here: going back mends it, another host does not."""
        assert Host().sees(look(LOOP, release=BAD), 86_400) == ""
        assert Host(NEW).sees(look(HUNG), 86_400) == ""

    def test_hung_again_after_its_restart(self) -> None:
        """The time counts from the first failure, and the restart had its chance."""
        host = Host()
        host.sees(look(HUNG), 60)
        host.sees(look(STARTING), 900)
        assert host.sees(look(HUNG)) == (
            f"hung for 960 s in spite of restarts; {GOOD} was ready here before"
        )

    def test_not_while_a_restart_may_still_succeed(self) -> None:
        """Large models load for long."""
        host = Host()
        host.sees(look(HUNG), 60)
        assert host.sees(look(STARTING), 3600) == ""
        assert host.sees(look(WARMING), 600) == ""

    def test_not_before_a_restart_was_tried(self) -> None:
        """The agent restarts a hung engine by itself: first that, then this."""
        assert Host().sees(look(HUNG), 3600) == ""

    def test_a_start_that_takes_long_is_no_failure(self) -> None:
        """Nothing failed: it is on its way."""
        assert Host().sees(look(STARTING), 7200) == ""

    def test_one_engine_of_two_is_enough(self) -> None:
        """The host takes no traffic while one is down."""
        assert Host().sees(look(READY, LOOP), 660) != ""

    def test_ready_in_between(self) -> None:
        """A host that mends itself is no case."""
        host = Host()
        host.sees(look(LOOP), 570)
        host.sees(look(READY))
        assert host.sees(look(LOOP), 570) == ""


@pytest.mark.parametrize("between", [look(LOOP, away=True), look(STOPPED), look(LOOP, release=BAD)])
def test_whoever_steps_in_begins_the_time_anew(between: Look) -> None:
    """Maintenance, a farewell, a person who stopped the engine, another release."""
    host = Host()
    host.sees(look(LOOP), 570)
    assert host.sees(between) == ""
    assert host.sees(look(LOOP), 570) == ""
    assert host.sees(look(LOOP), 60) != ""


class TestMemory:
    def test_what_was_seen_is_kept(self) -> None:
        """The most GPUs, and each release once, the last one last."""
        host = Host(NEW)
        for release in (GOOD, BAD, GOOD):
            host.sees(look(release=release, gpus=2))
        host.sees(look(LOOP, gpus=0))
        assert host.memory == Memory("i-1", 2, (BAD, GOOD))

    def test_no_more_than_a_host_keeps_releases(self) -> None:
        """Five."""
        host = Host(NEW)
        for number in range(9):
            host.sees(look(release=f"r-{number}"))
        assert host.memory.ready == tuple(f"r-{number}" for number in range(4, 9))

    def test_nothing_is_learned_while_somebody_works_on_it(self) -> None:
        """A release that an operator tries is not proven by that."""
        host = Host(NEW)
        host.sees(look(away=True))
        assert host.memory == NEW


LOOKS = st.builds(
    Look,
    st.sampled_from([GOOD, BAD]),
    st.lists(st.sampled_from(list(Phase)), min_size=1, max_size=2).map(tuple),
    st.none() | st.integers(0, 2),
    st.just(1),
    st.booleans(),
)


@given(st.lists(st.tuples(LOOKS, st.floats(1, 400)), max_size=60))
def test_nobody_is_replaced_without_reason(looks: list[tuple[Look, float]]) -> None:
    """Whatever is seen: never a host that serves or is worked on, never before the time is over
    since it last was all right, never for a release that was not ready on it before, or for GPUs
    that it did not have."""
    memory, case, now = NEW, Case(), 0.0
    fine_at, proven, had = 0.0, set(), 0
    for one, pause in looks:
        now += pause
        memory = remember(memory, one)
        case = follow(case, memory, one, now)
        said = verdict(case, memory, one, AFTER_S, now)
        if one.serves or one.away:
            fine_at = now
        if not one.away:
            had = max(had, one.gpus or 0)
            proven |= {one.release} if one.serves else set()
        if said:
            assert not one.serves
            assert not one.away
            assert now - fine_at >= AFTER_S
            assert one.release in proven or (had >= 1 and one.gpus == 0)


def test_case_of_another_release_is_another_case() -> None:
    """What the old one did says nothing of the new one."""
    case = Case(GOOD, 1.0, 2.0, restarted=True)
    assert follow(case, PROVEN, replace(look(STARTING), release=BAD), 9.0) == Case(BAD)
