"""Hosts with several engines: which are changed one at a time, and what that looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import Refused
from provision.facts.host import HostFacts
from provision.facts.inventory import Inventory
from provision.planning.actions import ApplyRelease, DrainHost, EndMaintenance, LeaveTraffic
from provision.planning.engines import engines_of, singly
from provision.planning.intent import Intent, Kind
from provision.planning.pace import CAREFUL, Pace
from provision.planning.plan import Plan
from provision.planning.restart import plan_rest_of_restart, plan_restart
from provision.planning.rollback import Published, plan_rollback
from provision.planning.situation import Situation
from provision.planning.way_back import plan_return
from provision.testing import samples

OLD, NEW = "r-000000000000", "r-111111111111"
ENVIRONMENT = samples.environment()
BIG = Published(NEW, "mistral-7b", engines=4)
QUICK = Pace(bake_s=5.0)


def engine(index: int, release: str | None = OLD, **said: Any) -> dict[str, Any]:
    """What an agent says of an engine that serves, unless *said* otherwise."""
    well = {"index": index, "release": release, "ready_for": release, "state": "ready"}
    return {**well, "out": False, "away": None, "uptime_s": 9000.0, **said}


def host(*engines: Mapping[str, Any], release: str = OLD, **agent: Any) -> HostFacts:
    """A host with four engines that serve *release*, unless said otherwise."""
    replicas = engines or tuple(engine(index, release) for index in range(4))
    mixed = {one["ready_for"] for one in replicas} != {release}
    base = samples.serving(release)
    said = {"ready_for": None if mixed else release, "replicas": list(replicas), **agent}
    return replace(base, releases=(OLD, NEW), agent={**(base.agent or {}), **said})


def fleet(*hosts: HostFacts, **changes: Any) -> Situation:
    """Hosts in traffic; the old release is current."""
    there = samples.hosts(len(hosts))
    facts = {one.name: said for one, said in zip(there, hosts, strict=True)}
    base = Situation(Inventory(there), facts, in_traffic=frozenset(facts), current=OLD)
    return replace(base, **changes)


def shown(plan: Plan) -> list[str]:
    return [f"{s.host.name} {s.summary}" for w in plan for s in w.steps if s.host]


def started(plan: Plan) -> list[tuple[str, int | None]]:
    return [
        (step.host.name, step.action.replica)
        for wave in plan
        for step in wave.steps
        if step.host and isinstance(step.action, ApplyRelease)
    ]


class TestRestart:
    def test_a_single_host_loses_no_traffic(self) -> None:
        """Each engine in its turn; the host never leaves, so one host is enough."""
        plan = plan_restart(ENVIRONMENT, fleet(host(engine(0), engine(1))), QUICK)
        (change,) = [wave for wave in plan if wave.title.startswith("change")]
        assert change.title == "change i-1, engine by engine: 1 of 1 keep serving"
        assert [step.summary for step in change.steps] == [
            "leave engine 0 out",
            "empty engine 0",
            f"start {OLD} on engine 0",
            "wait until engine 0 is ready",
            "take engine 0 in",
            "watch engine 0 for 5 s",
            "leave engine 1 out",
            "empty engine 1",
            f"start {OLD} on engine 1",
            "wait until engine 1 is ready",
            "take engine 1 in",
            "watch it for 5 s",
        ]
        assert not [s for s in change.steps if isinstance(s.action, LeaveTraffic)]
        starts = [s.action for s in change.steps if isinstance(s.action, ApplyRelease)]
        assert [one.restart for one in starts] == [True, True]

    def test_only_the_old_engines(self) -> None:
        """A crash made one of them young; one whose age nobody knows is restarted."""
        mixed = host(engine(0, uptime_s=60.0), engine(1), engine(2, uptime_s=None))
        plan = plan_restart(ENVIRONMENT, fleet(mixed), QUICK, older_than_s=3600.0)
        assert started(plan) == [("i-1", 1), ("i-1", 2)]

    def test_the_rest_of_it(self) -> None:
        """Engines that are younger than the rollout had their turn; the one that was away has not
        come back."""
        broke_off = host(
            engine(0, uptime_s=60.0), engine(1, uptime_s=20.0, out=True, away={}), engine(2)
        )
        meant = Intent(Kind.RESTART, "mistral-7b", True, QUICK, {"i-1": OLD})
        plan = plan_rest_of_restart(ENVIRONMENT, fleet(broke_off), meant, elapsed_s=600.0)
        assert started(plan) == [("i-1", 1), ("i-1", 2)]

    def test_one_that_is_broken_comes_first(self) -> None:
        """It costs nothing, and nobody waits for it to be empty."""
        sick = host(engine(0), engine(1), engine(2, ready_for=None, state="hung", out=True))
        plan = plan_restart(ENVIRONMENT, fleet(sick), QUICK)
        assert started(plan) == [("i-1", 2), ("i-1", 0), ("i-1", 1)]
        emptied = [
            s.action.replica for w in plan for s in w.steps if isinstance(s.action, DrainHost)
        ]
        assert emptied == [0, 1]


class TestNewRelease:
    def test_engines_first_then_the_front(self) -> None:
        """The host leaves for the moment of its front only, when all engines have it."""
        plan = plan_rollback(ENVIRONMENT, BIG, fleet(host(), host()), CAREFUL)
        assert [wave.title for wave in plan] == [
            "get ready",
            "before",
            "change i-1, engine by engine: 1 of 2 keep serving",
            "change i-2, engine by engine: 1 of 2 keep serving",
            "finish",
        ]
        assert started(plan)[:5] == [("i-1", 0), ("i-1", 1), ("i-1", 2), ("i-1", 3), ("i-1", None)]
        summaries = [line for line in shown(plan) if line.startswith("i-1")]
        assert summaries[-8:] == [
            "i-1 mark as away on purpose",
            "i-1 leave traffic",
            "i-1 wait until it is empty",
            f"i-1 start {NEW}",
            "i-1 wait until ready",
            "i-1 ask its own front",
            "i-1 enter traffic",
            "i-1 watch it for 30 s",
        ]
        (whole,) = [
            s
            for w in plan
            for s in w.steps
            if s.host
            and s.host.name == "i-1"
            and isinstance(s.action, ApplyRelease)
            and s.action.replica is None
        ]
        assert whole.reason == "its front and what the engines share"

    def test_the_only_host(self) -> None:
        """For the moment of its front nobody would serve."""
        with pytest.raises(Refused):
            plan_rollback(ENVIRONMENT, BIG, fleet(host()), CAREFUL)

    @pytest.mark.parametrize(
        "other",
        [
            replace(BIG, engines=2),
            replace(BIG, engines=None),
            replace(BIG, model="llama-3.1-70b"),
        ],
    )
    def test_one_that_uses_the_host_in_another_way(self, other: Published) -> None:
        """Other engines, other name, or nobody knows: as a whole, as hosts with one engine."""
        plan = plan_rollback(ENVIRONMENT, other, fleet(host(), host()), CAREFUL)
        assert started(plan) == [("i-1", None), ("i-2", None)]

    def test_half_way(self) -> None:
        """What broke off between two engines goes on with the others; then the front."""
        half = host(engine(0, NEW), engine(1, NEW), engine(2), engine(3))
        plan = plan_rollback(ENVIRONMENT, BIG, fleet(half, host()), CAREFUL)
        assert [one for one in started(plan) if one[0] == "i-1"] == [
            ("i-1", 2),
            ("i-1", 3),
            ("i-1", None),
        ]

    def test_half_way_back(self) -> None:
        """Only the engines that moved; the host never ran the new release as a whole."""
        half = host(engine(0, NEW), engine(1, NEW, out=True, away={}), engine(2), engine(3))
        meant = Intent(Kind.RELEASE, "m", True, CAREFUL, {"i-1": OLD, "i-2": OLD}, NEW)
        plan = plan_return(ENVIRONMENT, meant, fleet(half, host()))
        assert started(plan) == [("i-1", 1), ("i-1", 0)]
        assert plan.hosts == ("i-1",)


class TestAsAWhole:
    def test_a_host_that_does_not_serve(self) -> None:
        """There is nothing to protect."""
        away = fleet(host(maintenance={"until": 1.0}), host())
        plan = plan_restart(ENVIRONMENT, away, QUICK)
        assert started(plan)[0] == ("i-1", None)

    def test_the_last_engine_that_serves(self) -> None:
        """Without it the host would not serve: it leaves as any other."""
        last = host(engine(0), engine(1, ready_for=None, state="hung", out=True))
        assert started(plan_restart(ENVIRONMENT, fleet(last, host()), QUICK))[0] == ("i-1", None)

    def test_an_agent_that_knows_whole_hosts_only(self) -> None:
        """Of a release from before."""
        older = host(engine(0, None), engine(1, None))
        assert started(plan_restart(ENVIRONMENT, fleet(older, host()), QUICK))[0] == ("i-1", None)


@given(
    engines=st.lists(
        st.tuples(st.sampled_from([OLD, NEW, None]), st.booleans(), st.none() | st.floats(0, 9000)),
        max_size=8,
    ),
    older=st.none() | st.just(0.0) | st.just(3600.0),
    same=st.booleans(),
)
def test_somebody_serves_while_each_is_away(
    engines: list[tuple[str | None, bool, float | None]], older: float | None, same: bool
) -> None:
    """Whatever is there: each engine once, and at no moment none of the host."""
    facts = host(
        *(
            engine(n, release, ready_for=release if well else None, uptime_s=age)
            for n, (release, well, age) in enumerate(engines)
        )
    )
    change = singly(facts, NEW, same_shape=same, older_than_s=older)
    assert len(set(change)) == len(change)
    serving = {one.index for one in engines_of(facts) if one.serves}
    for index in change:
        assert serving - {index}
        serving.add(index)


def test_taking_an_engine_in_is_an_action_of_its_own() -> None:
    """It ends when the front sends to it again."""
    plan = plan_restart(ENVIRONMENT, fleet(host(engine(0), engine(1))), QUICK)
    taken = [s.action for w in plan for s in w.steps if isinstance(s.action, EndMaintenance)]
    assert taken == [EndMaintenance(0), EndMaintenance(1)]
