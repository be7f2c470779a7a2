"""Back to a release that was published before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.errors import PlanError, Refused
from provision.facts.inventory import Inventory
from provision.planning.actions import ApplyRelease, AskThroughLoadBalancer, SetCurrent
from provision.planning.pace import CAREFUL
from provision.planning.rollback import Published, plan_rollback
from provision.planning.situation import Situation
from provision.testing import samples

OLD, NEW = "r-000000000000", "r-111111111111"
BACK = Published(OLD, "mistral-7b", chat=False)
HOSTS = samples.hosts(2)


def fleet(**changes: object) -> Situation:
    """Two hosts that serve the new release and still hold the old one."""
    there = replace(samples.serving(NEW), releases=(NEW, OLD))
    base = Situation(
        Inventory(HOSTS),
        {host.name: there for host in HOSTS},
        in_traffic=frozenset(host.name for host in HOSTS),
        current=NEW,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_host_by_host_and_then_it_is_current() -> None:
    """What is on the hosts is used as it is; booting hosts take it once all serve it."""
    plan = plan_rollback(samples.environment(), BACK, fleet(), CAREFUL)
    assert [wave.title for wave in plan] == [
        "get ready",
        "before",
        "change i-1: 1 of 2 keep serving",
        "change i-2: 1 of 2 keep serving",
        "finish",
    ]
    actions = [step.action for wave in plan for step in wave.steps]
    assert [one for one in actions if isinstance(one, ApplyRelease)] == [ApplyRelease(OLD)] * 2
    assert AskThroughLoadBalancer("mistral-7b", 120.0, chat=False) in actions
    assert actions[-1] == SetCurrent(OLD, before=NEW)
    assert [step.summary for step in plan.afterwards] == ["free the group"]
    assert plan.notes == ()


def test_a_host_that_lacks_it_fetches_it() -> None:
    """From the bucket; that is said."""
    facts = {**fleet().facts, "i-2": samples.serving(NEW)}
    plan = plan_rollback(samples.environment(), BACK, fleet(facts=facts), CAREFUL)
    starts = [s.action for w in plan for s in w.steps if isinstance(s.action, ApplyRelease)]
    assert starts == [ApplyRelease(OLD), ApplyRelease(OLD, fetch=True)]
    assert plan.notes == ("i-2 fetch the release from the bucket",)


def test_an_engine_that_just_died_does_not_serve() -> None:
    """Whatever the load balancer still says: it comes first, and the other one is not the second
    of two that serve."""
    dead = replace(samples.serving(NEW), agent={"state": "starting"}, releases=(NEW, OLD))
    now = fleet(facts={**fleet().facts, "i-2": dead})
    plan = plan_rollback(samples.environment(), BACK, now, CAREFUL)
    assert [wave.title for wave in plan if "serving" in wave.title] == [
        "bring back i-2: 1 of 1 keep serving",
        "change i-1: 1 of 2 keep serving",
    ]


def test_a_host_that_is_gone_does_not_serve() -> None:
    """The load balancer calls its target healthy until it has missed two checks."""
    one = {"i-1": fleet().facts["i-1"]}
    gone = fleet(inventory=Inventory(HOSTS[:1]), facts=one, fleet=frozenset({"i-1"}))
    with pytest.raises(Refused, match="1 host"):
        plan_rollback(samples.environment(), BACK, gone, CAREFUL)


def test_all_serve_it_already() -> None:
    """Nothing to do; or only `current` lags behind."""
    facts = {host.name: samples.serving(OLD) for host in HOSTS}
    there = fleet(facts=facts, current=OLD)
    assert not plan_rollback(samples.environment(), BACK, there, CAREFUL)
    lagging = plan_rollback(samples.environment(), BACK, replace(there, current=NEW), CAREFUL)
    assert [wave.title for wave in lagging] == ["finish"]
    assert lagging.afterwards == ()


def test_some_hosts_never_move_current() -> None:
    """And that is said."""
    plan = plan_rollback(samples.environment(), BACK, fleet(partial=True), CAREFUL)
    assert not [s for w in plan for s in w.steps if isinstance(s.action, SetCurrent)]
    assert plan.notes == (f"only some hosts: booting hosts keep taking {NEW}",)


def test_what_it_needs_is_gone() -> None:
    """Refused before a host leaves traffic."""
    gone = replace(BACK, missing=("the image engine-1 is not in the registry",))
    with pytest.raises(Refused, match="can't run any more: the image engine-1"):
        plan_rollback(samples.environment(), gone, fleet(), CAREFUL)


def test_nobody_to_bring_back() -> None:
    """With the reasons."""
    nobody = fleet(facts={}, unreachable={"i-1": "no route", "i-2": "no route"})
    with pytest.raises(PlanError, match=r"no host can be reached\n  i-1: no route"):
        plan_rollback(samples.environment(), BACK, nobody, CAREFUL)


def test_a_host_that_nobody_sees() -> None:
    """It would come back with the other release in the middle: refused."""
    lost = fleet(facts={"i-1": fleet().facts["i-1"]}, unreachable={"i-2": "no route"})
    with pytest.raises(Refused, match="can be seen"):
        plan_rollback(samples.environment(), BACK, lost, CAREFUL)


@pytest.mark.parametrize(
    ("made_for", "why"),
    [
        ({"engines": 4, "gpus_each": 2}, "it needs 8 GPU(s), and there are 1"),
        (
            {"engines": 1, "gpus_each": 1, "weights_bytes": 140 * 2**30},
            "each GPU would hold 140.0 GiB of weights, and has 22.5 GiB",
        ),
    ],
)
def test_a_release_that_was_made_for_other_hosts(made_for: dict[str, int], why: str) -> None:
    """Refused host by host, before one leaves traffic."""
    other = replace(BACK, **made_for)  # type: ignore[arg-type]
    with pytest.raises(Refused) as refused:
        plan_rollback(samples.environment(), other, fleet(), CAREFUL)
    assert refused.value.message == (f"{OLD} (mistral-7b) does not fit\n  i-1: {why}\n  i-2: {why}")


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"engines": 1, "gpus_each": 1},
        {"engines": 1, "gpus_each": 1, "weights_bytes": 15 * 2**30},
    ],
)
def test_one_that_fits_as_far_as_anybody_knows(known: dict[str, int]) -> None:
    """Unknown is no reason to refuse."""
    fitting = replace(BACK, **known)  # type: ignore[arg-type]
    assert plan_rollback(samples.environment(), fitting, fleet(), CAREFUL)
