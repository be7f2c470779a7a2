"""What a refresh changes."""

from __future__ import annotations

from decimal import Decimal

from provision.catalog.prices.answer import Answer, Source
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.catalog.prices.price import (
    Commitment,
    Origin,
    Payment,
    Plan,
    Price,
    SpotRange,
    Status,
    Tier,
)
from provision.planning.cost.price_diff import Change, PriceDiff, compare

FRESH = Origin("AWS", "2026-11-21", Status.REFRESHED)
PLACE = ("g5.xlarge", "us-east-1")


def hour(usd: str) -> Price:
    return Price(Decimal(usd), "hour", FRESH)


def reserved(hourly: str, upfront: str = "0", payment: Payment = Payment.NO_UPFRONT) -> Commitment:
    return Commitment(Plan.RESERVED, 1, payment, Decimal(hourly), Decimal(upfront), FRESH)


def answer(book: PriceBook, *sources: Source) -> Answer:
    items = {name for name, _ in (*load().on_demand, *load().services)}
    return Answer("us-east-1", frozenset(sources), frozenset(items), book)


def test_the_same_prices_are_no_news() -> None:
    """The bundled book against itself: nothing changed, everything counted."""
    book = load()
    diff = compare(book, answer(book, *Source))
    assert (diff.changed, diff.new, diff.unlisted, diff.is_news) == ((), (), (), False)
    assert diff.same > 150


def test_every_kind_of_price_is_compared() -> None:
    """On-demand, spot by its median, commitments by an hour of both parts, egress by tier."""
    old = PriceBook(
        on_demand={PLACE: hour("1.0")},
        spot={PLACE: SpotRange(Decimal("0.3"), Decimal("0.4"), Decimal("0.5"), FRESH)},
        commitments={PLACE: (reserved("0.5", "876", Payment.PARTIAL_UPFRONT), reserved("0.6"))},
        services={("nat.gb", "us-east-1"): hour("0.045")},
        egress={"us-east-1": (Tier(Decimal(10240), Decimal("0.09")), Tier(None, Decimal("0.05")))},
    )
    new = PriceBook(
        on_demand={PLACE: hour("0.75")},
        spot={PLACE: SpotRange(Decimal("0.3"), Decimal("0.44"), Decimal("0.5"), FRESH)},
        commitments={PLACE: (reserved("0.5", "1752", Payment.PARTIAL_UPFRONT), reserved("0.6"))},
        services={("nat.gb", "us-east-1"): hour("0.05")},
        egress={"us-east-1": (Tier(Decimal(10240), Decimal("0.09")), Tier(None, Decimal("0.04")))},
    )
    diff = compare(old, answer(new, *Source))
    assert [(c.what, c.item, str(c.percent and round(c.percent, 1))) for c in diff.changed] == [
        ("egress", "beyond", "-20.0"),
        ("on-demand", "g5.xlarge", "-25.0"),
        ("reserved-1y-partial-upfront", "g5.xlarge", "16.7"),
        ("service", "nat.gb", "11.1"),
        ("spot", "g5.xlarge", "10.0"),
    ]
    assert diff.same == 2


def test_new_and_unlisted() -> None:
    """A price that nobody knew, and one that AWS does not list any more."""
    other = ("g6.xlarge", "us-east-1")
    old = PriceBook(on_demand={PLACE: hour("1"), ("g5.xlarge", "eu-west-1"): hour("2")})
    diff = compare(old, answer(PriceBook(on_demand={other: hour("3")}), Source.ON_DEMAND))
    assert diff == PriceDiff(
        changed=(),
        new=(Change("on-demand", "g6.xlarge", None, Decimal(3)),),
        unlisted=(Change("on-demand", "g5.xlarge", Decimal(1), None),),
        same=0,
    )


def test_what_was_not_asked_is_not_compared() -> None:
    """No spot price in an answer about services is no loss of spot prices."""
    book = load()
    services = answer(PriceBook(services=book.services), Source.SERVICES)
    diff = compare(book, services)
    assert {(c.what) for c in (*diff.changed, *diff.new, *diff.unlisted)} == set()


def test_what_was_not_asked_about_is_not_missing() -> None:
    """A type that the question did not name is no loss when the answer lacks it."""
    old = PriceBook(on_demand={PLACE: hour("1"), ("t2.micro", "us-east-1"): hour("2")})
    diff = compare(old, answer(PriceBook(), Source.ON_DEMAND))
    assert [change.item for change in diff.unlisted] == ["g5.xlarge"]


def test_what_was_free_has_no_percent() -> None:
    """Nor has a price without a second one."""
    assert Change("service", "x", Decimal(0), Decimal(1)).percent is None
    assert Change("service", "x", None, Decimal(1)).percent is None
    assert Change("service", "x", Decimal(1), None).percent is None
