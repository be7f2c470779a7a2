"""Who is away when, and what a host goes through."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import Refused, UsageError
from provision.facts.inventory import Inventory
from provision.planning.actions import (
    BeginMaintenance,
    DrainHost,
    EnterTraffic,
    LeaveTraffic,
)
from provision.planning.pace import Pace, at_a_time, deadline
from provision.planning.plan import Wave
from provision.planning.rollout import intend, rollout
from provision.planning.situation import Situation
from provision.planning.stations import Move
from provision.testing import samples

OLD, NEW = "r-000000000000", "r-111111111111"
ENVIRONMENT = samples.environment()


def moves(serving: int, away: int = 0) -> list[Move]:
    """Hosts that serve the old release, then hosts that are out of traffic."""
    hosts = samples.hosts(serving + away)
    return [
        Move(host, samples.serving(OLD), index < serving, NEW, f"runs {OLD}")
        for index, host in enumerate(hosts)
    ]


def shown(waves: tuple[Wave, ...]) -> list[str]:
    return [f"{step.host} | {step.summary}" for wave in waves for step in wave.steps]


def test_what_a_serving_host_goes_through() -> None:
    """Out of traffic before the engine is told anything, warmed before it is back, then watched."""
    (wave,) = rollout(moves(1), ENVIRONMENT, Pace(min_healthy=0), serving=1)
    assert wave.title == "change i-1: 0 of 1 keep serving"
    assert [(step.summary, step.reason) for step in wave.steps] == [
        ("mark as away on purpose", "ends by itself if nobody does"),
        ("leave traffic", "before the engine is told anything"),
        ("wait until it is empty", "what runs may end, for 150 s at most"),
        (f"start {NEW}", f"runs {OLD}"),
        ("wait until ready", "the agent warms the engine"),
        ("ask its own front", "whole and streamed, where nobody else can answer"),
        ("enter traffic", "registered, and healthy to the load balancer"),
        ("watch it for 30 s", "no restart, no missed canary, no errors, no later tokens"),
    ]


def test_a_host_that_is_away_comes_first() -> None:
    """It costs no capacity. It leaves traffic all the same: who knows how it came to be away, and
    when it comes back by itself?"""
    waves = rollout(moves(2, away=1), ENVIRONMENT, Pace(bake_s=0), serving=2)
    assert [wave.title for wave in waves] == [
        "bring back i-3: 2 of 2 keep serving",
        "change i-1: 2 of 3 keep serving",
        "change i-2: 2 of 3 keep serving",
    ]
    assert shown(waves[:1]) == [
        "i-3 | mark as away on purpose",
        "i-3 | leave traffic",
        "i-3 | wait until it is empty",
        f"i-3 | start {NEW}",
        "i-3 | wait until ready",
        "i-3 | ask its own front",
        "i-3 | enter traffic",
    ]


def test_a_host_that_only_lost_its_traffic_is_not_started_anew() -> None:
    """What an operator left behind who died between start and traffic. The host is told once more
    what it shall run: another apply of that operator may still wait or work there."""
    (move,) = moves(0, away=1)
    there = replace(move, facts=samples.serving(NEW))
    waves = rollout([there], ENVIRONMENT, Pace(bake_s=0), serving=0)
    assert shown(waves)[3:] == [
        f"i-1 | settle on {NEW}",
        "i-1 | wait until ready",
        "i-1 | ask its own front",
        "i-1 | enter traffic",
    ]


def test_a_host_without_a_release_has_nothing_to_leave() -> None:
    """No engine of it was ever in traffic, and the host program may not be there yet."""
    (move,) = moves(0, away=1)
    bare = replace(move, facts=samples.facts())
    waves = rollout([bare], ENVIRONMENT, Pace(bake_s=0), serving=0)
    assert shown(waves)[0] == f"i-1 | start {NEW}"


def test_a_host_that_nobody_is_sent_to_goes_before_those_that_serve() -> None:
    """It is ready, and perhaps in traffic in the next moment; perhaps not."""
    first, second = moves(2)
    waves = rollout([first, replace(second, sent_to=False)], ENVIRONMENT, Pace(), serving=2)
    assert [wave.title for wave in waves] == [
        "change i-2: 1 of 2 keep serving",
        "change i-1: 1 of 2 keep serving",
    ]


def test_nobody_leaves_before_enough_others_serve() -> None:
    """Also when somebody died since the plan was made."""
    (wave,) = rollout(moves(1), ENVIRONMENT, Pace(min_healthy=2), serving=3)
    assert wave.steps[0].action == BeginMaintenance(330.0, others=2, wait_s=60.0)
    assert wave.steps[1].action == LeaveTraffic(60.0, others=2)


def test_a_restart_starts_what_runs_already() -> None:
    """With the flag that says so."""
    (move,) = moves(1)
    again = replace(move, facts=samples.serving(NEW), restart=True)
    (wave,) = rollout([again], ENVIRONMENT, Pace(min_healthy=0), serving=1)
    (start,) = [step.action for step in wave.steps if step.summary == f"start {NEW}"]
    assert start.restart


def kinds_for(state: str) -> list[type]:
    """The steps of a host whose agent said so when the plan was made."""
    (move,) = moves(1)
    broken = replace(move, facts=replace(samples.serving(OLD), agent={"state": state}))
    (wave,) = rollout([broken], ENVIRONMENT, Pace(min_healthy=0), serving=1)
    return [type(step.action) for step in wave.steps]


def test_nobody_waits_for_an_engine_that_will_never_be_done() -> None:
    """A hung engine's requests are lost already; its clients get the next answer elsewhere."""
    kinds = kinds_for("hung")
    assert LeaveTraffic in kinds
    assert DrainHost not in kinds


