"""Replacing hosts of an older launch template."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import PlanError, Refused
from provision.facts.inventory import Host, Inventory
from provision.planning.actions import (
    AskThroughLoadBalancer,
    DrainHost,
    LeaveTraffic,
    TerminateHost,
    WaitReplaced,
)
from provision.planning.intent import Kind
from provision.planning.pace import CAREFUL, Pace
from provision.planning.plan import Plan
from provision.planning.refresh import halfway, plan_refresh
from provision.planning.situation import Situation
from provision.testing import samples

RELEASE, OTHER = "r-000000000000", "r-111111111111"
ENVIRONMENT = samples.environment()


def hosts(*templates: str) -> tuple[Host, ...]:
    pairs = zip(samples.hosts(len(templates)), templates, strict=True)
    return tuple(replace(host, template=template) for host, template in pairs)


def fleet(*templates: str, launches: str = "2", **changes: Any) -> Situation:
    """Hosts of these versions, which all serve the current release."""
    made = hosts(*templates)
    names = frozenset(host.name for host in made)
    base = Situation(
        Inventory(made, launches),
        {name: samples.serving(RELEASE) for name in names},
        in_traffic=names,
        current=RELEASE,
        fleet=names,
    )
    return replace(base, **changes)


def ended(plan: Plan) -> list[str]:
    steps = (step for wave in plan for step in wave.steps)
    return [s.host.name for s in steps if s.host and isinstance(s.action, TerminateHost)]


def test_one_after_the_other() -> None:
    """Each is emptied before it is ended; the next goes when another is in traffic, and answers."""
    plan = plan_refresh(ENVIRONMENT, fleet("1", "2", "1"), CAREFUL)
    assert [wave.title for wave in plan] == [
        "replace i-1: 2 of 3 keep serving",
        "another one in the place of i-1",
        "replace i-3: 2 of 3 keep serving",
        "another one in the place of i-3",
    ]
    assert all(wave.needs_all for wave in plan)
    first, second = plan.waves[:2]
    assert [step.summary for step in first.steps] == [
        "mark as away on purpose",
        "leave traffic",
        "wait until it is empty",
        "end it",
    ]
    assert first.steps[-1].reason == "of version 1; the group launches 2"
    assert first.steps[1].action == LeaveTraffic(60.0, others=1)
    place, ask = (step.action for step in second.steps)
    assert place == WaitReplaced(("i-1", "i-2", "i-3"), 1, 390 + 900 + 1200, 30.0)
    assert isinstance(ask, AskThroughLoadBalancer)
    assert plan.expects == {"i-1": RELEASE, "i-3": RELEASE}
    assert plan.premise.hosts == {"i-1", "i-2", "i-3"}
    assert plan.intent is None
    assert plan.afterwards == ()


def test_the_second_wait_is_for_two() -> None:
    """Hosts that were there when it began never count, whatever became of them."""
    plan = plan_refresh(ENVIRONMENT, fleet("1", "1"), CAREFUL)
    waits = [s.action for w in plan for s in w.steps if isinstance(s.action, WaitReplaced)]
    assert [(wait.known, wait.count) for wait in waits] == [
        (("i-1", "i-2"), 1),
        (("i-1", "i-2"), 2),
    ]


def test_all_are_of_the_version_of_now() -> None:
    """Nothing to do; it does not matter then what the group may do."""
    assert not plan_refresh(ENVIRONMENT, fleet("2", "2"), CAREFUL)
    held = fleet("2", "2", suspended=frozenset({"Launch"}), current=None)
    assert not plan_refresh(ENVIRONMENT, held, CAREFUL)


def test_no_host_at_all() -> None:
    """Nothing to do either."""
    assert not plan_refresh(ENVIRONMENT, fleet(launches=""), CAREFUL)


def test_a_rollback_of_the_template_replaces_too() -> None:
    """What counts is another version, not a higher one."""
    assert ended(plan_refresh(ENVIRONMENT, fleet("2", "1", launches="1"), CAREFUL)) == ["i-1"]


def test_hosts_that_serve_nobody_go_first() -> None:
    """They cost no capacity; there is nothing to empty on one that runs nothing."""
    now = fleet("1", "1", "1", in_traffic=frozenset({"i-1", "i-2"}))
    now = replace(now, facts={**now.facts, "i-3": samples.facts()})
    plan = plan_refresh(ENVIRONMENT, now, CAREFUL)
    assert [wave.title for wave in plan][::2] == [
        "replace i-3: 2 of 2 keep serving",
        "replace i-1: 2 of 3 keep serving",
        "replace i-2: 2 of 3 keep serving",
    ]
    assert [step.summary for step in plan.waves[0].steps] == ["end it"]


@pytest.mark.parametrize(("state", "emptied"), [("hung", False), ("stopped", True)])
def test_nobody_waits_for_an_engine_that_will_never_be_done(state: str, emptied: bool) -> None:
    """It leaves traffic and is ended; one that is down may be up by then."""
    now = fleet("1", "2")
    broken = replace(samples.serving(RELEASE), agent={"state": state})
    plan = plan_refresh(ENVIRONMENT, replace(now, facts={**now.facts, "i-1": broken}), CAREFUL)
    kinds = [type(step.action) for step in plan.waves[0].steps]
    assert LeaveTraffic in kinds
    assert (DrainHost in kinds) is emptied


class TestRefused:
    def test_the_only_host(self) -> None:
        """Unless that is accepted, or all traffic goes to the fallback anyway."""
        with pytest.raises(Refused, match="at least 1 must while one is replaced") as refused:
            plan_refresh(ENVIRONMENT, fleet("1"), CAREFUL)
        assert "--accept-downtime" in refused.value.hint
        assert ended(plan_refresh(ENVIRONMENT, fleet("1"), Pace(min_healthy=0))) == ["i-1"]
        assert ended(plan_refresh(ENVIRONMENT, fleet("1", primary_weight=0), CAREFUL)) == ["i-1"]

    @pytest.mark.parametrize("process", ["Launch", "Terminate"])
    def test_a_group_that_may_not_launch(self, process: str) -> None:
        """Nobody would come; the command that frees it is named."""
        now = fleet("1", "2", suspended=frozenset({process, "AZRebalance"}))
        with pytest.raises(
            Refused, match=f"{process} of the Auto Scaling group is suspended"
        ) as no:
            plan_refresh(ENVIRONMENT, now, CAREFUL)
        assert f"resume-processes --scaling-processes {process} " in no.value.hint

    def test_what_a_rollout_left_suspended(self) -> None:
        """It is finished first, or taken back."""
        now = fleet("1", "2", still_held=("Launch", "Terminate", "ReplaceUnhealthy"))
        with pytest.raises(Refused, match="broke off left Launch, Terminate") as refused:
            plan_refresh(ENVIRONMENT, now, CAREFUL)
        assert "--resume" in refused.value.hint

    def test_without_a_current_release(self) -> None:
        """The new hosts would run nothing."""
        with pytest.raises(Refused, match="would take no release"):
            plan_refresh(ENVIRONMENT, fleet("1", "2", current=None), CAREFUL)

    def test_a_host_that_nobody_sees(self) -> None:
        """It may be the one that serves."""
        now = fleet("1", "1")
        now = replace(now, facts={"i-1": now.facts["i-1"]}, unreachable={"i-2": "no route\nx"})
        with pytest.raises(Refused, match=r"can be seen\n  i-2: no route\n"):
            plan_refresh(ENVIRONMENT, now, CAREFUL)

    def test_a_group_of_unknown_version(self) -> None:
        """Then nobody knows what is old."""
        with pytest.raises(PlanError, match="from which version"):
            plan_refresh(ENVIRONMENT, fleet("1", "1", launches=""), CAREFUL)


class TestNotes:
    def test_a_host_whose_version_nobody_knows(self) -> None:
        """Attached by hand, perhaps: it is left as it is."""
        plan = plan_refresh(ENVIRONMENT, fleet("", "1", "2"), CAREFUL)
        assert ended(plan) == ["i-2"]
        assert plan.notes == ("nobody knows from which version i-1 came: left as they are",)

    def test_the_new_host_takes_what_is_current(self) -> None:
        """Also in the place of one that runs something else."""
        now = fleet("1", "2")
        now = replace(now, facts={**now.facts, "i-1": samples.serving(OTHER)})
        plan = plan_refresh(ENVIRONMENT, now, CAREFUL)
        assert plan.notes == (f"i-1 runs {OTHER}; the one in its place takes {RELEASE}",)


def test_some_hosts_of_the_fleet() -> None:
    """Those that were not chosen are known all the same: they are no newcomers."""
    whole = fleet("1", "1", "1")
    some = replace(
        whole,
        inventory=whole.inventory.select("i-2"),
        facts={"i-2": whole.facts["i-2"]},
        partial=True,
    )
    plan = plan_refresh(ENVIRONMENT, some, CAREFUL)
    assert ended(plan) == ["i-2"]
    (wait,) = [s.action for w in plan for s in w.steps if isinstance(s.action, WaitReplaced)]
    assert wait.known == ("i-1", "i-2", "i-3")


def test_a_deadline_of_its_own() -> None:
    """For how long a host may empty itself."""
    plan = plan_refresh(ENVIRONMENT, fleet("1", "2"), Pace(drain_s=300.0))
    assert [s.action for s in plan.waves[0].steps if isinstance(s.action, DrainHost)] == [
        DrainHost(300.0)
    ]


def test_the_way_back_of_one_that_was_not_ended() -> None:
    """It goes on with what it ran; nothing was held, and only the hosts of the plan are meant."""
    now = fleet("1", "2")
    plan = plan_refresh(ENVIRONMENT, now, CAREFUL)
    back = halfway(ENVIRONMENT, plan, now, CAREFUL)
    assert (back.kind, back.before, back.whole, back.held) == (
        Kind.RESTART,
        {"i-1": RELEASE},
        False,
        (),
    )


@given(
    st.lists(st.tuples(st.sampled_from(["1", "2"]), st.booleans()), min_size=1, max_size=12),
    st.integers(0, 3),
)
def test_capacity_and_order_hold(made: list[tuple[str, bool]], least: int) -> None:
    """Every old host exactly once, none of the new ones; never two away at a time, and each leaves
    traffic before it ends."""
    now = fleet(*(template for template, _ in made))
    names = [host.name for host in now.inventory]
    served = frozenset(name for name, (_, busy) in zip(names, made, strict=True) if busy)
    facts = {
        name: samples.serving(RELEASE) if name in served else samples.facts() for name in names
    }
    now = replace(now, in_traffic=served, facts=facts)
    old = [host.name for host in now.inventory if host.template == "1"]
    try:
        plan = plan_refresh(ENVIRONMENT, now, Pace(min_healthy=least))
    except Refused:
        away = len([name for name in old if name not in served])
        assert set(old) & served
        assert len(served) + away - 1 < least
        return
    assert sorted(ended(plan)) == sorted(old)
    serving = len(served)
    for leaves, place in zip(plan.waves[::2], plan.waves[1::2], strict=True):
        (name,) = leaves.by_host()
        kinds = [type(step.action) for step in leaves.steps]
        assert kinds[-1] is TerminateHost
        assert (LeaveTraffic in kinds) == (name in served)
        serving -= name in served
        assert name not in served or serving >= least
        assert [type(step.action) for step in place.steps] == [WaitReplaced, AskThroughLoadBalancer]
        serving += 1
