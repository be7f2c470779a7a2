"""The way back from a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provision.facts.inventory import Inventory
from provision.planning.actions import ApplyRelease, SetCurrent
from provision.planning.intent import Intent, Kind
from provision.planning.pace import CAREFUL, Pace
from provision.planning.plan import Plan
from provision.planning.situation import Situation
from provision.planning.way_back import plan_return
from provision.testing import samples

OLDER, OLD, NEW = "r-999999999999", "r-000000000000", "r-111111111111"
HOSTS = samples.hosts(3)
NAMES = frozenset(host.name for host in HOSTS)
BEFORE: Mapping[str, str | None] = dict.fromkeys(sorted(NAMES), OLD)
NEW_RELEASE = Intent(
    Kind.RELEASE, "mistral-7b", True, CAREFUL, BEFORE, NEW, current=OLD, previous=OLDER
)


def fleet(**changes: object) -> Situation:
    """Three hosts that serve the old release, which is current."""
    facts = {host.name: samples.serving(OLD) for host in HOSTS}
    base = Situation(Inventory(HOSTS), facts, in_traffic=NAMES, current=OLD)
    return replace(base, **changes)  # type: ignore[arg-type]


def back(now: Situation, **changes: object) -> Plan:
    """The way back to the old release."""
    intent = replace(NEW_RELEASE, **changes)  # type: ignore[arg-type]
    return plan_return(samples.environment(), intent, now)


def starts(plan: Plan) -> dict[str, ApplyRelease]:
    return {
        step.host.name: step.action
        for wave in plan
        for step in wave.steps
        if step.host and isinstance(step.action, ApplyRelease)
    }


def test_those_that_moved_go_back() -> None:
    """The one in the middle first: it is away already; then the one that serves the new one."""
    stuck = replace(samples.serving(NEW), agent={"state": "crash-loop"}, releases=(OLD, NEW))
    moved = replace(samples.serving(NEW), releases=(OLD, NEW))
    facts = {**fleet().facts, "i-1": moved, "i-2": stuck}
    plan = back(fleet(facts=facts, in_traffic=frozenset({"i-1", "i-3"})))
    assert [wave.title for wave in plan] == [
        "before",
        "bring back i-2: 2 of 2 keep serving",
        "change i-1: 2 of 3 keep serving",
    ]
    assert starts(plan) == {"i-2": ApplyRelease(OLD), "i-1": ApplyRelease(OLD)}
    assert [step.summary for step in plan.afterwards] == ["free the group"]


def test_a_release_that_the_host_threw_away_comes_from_the_bucket() -> None:
    """Hosts keep five; nobody uploads the old one again."""
    plan = back(fleet(facts={**fleet().facts, "i-1": samples.serving(NEW)}))
    assert starts(plan) == {"i-1": ApplyRelease(OLD, fetch=True)}


def test_a_host_that_only_left_traffic_comes_back() -> None:
    """Its engine was told nothing yet; but it may still be, by an apply that nobody waits for."""
    mark = {"since": 1.0, "until": 2.0, "why": "a rollout"}
    agent = {"state": "ready", "ready_for": OLD, "maintenance": mark}
    away = {**fleet().facts, "i-1": replace(samples.serving(OLD), agent=agent)}
    now = fleet(in_traffic=frozenset({"i-2", "i-3"}), facts=away)
    plan = back(now, pace=Pace(bake_s=0))
    assert [s.summary for w in plan for s in w.steps if s.host] == [
        "mark as away on purpose",
        "leave traffic",
        "wait until it is empty",
        f"settle on {OLD}",
        "wait until ready",
        "ask its own front",
        "enter traffic",
    ]


def test_a_host_that_is_only_marked_gets_rid_of_its_mark() -> None:
    """The load balancer still calls it healthy, and would not for long."""
    agent = {**(samples.serving(OLD).agent or {}), "maintenance": {"until": 2.0}}
    marked = {**fleet().facts, "i-1": replace(samples.serving(OLD), agent=agent)}
    assert back(fleet(facts=marked)).hosts == ("i-1",)


def test_the_last_one_may_be_taken_away() -> None:
    """Going back is not refused for want of another host."""
    only = Situation(
        Inventory(HOSTS[:1]), {"i-1": samples.serving(NEW)}, in_traffic=frozenset({"i-1"})
    )
    assert back(only).hosts == ("i-1",)


def test_nothing_moved() -> None:
    """Then there is nothing to bring back, nor where nothing ran before."""
    assert not back(fleet())
    assert not back(fleet(), before=dict.fromkeys(NAMES))


def test_booting_hosts_take_the_old_one_again_first_of_all() -> None:
    """And the one before it is again where `fab rollback` leads."""
    facts = dict.fromkeys(NAMES, samples.serving(NEW))
    plan = back(fleet(facts=facts, current=NEW))
    first = plan.waves[0].steps[0]
    assert first.action == SetCurrent(OLD, before=OLDER)
    assert first.summary == f"make {OLD} current again"
    assert plan.hosts == ("i-1", "i-2", "i-3")


def test_a_pointer_that_somebody_else_moved_is_left_alone() -> None:
    """It is not this rollout's."""
    assert not back(fleet(current="r-222222222222"))


def test_a_host_that_joined_with_the_new_release_goes_back_too() -> None:
    """It took what was current then; one that joined with the old one stays."""
    joined = replace(samples.serving(NEW), releases=(NEW,))
    facts = {**fleet().facts, "i-3": joined}
    before = {"i-1": OLD, "i-2": OLD}
    assert starts(back(fleet(facts=facts), before=before)) == {"i-3": ApplyRelease(OLD, fetch=True)}
    assert not back(fleet(), before=before)
    assert not back(fleet(facts=facts), before=before, whole=False)


def test_a_host_that_nobody_reaches_is_no_success() -> None:
    """It may run the new release; one that the rollout had nothing to do with does not count."""
    facts = {name: samples.serving(OLD) for name in ("i-1", "i-2")}
    lost = fleet(facts=facts, unreachable={"i-3": "no route to host"})
    assert back(lost).left_out == {"i-3": "no route to host"}
    assert back(lost, before={"i-1": OLD, "i-2": OLD}).left_out == {}
