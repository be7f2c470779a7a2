"""Wishes, durations and what was spent."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import UsageError
from provision.facts.spend import HostedSpend
from provision.planning.fallback import (
    Mode,
    Spend,
    Wish,
    duration_s,
    parse_wish,
    spend_of,
)
from provision.switch.intent import parse as switch_reads
from provision.switch.values import Wish as SwitchWish

AT = 1_800_000_000.0


def test_the_text_is_what_the_switch_reads() -> None:
    """Its own parser finds mode, person, reason and end in it."""
    wish = Wish(Mode.ON, "anna@laptop", "new GPUs", AT + 7200.0)
    assert json.loads(wish.to_json()) == {
        "mode": "force-fallback",
        "by": "anna@laptop",
        "reason": "new GPUs",
        "expires_at": "2027-01-15T10:00:00+00:00",
    }
    read = switch_reads(wish.to_json(), 3, AT)
    assert (read.wish, read.by, read.reason) == (
        SwitchWish.FORCE_FALLBACK,
        "anna@laptop",
        "new GPUs",
    )
    assert read.expires_at == AT + 7200.0
    assert read.problem == ""


def test_the_words_are_the_switch_s_own() -> None:
    """None more, none less."""
    assert {str(mode) for mode in Mode} == {str(wish) for wish in SwitchWish}


@given(
    mode=st.sampled_from(Mode),
    by=st.text(max_size=20),
    reason=st.text(max_size=40),
    lasts_s=st.none() | st.integers(0, 10_000),
)
def test_a_wish_comes_back_as_it_was(mode: Mode, by: str, reason: str, lasts_s: int | None) -> None:
    """Through its text, to the second."""
    wish = Wish(mode, by, reason, None if lasts_s is None else AT + lasts_s)
    assert parse_wish(wish.to_json()) == wish


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"mode": "please"}', '{"mode": "auto", "expires_at": "soon"}']
)
def test_what_is_no_wish(text: str) -> None:
    """A person may write anything there."""
    assert parse_wish(text) is None


def test_a_wish_that_has_run_out_wants_nothing() -> None:
    """Nor does one for the switch's own judgement."""
    assert Wish(Mode.FREEZE, "a", "b", AT + 1).holds(AT)
    assert Wish(Mode.FREEZE, "a", "b").holds(AT)
    assert not Wish(Mode.FREEZE, "a", "b", AT).holds(AT)
    assert not Wish(Mode.AUTO, "a", "b").holds(AT)


@pytest.mark.parametrize(
    ("said", "seconds"), [("90m", 5400.0), ("2h", 7200.0), ("7d", 604_800.0), ("1m", 60.0)]
)
def test_a_time(said: str, seconds: float) -> None:
    """A number and a unit."""
    assert duration_s(said, flag="--for") == seconds


@pytest.mark.parametrize("said", ["", "2", "0h", "8d", "soon", "-1h", "2 h", "2w"])
def test_what_is_no_time(said: str) -> None:
    """With the flag that it was said to."""
    with pytest.raises(UsageError, match=f"--for {said!r} is no time"):
        duration_s(said, flag="--for")


def test_what_was_spent() -> None:
    """What is reserved counts: it may be spent in the next moment."""
    counted = HostedSpend("2026-11-21", *(Decimal(text) for text in ("0.2", "0.05", "9", "0.5")))
    assert spend_of(counted, daily=20.0, monthly=None) == Spend(
        today=Decimal("0.25"), month=Decimal("9.5"), daily_cap=Decimal(20), monthly_cap=None
    )
