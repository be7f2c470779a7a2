"""A Plan whose premise is gone is not carried out."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from provision.errors import PlanError
from provision.executor.executor import Executor
from provision.executor.stale import moved_since
from provision.planning.actions import HoldFleet
from provision.planning.plan import Plan, Premise, Step, Wave
from provision.planning.release import CURRENT
from provision.testing import samples
from provision.testing.clock import FakeClock
from provision.testing.cloud import FakeCloud
from provision.testing.http import FakeHttp
from provision.testing.shell import FakeShell

PREMISE = Premise(frozenset({"i-1", "i-2"}), "r-1", 100)
PLAN = Plan(
    "restart",
    (Wave("before", (Step(None, "hold the group", "", HoldFleet(("Launch",))),)),),
    premise=PREMISE,
)


def account() -> FakeCloud:
    """Two hosts, r-1 current, all traffic on them."""
    cloud = FakeCloud(samples.outputs(), samples.hosts(2))
    cloud.objects[CURRENT] = json.dumps({"release": "r-1"}).encode()
    return cloud


def test_nothing_moved() -> None:
    """The Plan holds."""
    assert moved_since(PLAN, account()) == ()


def test_a_premise_that_nobody_knew() -> None:
    """What was unknown then can't have moved."""
    cloud = FakeCloud(samples.outputs())
    assert moved_since(Plan("restart"), cloud) == ()


@pytest.mark.parametrize(
    ("move", "said"),
    [
        (lambda c: setattr(c, "hosts", samples.hosts(3)), "i-3 joined"),
        (lambda c: setattr(c, "hosts", samples.hosts(1)), "i-2 left"),
        (
            lambda c: c.objects.update({CURRENT: b'{"release": "r-2"}'}),
            "booting hosts take r-2 now, not r-1",
        ),
        (lambda c: c.objects.clear(), "booting hosts take nothing now, not r-1"),
        (lambda c: setattr(c, "weight", 0), "our own hosts get 0 % of the traffic now, not 100 %"),
        (lambda c: setattr(c, "weight", None), "an unknown share of the traffic now, not 100 %"),
    ],
)
def test_what_moved_is_said_before_anything_changes(
    move: Callable[[FakeCloud], None], said: str
) -> None:
    """Another host, another release, traffic elsewhere; and what to do."""
    cloud = account()
    move(cloud)
    executor = Executor(shell=FakeShell(), http=FakeHttp(), cloud=cloud, clock=FakeClock())
    with pytest.raises(PlanError) as stale:
        executor.execute(PLAN)
    assert said in stale.value.message
    assert stale.value.message.endswith("nothing was changed")
    assert "run the same command again" in stale.value.hint
    assert cloud.log == []
