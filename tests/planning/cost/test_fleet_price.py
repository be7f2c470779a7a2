"""What hosts cost a month, by the way they are paid for."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.catalog.prices.price import Commitment, Origin, Payment, Plan, Price, Status
from provision.errors import CatalogError
from provision.planning.cost.fleet_price import PRICINGS, FleetPrice, host_price, host_prices
from provision.planning.cost.money import HOURS_PER_MONTH

BOOK = load()
ORIGIN = Origin("test", "2026-11-21", Status.SEEN)
PLACE = ("g5.xlarge", "us-east-1")


def book(*commitments: Commitment) -> PriceBook:
    return PriceBook(
        on_demand={PLACE: Price(Decimal("1.006"), "hour", ORIGIN)}, commitments={PLACE: commitments}
    )


def test_every_way_to_pay_for_a_g5_xlarge() -> None:
    """Per hour over the whole term; spot is the median of its zones."""
    found = {name: price.usd_per_hour for name, price in host_prices(BOOK, *PLACE).items()}
    assert {name: round(usd, 6) for name, usd in found.items()} == {
        "on-demand": Decimal("1.006"),
        "spot": Decimal("0.4423"),
        "reserved-1y-no-upfront": Decimal("0.634"),
        "reserved-1y-partial-upfront": Decimal("0.6036"),
        "reserved-1y-all-upfront": Decimal("0.591553"),
        "reserved-3y-no-upfront": Decimal("0.4346"),
        "reserved-3y-partial-upfront": Decimal("0.4024"),
        "reserved-3y-all-upfront": Decimal("0.378272"),
    }


def test_what_is_paid_at_once_is_known_beside_the_hourly_price() -> None:
    """5,182 $ for a year of a g5.xlarge, and nothing while it runs; spot has its dearest zone."""
    assert host_price(BOOK, *PLACE, "reserved-1y-all-upfront").upfront == 5182
    spot = host_price(BOOK, *PLACE, "spot")
    assert (spot.low, spot.high) == (Decimal("0.4328"), Decimal("0.4516"))


def test_a_price_from_memory_says_so() -> None:
    """Nobody has verified the three-year terms of g5."""
    assert host_price(BOOK, *PLACE, "reserved-3y-no-upfront").from_memory
    assert not host_price(BOOK, *PLACE, "reserved-1y-no-upfront").from_memory


@pytest.mark.parametrize(
    ("instance", "region", "pricing", "said"),
    [
        ("g5.xlarge", "us-east-1", "reserved", "unknown pricing 'reserved'"),
        ("g6.xlarge", "us-east-1", "reserved-1y-no-upfront", "no price of g6.xlarge in us-east-1"),
        ("g6.xlarge", "eu-west-1", "on-demand", "g6.xlarge is not sold in eu-west-1"),
        ("g5.xlrage", "us-east-1", "on-demand", "unknown instance type"),
        ("p5e.48xlarge", "us-east-2", "on-demand", "no price of p5e.48xlarge"),
    ],
)
def test_an_unknown_price_is_an_error_and_never_0(
    instance: str, region: str, pricing: str, said: str
) -> None:
    """A break-even of a fleet without a price would be an invention."""
    with pytest.raises(CatalogError, match=said):
        host_price(BOOK, instance, region, pricing)


def test_the_error_names_the_ways_that_are_known() -> None:
    """And how to learn, write or try a price."""
    with pytest.raises(CatalogError) as failed:
        host_price(BOOK, "g6.xlarge", "us-east-1", "reserved-1y-no-upfront")
    assert failed.value.hint.startswith("known: on-demand, spot; `fab cost.refresh` asks AWS")
    assert "--usd-per-hour" in failed.value.hint


def test_a_commitment_is_paid_though_the_host_stands_still() -> None:
    """200 hours of a reserved host cost the whole month; on demand they cost 200 hours."""
    both = book(
        Commitment(Plan.RESERVED, 1, Payment.NO_UPFRONT, Decimal("0.6"), Decimal(0), ORIGIN)
    )
    reserved = host_price(both, *PLACE, "reserved-1y-no-upfront")
    assert reserved.monthly(Decimal(200)) == Decimal("438.0")
    assert reserved.monthly(Decimal(720)) == Decimal("432.0")
    assert host_price(both, *PLACE, "on-demand").monthly(Decimal(200)) == Decimal("201.200")


def test_a_fleet_is_its_hosts_and_what_does_not_grow_with_them() -> None:
    """Two hosts with a fifth on top, storage and people."""
    price = FleetPrice(
        "", 2, Decimal(1000), overhead=Decimal("0.2"), extra=Decimal(70), engineering=Decimal(200)
    )
    assert price.monthly() == Decimal(2670)
    assert price.monthly(3) == Decimal(3870)
    assert price.fixed == 270


@given(
    st.sampled_from([1, 3]),
    st.sampled_from(list(Payment)),
    st.decimals("0", "100", places=4),
    st.integers(0, 10**6),
)
def test_amortised_times_the_term_is_cash_and_recurring(
    years: int, payment: Payment, hourly: Decimal, upfront: int
) -> None:
    """Twelve months a year of 730 hours: what the months cost is what is paid."""
    commitment = Commitment(Plan.RESERVED, years, payment, hourly, Decimal(upfront), ORIGIN)
    priced = host_price(book(commitment), *PLACE, commitment.name)
    months = priced.monthly(HOURS_PER_MONTH) * years * 12
    paid = upfront + hourly * years * 8760
    assert abs(months - paid) <= Decimal("1e-15") * max(paid, 1)


def test_the_ways_to_pay_have_the_names_of_the_price_book() -> None:
    """Every commitment of the book can be asked for by its name."""
    names = {one.name for known in BOOK.commitments.values() for one in known}
    assert names <= set(PRICINGS)
    assert len(PRICINGS) == 21
