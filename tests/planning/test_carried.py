"""A rollout of the only host, while the fallback carries the traffic."""

from __future__ import annotations

import pytest

from provision.errors import TooFewServe
from provision.facts.inventory import Inventory
from provision.planning.actions import ApplyRelease, FreeFleet
from provision.planning.carried import carried, is_carried
from provision.planning.fallback import Mode, Wish
from provision.planning.levers import PutWish, WaitShare
from provision.planning.pace import CAREFUL, Pace
from provision.planning.plan import Plan
from provision.planning.restart import plan_restart
from provision.planning.rollback import Published, plan_rollback
from provision.planning.situation import Situation
from provision.testing import samples

OLD, NEW = "r-000000000000", "r-111111111111"
AT = 1_800_000_000.0
ONLY = Situation(
    Inventory(samples.hosts(1)),
    {"i-1": samples.serving(OLD)},
    in_traffic=frozenset({"i-1"}),
    current=OLD,
)
UNGUARDED = Pace(min_healthy=0)


def restart() -> Plan:
    return plan_restart(samples.environment(), ONLY, UNGUARDED)


def test_the_guard_says_that_a_fallback_would_help() -> None:
    """By an error of its own: whoever has one goes on from there."""
    with pytest.raises(TooFewServe):
        plan_restart(samples.environment(), ONLY, CAREFUL)


def test_all_traffic_is_away_before_the_host_leaves() -> None:
    """And the wish ends in every ending, or by itself; the group is freed first."""
    plan = carried(restart(), by="anna", now=AT)
    assert [wave.title for wave in plan] == [
        "before",
        "to the fallback",
        "change i-1: 0 of 1 keep serving",
        "finish",
    ]
    wish = Wish(Mode.ON, "anna", "restart the engines of test", AT + 7200.0)
    away = [step.action for step in plan.waves[1].steps]
    assert away == [PutWish(wish), WaitShare(0, 180.0)]
    freed, over = (step.action for step in plan.afterwards)
    assert isinstance(freed, FreeFleet)
    assert isinstance(over, PutWish)
    assert (over.wish.mode, over.wish.expires_at) == (Mode.AUTO, None)
    assert "hosted answers cost money" in plan.notes[-1]
    assert plan.intent is not None
    assert plan.intent.carried
    assert is_carried(plan)


def test_what_is_fetched_is_fetched_before_that() -> None:
    """Hosted answers cost money: nobody pays for a download's time."""
    published = Published(NEW, "mistral-7b")
    plan = carried(
        plan_rollback(samples.environment(), published, ONLY, UNGUARDED), by="anna", now=AT
    )
    titles = [wave.title for wave in plan]
    assert titles.index("get ready") < titles.index("to the fallback")
    assert any(isinstance(s.action, ApplyRelease) for s in plan.waves[-2].steps)


def test_a_plan_in_which_nobody_leaves() -> None:
    """It needs no fallback, and stays as it is."""
    nothing = Plan("nothing to do")
    assert carried(nothing, by="anna", now=AT) is nothing
    assert not is_carried(nothing)
