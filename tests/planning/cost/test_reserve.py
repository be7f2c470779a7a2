"""What a commitment costs and when it pays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.catalog.prices.price import Payment
from provision.errors import Refused, UsageError
from provision.facts.reservations import BlockOffering, Kind, ReservedOffering
from provision.planning.cost.money import HOURS_PER_MONTH, cents
from provision.planning.cost.reserve import (
    Offer,
    block_hours,
    block_offers,
    capacity_offers,
    has_blocks,
    pick,
    require_limit,
    require_same,
    reserved_offers,
)

START = datetime(2026, 12, 1, 11, 30, tzinfo=UTC)
ON_DEMAND = Decimal("1.006")
usd = st.decimals("0", "100000", places=4, allow_nan=False)
rates = st.decimals("0.0001", "200", places=4, allow_nan=False)
counts = st.integers(1, 64)


def offering(
    years: int = 1, payment: Payment = Payment.NO_UPFRONT, upfront: str = "0", hourly: str = "0.634"
) -> ReservedOffering:
    id_ = f"{years}-{payment}"
    return ReservedOffering(id_, "g5.xlarge", years, payment, Decimal(upfront), Decimal(hourly))


def one(found: ReservedOffering, *, count: int = 1, on_demand: Decimal | None = ON_DEMAND) -> Offer:
    (offer,) = reserved_offers([found], count=count, on_demand=on_demand)
    return offer


def test_the_guide_s_reservation() -> None:
    """g5.xlarge for a year without upfront: 462.82 $ a month, 5,553.84 $ in all, and better than
    on demand from the eighth month on."""
    offer = one(offering())

    assert (offer.name, offer.cash_now) == ("reserved-1y-no-upfront", 0)
    assert cents(offer.monthly) == Decimal("462.82")
    assert offer.commitment == Decimal("5553.84")
    assert cents(offer.saving or Decimal(0)) == Decimal("271.56")
    assert (offer.break_even_month, offer.cash_ahead_month) == (8, 1)


def test_all_upfront_is_not_free() -> None:
    """Cash now, nothing a month, and the same measure as the others: amortised."""
    offer = one(offering(payment=Payment.ALL_UPFRONT, upfront="5182", hourly="0"), count=2)

    assert (offer.cash_now, offer.monthly) == (10364, 0)
    assert cents(offer.amortised) == Decimal("863.67")
    assert (offer.break_even_month, offer.cash_ahead_month) == (8, 8)


def test_partial_upfront_pays_in_cash_before_it_pays_in_all() -> None:
    """Whoever looks at cash alone stops too early."""
    offer = one(offering(payment=Payment.PARTIAL_UPFRONT, upfront="2644", hourly="0.3018"))
    assert (offer.break_even_month, offer.cash_ahead_month) == (8, 6)


def test_a_reservation_dearer_than_on_demand_never_pays() -> None:
    """An old price list against today's on-demand price: p4d fell by a third."""
    offer = one(offering(payment=Payment.ALL_UPFRONT, upfront="10000", hourly="0"))
    assert (offer.break_even_month, offer.cash_ahead_month) == (None, None)
    assert offer.saving is not None
    assert offer.saving < 0


def test_without_an_on_demand_price_nothing_is_claimed() -> None:
    """Unknown stays unknown."""
    offer = one(offering(), on_demand=None)
    assert (offer.saving, offer.break_even_month, offer.on_demand_monthly) == (None, None, None)


@given(st.sampled_from([1, 3]), usd, usd, counts)
def test_amortised_times_term_is_cash_and_recurring(
    years: int, upfront: Decimal, hourly: Decimal, count: int
) -> None:
    """To the last digits that Decimal holds, for every way to pay."""
    offer = one(replace(offering(years), upfront=upfront, hourly=hourly), count=count)

    assert offer.months is not None
    total = offer.cash_now + offer.monthly * offer.months
    assert abs(offer.amortised * offer.months - total) < Decimal("1e-12")
    assert offer.commitment == offer.cash_now + offer.monthly * offer.months
    assert offer.months == years * 12


@given(usd, usd, rates, counts)
def test_at_break_even_on_demand_has_cost_as_much(
    upfront: Decimal, hourly: Decimal, on_demand: Decimal, count: int
) -> None:
    """At the end of that month it has, at the end of the month before it had not."""
    found = replace(offering(3), upfront=upfront, hourly=hourly)
    offer = one(found, count=count, on_demand=on_demand)
    spent = on_demand * count * HOURS_PER_MONTH

    assert offer.commitment is not None
    if offer.break_even_month is None:
        assert spent * 36 < offer.commitment
    else:
        assert spent * offer.break_even_month >= offer.commitment
        assert offer.break_even_month == 1 or (
            spent * (offer.break_even_month - 1) < offer.commitment
        )
        assert offer.cash_ahead_month is not None
        assert offer.cash_ahead_month <= offer.break_even_month


