"""What the switch remembers, when it is right and when it is not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from provision.switch.hints import rebuilt, text_of
from provision.switch.values import Mode, Proof, Run, State
from tests.switch.scenes import NOW, POLICY, away, primary, ramping

STATES = [
    primary(),
    primary(mode=Mode.PARTIAL, share=70, hold_s=300.0, hold_until=NOW + 100, run=Run(3, 1.0, 2.0)),
    away(paged={"both": NOW - 3}, floored=("AlarmNotification",)),
    away(Mode.HALF_OPEN, run=Run(4, NOW - 30, NOW - 6), floored=()),
    away(Mode.FROZEN, intent_version=7),
    ramping(25, proof=Proof(misses=2)),
]


@pytest.mark.parametrize("state", STATES)
def test_what_is_written_is_read_again(state: State) -> None:
    """Every field of it, when the rule still has those weights."""
    assert rebuilt(state.share, text_of(state), POLICY, NOW) == (state, "")


@pytest.mark.parametrize("state", STATES)
def test_the_text_fits_a_standard_parameter(state: State) -> None:
    """4,096 characters, with three pages and four trips on record."""
    full = replace(
        state, trips=(NOW - 1, NOW - 2, NOW - 3, NOW - 4), paged=dict.fromkeys("abcdefgh", NOW)
    )
    assert len(text_of(full)) < 1500


@pytest.mark.parametrize(
    ("share", "mode", "hold_until"),
    [
        (100, Mode.PRIMARY, 0.0),
        (0, Mode.FALLBACK, NOW + 300),
        (70, Mode.PARTIAL, NOW + 300),
        (25, Mode.RAMP, 0.0),
        (40, Mode.RAMP, 0.0),
    ],
)
def test_without_hints_the_weights_say_where_the_switch_stands(
    share: int, mode: Mode, hold_until: float
) -> None:
    """Weights that the switch never writes are a step of the ramp: it goes on from there."""
    state, _ = rebuilt(share, None, POLICY, NOW)
    assert (state.mode, state.share, state.hold_until) == (mode, share, hold_until)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "[]",
        "{}",
        json.dumps({**json.loads(text_of(away())), "format": 2}),
        json.dumps({**json.loads(text_of(away())), "mode": "asleep"}),
        json.dumps({**json.loads(text_of(away())), "share": 70}),
        json.dumps({**json.loads(text_of(away())), "trips": [None]}),
        text_of(away()).replace(str(NOW + 290), "NaN"),
        text_of(away()).replace(str(NOW + 290), "Infinity"),
    ],
)
def test_hints_that_can_not_be_read_are_made_anew(text: str) -> None:
    """And the audit line says so."""
    state, problem = rebuilt(0, text, POLICY, NOW)
    assert (state.mode, state.hold_until) == (Mode.FALLBACK, NOW + 300)
    assert problem.startswith("the hints can't be read")


class TestTheWeightsWin:
    def test_a_run_that_died_before_it_wrote_hints_still_counts_as_a_trip(self) -> None:
        """Else a switch that dies each time would never freeze."""
        state, problem = rebuilt(0, text_of(primary(trips=(NOW - 50,))), POLICY, NOW)
        assert (state.mode, state.trips) == (Mode.FALLBACK, (NOW - 50, NOW))
        assert problem == "the hints were written for 100 %, the rule has 0 %: the rule wins"

    def test_weights_moved_back_by_hand_end_the_hold(self) -> None:
        """A person put 100/0: that is where the switch stands, with its record kept."""
        state, _ = rebuilt(100, text_of(away()), POLICY, NOW)
        assert (state.mode, state.hold_until, state.back_at) == (Mode.PRIMARY, 0.0, NOW)
        assert state.trips == away().trips

    def test_a_long_hold_is_not_shortened_by_it(self) -> None:
        """Half-way by hand and away again: the doubled hold is still the last one."""
        told = ramping(25, hold_s=1200.0)
        state, _ = rebuilt(0, text_of(told), POLICY, NOW)
        assert (state.hold_s, state.hold_until) == (1200.0, NOW + 1200)

    def test_the_processes_that_were_suspended_are_not_forgotten(self) -> None:
        """Whoever moved the weights did not resume them."""
        told = away(floored=("ScheduledActions",))
        assert rebuilt(100, text_of(told), POLICY, NOW)[0].floored == ("ScheduledActions",)


class TestOtherClocks:
    def test_moments_ahead_are_now(self) -> None:
        """A hint from a clock that goes ahead must not hold, or delay, for as long as it does."""
        ahead = NOW + 50_000
        told = away(
            since=ahead,
            hold_until=ahead,
            back_at=ahead,
            trips=(ahead,),
            proof=Proof(ahead, ahead),
            paged={"both": ahead},
        )
        state, _ = rebuilt(0, text_of(told), POLICY, NOW)
        assert state.hold_until == NOW + POLICY.hold_cap_s
        assert (state.since, state.back_at, state.trips) == (NOW, NOW, (NOW,))
        assert (state.proof, state.paged) == (Proof(NOW, NOW), {"both": NOW})

    def test_a_run_of_tokens_ahead_is_none(self) -> None:
        """Tokens that nobody can have asked for yet prove nothing."""
        told = away(Mode.HALF_OPEN, run=Run(9, NOW, NOW + 60))
        assert rebuilt(0, text_of(told), POLICY, NOW)[0].run == Run()

    def test_holds_are_within_what_the_policy_allows(self) -> None:
        """Neither negative nor a week."""
        for hold_s, expected in ((-5.0, 0.0), (600_000.0, 3600.0)):
            assert rebuilt(0, text_of(away(hold_s=hold_s)), POLICY, NOW)[0].hold_s == expected