@pytest.mark.parametrize("state", ["crash-loop", "stopped", "no-release"])
def test_one_that_is_down_may_be_up_when_its_turn_comes(state: str) -> None:
    """A host that boots while somebody thinks about the plan; one that is down is empty at once."""
    assert DrainHost in kinds_for(state)


def test_the_first_goes_alone_and_the_others_as_many_as_allowed() -> None:
    """What is wrong with a release shows on one host."""
    waves = rollout(moves(6), ENVIRONMENT, Pace(max_unavailable=2), serving=6)
    assert [wave.title for wave in waves] == [
        "change i-1: 5 of 6 keep serving",
        "change i-2, i-3: 4 of 6 keep serving",
        "change i-4, i-5: 4 of 6 keep serving",
        "change i-6: 5 of 6 keep serving",
    ]


def test_the_one_that_serves_may_go_when_another_is_back() -> None:
    """A host that is brought back first serves in its place."""
    waves = rollout(moves(1, away=1), ENVIRONMENT, Pace(), serving=1)
    assert [wave.title for wave in waves] == [
        "bring back i-2: 1 of 1 keep serving",
        "change i-1: 1 of 2 keep serving",
    ]


def test_enough_must_serve() -> None:
    """Refused before anything changes, with the ways out."""
    with pytest.raises(Refused) as refused:
        rollout(moves(3), ENVIRONMENT, Pace(max_unavailable=2, min_healthy=2), serving=3)
    assert refused.value.message == (
        "3 host(s) serve; with 2 away 1 would, and at least 2 must; nothing was changed"
    )
    assert "--max-unavailable" in refused.value.hint


@given(
    serving=st.integers(0, 40),
    away=st.integers(0, 10),
    others=st.integers(0, 10),
    max_unavailable=st.integers(1, 12),
    min_healthy=st.integers(0, 12),
)
def test_capacity_is_never_below_what_was_asked_for(
    serving: int, away: int, others: int, max_unavailable: int, min_healthy: int
) -> None:
    """Each host exactly once; never more away than allowed, never fewer serving than needed."""
    pace = Pace(max_unavailable, min_healthy)
    everybody = moves(serving, away)
    fleet = serving + others
    try:
        waves = rollout(everybody, ENVIRONMENT, pace, serving=fleet)
    except Refused:
        assert serving
        assert fleet + away - min(max_unavailable, serving) < min_healthy
        return
    entered = [s.host for w in waves for s in w.steps if isinstance(s.action, EnterTraffic)]
    assert sorted(entered) == sorted(move.host for move in everybody)
    for wave in waves:
        if wave.title.startswith("bring back"):
            continue  # they cost nothing
        leaving = sum(isinstance(step.action, LeaveTraffic) for step in wave.steps)
        assert wave.needs_all
        assert leaving <= max_unavailable
        assert not leaving or fleet + away - leaving >= min_healthy


@pytest.mark.parametrize(
    ("said", "hosts", "number"), [("1", 8, 1), ("3", 8, 3), ("25%", 8, 2), ("10%", 8, 1)]
)
def test_hosts_at_a_time(said: str, hosts: int, number: int) -> None:
    """A number, or a share rounded down."""
    assert at_a_time(said, hosts) == number


def test_a_deadline_of_ones_own() -> None:
    """Instead of the longest answer and its time in the queue; the lease grows with it."""
    (wave,) = rollout(moves(1), ENVIRONMENT, Pace(min_healthy=0, drain_s=600.0), serving=1)
    assert [s.action for s in wave.steps[:3]] == [
        BeginMaintenance(780.0, others=0, wait_s=60.0),
        LeaveTraffic(60.0),
        DrainHost(600.0),
    ]
    assert deadline("120", longest_generation_s=120.0) == 120.0


@pytest.mark.parametrize(
    ("said", "problem"),
    [("119", "--deadline 119 would cut answers off"), ("soon", "--deadline 'soon' is no time")],
)
def test_a_deadline_that_is_none(said: str, problem: str) -> None:
    """With the number that it must reach."""
    with pytest.raises(UsageError) as wrong:
        deadline(said, longest_generation_s=120.0)
    assert wrong.value.message == problem
    assert wrong.value.hint.startswith("120 seconds or more")


@pytest.mark.parametrize("said", ["0", "-1", "", "half", "0%", "101%", "2.5"])
def test_no_number_of_hosts(said: str) -> None:
    """Said what would be one."""
    with pytest.raises(UsageError, match="no number of hosts"):
        at_a_time(said, 8)


class TestWhatIsGoneBackTo:
    """When it fails."""

    @staticmethod
    def before(**agent: object) -> str | None:
        """Of a host with another release than booting hosts take."""
        (host,) = samples.hosts(1)
        facts = replace(samples.serving(NEW), agent=agent)
        now = Situation(Inventory((host,)), {host.name: facts}, current=OLD)
        return intend(now, Pace(), "mistral-7b", chat=True).before[host.name]

    def test_what_served(self) -> None:
        """Whatever booting hosts take."""
        assert self.before(state="ready") == NEW

    def test_what_booting_hosts_take_when_nobody_was_served(self) -> None:
        """A release that did not come up would not come up on the way back either."""
        assert self.before(state="crash-loop") == OLD