@given(usd, usd, counts)
def test_more_hosts_cost_so_many_times_more(upfront: Decimal, hourly: Decimal, n: int) -> None:
    """And break even in the same month."""
    found = replace(offering(), upfront=upfront, hourly=hourly)
    single, many = one(found), one(found, count=n)
    assert many.commitment == (single.commitment or 0) * n
    assert many.break_even_month == single.break_even_month


def test_offers_are_in_order() -> None:
    """Short terms first, little cash first."""
    found = [offering(y, p) for y in (3, 1) for p in reversed(Payment)]
    assert [o.id for o in reserved_offers(found, count=1, on_demand=None)] == [
        "1-no-upfront",
        "1-partial-upfront",
        "1-all-upfront",
        "3-no-upfront",
        "3-partial-upfront",
        "3-all-upfront",
    ]


def block(id_: str, days: int, fee: str, *, after: int = 0) -> BlockOffering:
    starts = START + timedelta(days=after)
    ends = starts + timedelta(days=days)
    return BlockOffering(id_, "p4d.24xlarge", 2, "us-east-1a", starts, ends, Decimal(fee))


def test_a_block_is_cash_for_its_hours() -> None:
    """The fee is for all instances; the soonest block comes first, then the cheaper one."""
    found = [block("late", 7, "1", after=1), block("dear", 7, "4000"), block("cheap", 7, "3978.24")]
    offers = block_offers(found, on_demand=Decimal("21.957642"))

    assert [offer.id for offer in offers] == ["cheap", "dear", "late"]
    assert (offers[0].hours, offers[0].commitment) == (168, Decimal("3978.24"))
    assert cents(offers[0].amortised) == Decimal("17286.40")
    assert offers[0].on_demand_hourly == Decimal("43.915284")
    assert round(offers[0].break_even_hours or 0, 1) == Decimal("90.6")
    assert offers[0].break_even_month == 1


def test_on_demand_capacity_has_no_term() -> None:
    """One offer a zone, at the on-demand price; none where the price is unknown."""
    found = capacity_offers("p4d.24xlarge", ["b", "a"], count=2, on_demand=Decimal("21.957642"))

    assert [offer.id for offer in found] == ["on-demand-a", "on-demand-b"]
    offer = found[0]
    assert (offer.kind, offer.commitment, offer.months) == (Kind.CAPACITY, None, None)
    assert offer.monthly == offer.amortised == offer.limited == offer.on_demand_monthly
    assert (offer.saving, offer.break_even_month) == (0, None)
    assert capacity_offers("p5e.48xlarge", ["a"], count=1, on_demand=None) == ()


@pytest.mark.parametrize(("days", "hours"), [(1, 24), (14, 336), (21, 504), (182, 4368)])
def test_lengths_of_blocks(days: int, hours: int) -> None:
    """Days up to two weeks, then weeks up to half a year."""
    assert block_hours(days) == hours


@pytest.mark.parametrize("days", [0, 15, 22, 183, 189])
def test_lengths_that_nobody_sells(days: int) -> None:
    """Found out before AWS is asked."""
    with pytest.raises(UsageError, match=f"no Capacity Block lasts {days} days"):
        block_hours(days)


def test_which_types_have_blocks() -> None:
    """The training families."""
    assert [has_blocks(t) for t in ("p4d.24xlarge", "p6-b200.48xlarge", "g5.xlarge")] == [
        True,
        True,
        False,
    ]


def test_a_limit_holds_for_everything_that_will_be_paid() -> None:
    """Not for the cash alone: a year without upfront is 5,553.84 $ too."""
    offer = one(offering())
    require_limit(offer, Decimal("5553.84"))
    with pytest.raises(Refused, match=r"costs \$5,553\.84, above the limit price of \$5,553\.83"):
        require_limit(offer, Decimal("5553.83"))


def test_capacity_without_a_term_is_limited_by_the_month() -> None:
    """There is no sum that it ends at."""
    (offer,) = capacity_offers("g5.xlarge", ["a"], count=1, on_demand=ON_DEMAND)
    require_limit(offer, Decimal("734.38"))
    with pytest.raises(Refused, match=r"a month of it costs \$734\.38"):
        require_limit(offer, Decimal("700"))


def test_an_offering_that_is_gone() -> None:
    """Refused, with the way on."""
    with pytest.raises(Refused, match="gone, or was never offered") as caught:
        pick([one(offering())], "another")
    assert "without --confirm" in caught.value.hint


def test_an_offer_that_moved_is_another() -> None:
    """Dearer or cheaper: it is not what was confirmed."""
    before, after = one(offering()), one(offering(hourly="0.633"))
    require_same(before, before)
    with pytest.raises(Refused, match=r"cost \$5,553\.84, costs \$5,545\.08"):
        require_same(before, after)
    with pytest.raises(Refused, match="its terms changed"):
        require_same(before, replace(before, zone="us-east-1a"))
