"""The switch in a world with a fake clock; ``bench/closed_loop.py`` runs the long form."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.switch.values import Outcome, Role, Token
from tests.switch.closed_loop.fleet import AgentSpec, Fleet
from tests.switch.closed_loop.loop import Design, happens
from tests.switch.closed_loop.scenario import SHARES, TIMED, Kind, scenario
from tests.switch.closed_loop.summary import (
    BACK_S,
    MEDIAN_S,
    WORST_S,
    Goals,
    goals,
    run_all,
)

SEEDS = range(100)


@pytest.fixture(scope="module")
def kept() -> Goals:
    """A hundred scenarios under the design as it ships."""
    return goals(run_all(SEEDS, Design()))


def test_a_hundred_scenarios_keep_every_goal(kept: Goals) -> None:
    """Away within 30 s at the median and 45 s at worst; one trip a fault; never to a dead fallback;
    back within six minutes of hold and fleet; no trip without a reason."""
    assert kept.median_s <= MEDIAN_S
    assert kept.worst_s <= WORST_S
    assert kept.back_s <= BACK_S
    counts = ("unmoved", "oscillating", "astray", "moved_for_nothing", "unfinished")
    assert {name: getattr(kept, name) for name in counts} == dict.fromkeys(counts, 0)


def test_a_hundred_scenarios_hold_every_kind() -> None:
    """The short form looks at all that the long form looks at."""
    assert {scenario(seed).kind for seed in SEEDS} == set(Kind)
    assert sum(SHARES.values()) == 1000


def test_the_first_design_would_have_missed_the_goals() -> None:
    """One look a minute, and a canary alarm of 2 of 3: the loop can fail, so it says something."""
    policy = replace(Design().policy, watch_when_well=False, stay_s=0.0)
    canary = replace(Design().alarms[Role.CANARY], m=2, n=3, comparison="<")
    first = Design(policy, {**Design().alarms, Role.CANARY: canary}, AgentSpec())
    measured = goals(run_all(range(60), first, TIMED))
    assert measured.worst_s > WORST_S
    assert measured.back_s > BACK_S


def test_a_scenario_is_the_same_again() -> None:
    """A seed names one story and one course of it."""
    assert happens(scenario(7), Design()) == happens(scenario(7), Design())


def test_canaries_alone_would_empty_a_fleet_that_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad agent release: the switch's own tokens are what keeps the traffic where it is."""
    seed = next(seed for seed in SEEDS if scenario(seed).kind is Kind.AGENT)
    assert happens(scenario(seed), Design()).trips == 0
    asked = Fleet.tokens

    def deaf(fleet: Fleet, count: int, deadline_s: float) -> tuple[Token, ...]:
        said = asked(fleet, count, deadline_s)
        return tuple(replace(token, outcome=Outcome.FAILED) for token in said)

    monkeypatch.setattr(Fleet, "tokens", deaf)
    assert happens(scenario(seed), Design()).trips > 0
