"""What an earlier run left behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from provision.catalog.prices.price import Payment
from provision.errors import PlanError, Refused
from provision.facts.reservations import Capacity, Kind, Reserved
from provision.planning.cost.purchase import Entry, bought_before, parse

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WANTED = Entry(
    offering="offering-1",
    kind=Kind.RESERVED,
    name="reserved-1y-partial-upfront",
    instance_type="g5.xlarge",
    count=2,
    cash_now=Decimal("5288.00"),
    hourly=Decimal("0.6036"),
    began=NOW,
)
HELD = Reserved(
    id="ri-1",
    instance_type="g5.xlarge",
    count=2,
    zone="",
    years=1,
    payment=Payment.PARTIAL_UPFRONT,
    upfront=Decimal("2644.0"),
    hourly=Decimal("0.3018"),
    starts=NOW - timedelta(minutes=5),
    ends=NOW + timedelta(days=365),
    state="payment-pending",
)
BLOCK = replace(WANTED, offering="cb-1", kind=Kind.CAPACITY_BLOCK, name="capacity-block")
TAGGED = Capacity(
    id="cr-1",
    instance_type="g5.xlarge",
    zone="us-east-1a",
    total=2,
    available=2,
    starts=NOW + timedelta(days=9),
    ends=NOW + timedelta(days=16),
    state="scheduled",
    block=True,
    tags={"llm-fleet:offering": "cb-1"},
)


def ago(minutes: float, *, bought: str | None = None, what: Entry = WANTED) -> Entry:
    return replace(what, began=NOW - timedelta(minutes=minutes), bought=bought)


def before(
    wanted: Entry | None,
    entry: Entry | None,
    *held: Reserved | Capacity,
) -> str | None:
    return bought_before(
        wanted,
        entry,
        reserved=[each for each in held if isinstance(each, Reserved)],
        capacity=[each for each in held if isinstance(each, Capacity)],
        now=NOW,
    )


def test_nothing_before() -> None:
    """Free to buy."""
    assert before(WANTED, None) is None


def test_the_same_command_within_the_hour() -> None:
    """What was bought is told again, even when the offering is gone by now."""
    assert before(WANTED, ago(59, bought="ri-1")) == "ri-1"
    assert before(None, ago(59, bought="ri-1")) == "ri-1"


def test_the_same_command_another_day() -> None:
    """Whoever asks again means it."""
    assert before(WANTED, ago(61, bought="ri-0")) is None


def test_a_reservation_of_the_last_hour_is_found_by_its_terms() -> None:
    """Also when nobody wrote anything down, as in the console."""
    assert before(WANTED, None, HELD) == "ri-1"


@pytest.mark.parametrize(
    "other",
    [
        replace(HELD, starts=NOW - timedelta(minutes=61)),
        replace(HELD, count=1),
        replace(HELD, instance_type="g5.2xlarge"),
        replace(HELD, zone="us-east-1a"),
        replace(HELD, years=3),
        replace(HELD, payment=Payment.ALL_UPFRONT),
        replace(HELD, upfront=Decimal(2645)),
        replace(HELD, hourly=Decimal("0.3")),
        replace(HELD, offering_class="convertible"),
        replace(HELD, state="payment-failed"),
    ],
)
def test_another_reservation_is_another(other: Reserved) -> None:
    """Older, or different in any term."""
    assert before(WANTED, None, other) is None


def test_a_run_that_died_after_buying() -> None:
    """Its reservation is found, also hours later, also when the offering is gone."""
    died = ago(300)
    late = replace(HELD, starts=died.began + timedelta(seconds=3))
    assert before(WANTED, died, late) == "ri-1"
    assert before(None, died, late) == "ri-1"


def test_a_run_that_died_before_anyone_can_know() -> None:
    """Not bought again until AWS would show it."""
    with pytest.raises(Refused, match=r"began at 11:46 UTC.*nobody knows") as caught:
        before(WANTED, ago(14))
    assert "after 12:01 UTC" in caught.value.hint


def test_a_run_that_died_and_bought_nothing() -> None:
    """After a quarter of an hour AWS would show it."""
    assert before(WANTED, ago(15)) is None


def test_a_block_is_found_by_its_tag() -> None:
    """Whenever it was bought: an offering of a block sells once."""
    assert before(BLOCK, None, TAGGED) == "cr-1"
    assert before(BLOCK, None, replace(TAGGED, tags={})) is None
    assert before(BLOCK, None, replace(TAGGED, state="cancelled")) is None
    assert before(None, ago(300, what=BLOCK), TAGGED) == "cr-1"


def test_on_demand_capacity_can_be_had_again() -> None:
    """Its offering is a zone: only a reservation of the last hour is the same purchase."""
    wanted = replace(BLOCK, offering="on-demand-a", kind=Kind.CAPACITY)
    tags = {"llm-fleet:offering": "on-demand-a"}
    held = replace(TAGGED, tags=tags, block=False, state="active", ends=None)
    assert before(wanted, None, replace(held, starts=NOW - timedelta(minutes=3))) == "cr-1"
    assert before(wanted, None, replace(held, starts=NOW - timedelta(days=3))) is None


def test_an_entry_comes_back_as_it_was() -> None:
    """Through its text."""
    entry = ago(3, bought="ri-1")
    assert parse(entry.text()) == entry
    assert parse(ago(3).text()) == ago(3)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "reserved"}', "null"])
def test_an_entry_that_nobody_can_read(text: str) -> None:
    """A person must look: it may stand for money."""
    with pytest.raises(PlanError, match="can't be read"):
        parse(text)


def test_a_token_belongs_to_one_run() -> None:
    """The same entry has the same one, another run another."""
    assert ago(3).token == ago(3).token
    assert len({ago(3).token, ago(4).token, replace(ago(3), count=1).token}) == 3
