"""A rehearsed outage: the plan, and what its clients had of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.config.fallback import FallbackSettings
from provision.errors import Refused
from provision.facts.inventory import Inventory
from provision.planning.actions import EnterTraffic, LeaveTraffic
from provision.planning.drill import Drilled, Sample, drilled, plan_drill
from provision.planning.fallback import FallbackStatus, Mode, Wish
from provision.planning.levers import Linger, PutWish, WaitShare
from provision.planning.plan import Plan
from provision.planning.situation import Situation
from provision.testing import samples

AT = 1_800_000_000.0
RELEASE = "r-000000000000"
ENVIRONMENT = samples.environment(fallback=FallbackSettings(providers=("openai/gpt-4o-mini",)))
WELL = FallbackStatus(100, None, {"mode": {"was": "primary", "now": "primary"}})
HOSTS = samples.hosts(2)


def fleet(**changes: Any) -> Situation:
    """Two hosts that serve, with all traffic on them."""
    facts = {host.name: samples.serving(RELEASE) for host in HOSTS}
    base = Situation(
        Inventory(HOSTS), facts, in_traffic=frozenset(facts), current=RELEASE, primary_weight=100
    )
    return replace(base, **changes)


def plan(*, outage: bool = False, status: FallbackStatus = WELL, **changes: Any) -> Plan:
    return plan_drill(
        ENVIRONMENT,
        fleet(**changes),
        status,
        by="anna@laptop",
        now=AT,
        away_s=60.0,
        outage=outage,
    )


def actions(planned: Plan) -> list[object]:
    return [step.action for wave in planned for step in wave.steps]


class TestPlan:
    def test_by_a_wish(self) -> None:
        """It runs out by itself if its owner dies, and is ended in every ending."""
        planned = plan()
        over = Wish(Mode.AUTO, "anna@laptop", "the drill is over")
        assert actions(planned) == [
            PutWish(Wish(Mode.ON, "anna@laptop", "a drill", AT + 60.0 + 1800.0)),
            WaitShare(0, 180.0),
            Linger(60.0),
            PutWish(over),
            WaitShare(100, 900.0),
        ]
        assert [step.action for step in planned.afterwards] == [PutWish(over)]
        assert planned.title == "drill test: a wish, for 60 s"

    def test_by_an_outage(self) -> None:
        """All hosts leave, also the last one; the switch is told nothing; all come back in every
        ending."""
        planned = plan(outage=True)
        assert [wave.title for wave in planned] == [
            "outage",
            "all away",
            "stay away",
            "hosts back",
            "all back",
        ]
        left = [one for one in actions(planned) if isinstance(one, LeaveTraffic)]
        assert left == [LeaveTraffic(60.0, others=0)] * 2
        assert not [one for one in actions(planned) if isinstance(one, PutWish)]
        assert actions(planned)[-1] == WaitShare(100, 1200.0)
        assert [type(step.action) for step in planned.afterwards] == [EnterTraffic] * 2
        assert "clients get errors" in planned.notes[0]

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"primary_weight": 70}, "our own hosts get 70 %"),
            ({"primary_weight": None}, "our own hosts get None %"),
            ({"status": replace(WELL, line=None, error="no such function")}, "can't be asked: no"),
            (
                {"status": replace(WELL, wish=Wish(Mode.FREEZE, "bob", "a fire"))},
                "bob wants freeze",
            ),
            ({"status": replace(WELL, line={"mode": {"was": "ramp"}})}, "the switch says: ramp"),
            ({"facts": {}, "in_traffic": frozenset()}, "no host serves"),
        ],
    )
    def test_only_from_a_calm_state(self, changes: dict[str, Any], why: str) -> None:
        """What is not as it shall be in the end can't be restored."""
        with pytest.raises(Refused) as refused:
            plan(**changes)
        assert why in refused.value.message
        assert refused.value.hint

    def test_an_outage_needs_to_see_every_host(self) -> None:
        """One that can't be told to come back must not be sent away."""
        with pytest.raises(Refused, match="i-3 can't be reached"):
            plan(outage=True, unreachable={"i-3": "no route"})


def asked(*said: tuple[float, str]) -> list[Sample]:
    """Questions at these seconds, and who answered ("": nobody)."""
    return [Sample(at, 0.2, 200 if tier else 503, tier) for at, tier in said]


class TestMeasured:
    def test_both_ways(self) -> None:
        """From the beginning to the first answer after which only the fallback answered, and from
        the end of the outage to the first after which only our own did."""
        what = drilled(
            asked(
                (1.0, "primary"),
                (2.0, "hosted"),
                (3.0, ""),
                (4.0, "primary"),
                (5.0, "hosted"),
                (6.0, "hosted"),
                (11.0, "hosted"),
                (12.0, "primary"),
                (13.0, "hosted"),
                (14.0, "primary"),
                (15.0, "primary"),
            ),
            ended_at=10.0,
        )
        assert what == Drilled(
            asked=11,
            answered=10,
            lost=1,
            longest_gap_s=1.0,
            tiers={"primary": 5, "hosted": 5},
            to_fallback_s=5.0,
            to_primary_s=4.0,
        )

    def test_it_never_came(self) -> None:
        """That is known, and no number."""
        what = drilled(asked((1.0, "primary"), (12.0, "hosted")), ended_at=10.0)
        assert (what.to_fallback_s, what.to_primary_s) == (None, None)

    def test_stale_answers_are_the_fallback_s(self) -> None:
        """The last tier is still one."""
        assert drilled(asked((3.0, "stale")), ended_at=10.0).to_fallback_s == 3.0

    def test_nobody_answered_at_all(self) -> None:
        """The gap lasts until the last question was given up."""
        what = drilled(asked((0.0, ""), (5.0, "")), ended_at=10.0)
        assert (what.answered, what.lost, what.longest_gap_s) == (0, 2, 5.2)

    def test_nobody_asked(self) -> None:
        """Nothing is known."""
        assert drilled([], ended_at=1.0) == Drilled(0, 0, 0, 0.0, {}, None, None)

    @given(
        st.lists(
            st.tuples(st.floats(0, 100), st.sampled_from(["primary", "hosted", "stale", ""])),
            max_size=30,
        )
    )
    def test_every_question_is_counted_once(self, said: Sequence[tuple[float, str]]) -> None:
        """Whatever came, in whatever order it is handed in."""
        what = drilled(asked(*said), ended_at=50.0)
        assert what.asked == len(said) == what.answered + what.lost
        assert what.answered == sum(what.tiers.values())
        assert what.longest_gap_s >= 0.0
