"""A book as text, and the book that AWS's answer makes of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.catalog.prices.answer import Answer, Source, renewed
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import BUNDLED, load, written
from provision.catalog.prices.price import (
    Commitment,
    HostedModel,
    Origin,
    Payment,
    Plan,
    Price,
    SpotRange,
    Status,
    Tier,
)
from provision.catalog.prices.rows import files

NAMES = st.sampled_from(["g5.xlarge", "g5.2xlarge", "p4d.24xlarge"])
PLACES = st.tuples(NAMES, st.sampled_from(["us-east-1", "eu-west-1"]))
USD = st.decimals(min_value=0, max_value=10**6, places=8)
TEXT = st.text("abcXYZ ,\"'%;-", min_size=1).map(str.strip).filter(bool)
ORIGINS = st.builds(
    Origin,
    TEXT,
    st.sampled_from(["2026-11-21", "2026-01..2026-05", "2025", "undated"]),
    st.sampled_from(Status),
)


@st.composite
def commitments(draw: st.DrawFn) -> Commitment:
    payment = draw(st.sampled_from(Payment))
    hourly = Decimal(0) if payment is Payment.ALL_UPFRONT else draw(USD)
    upfront = Decimal(0) if payment is Payment.NO_UPFRONT else draw(USD)
    return Commitment(
        draw(st.sampled_from(Plan)),
        draw(st.sampled_from([1, 3])),
        payment,
        hourly,
        upfront,
        draw(ORIGINS),
    )


@st.composite
def spots(draw: st.DrawFn) -> SpotRange:
    low, median, high = sorted(draw(USD) for _ in range(3))
    return SpotRange(low, median, high, draw(ORIGINS))


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    ends = draw(st.lists(st.integers(1, 10**6), unique=True, max_size=3))
    bounded = [Tier(Decimal(end), draw(USD), draw(ORIGINS)) for end in sorted(ends)]
    return (*bounded, Tier(None, draw(USD), draw(ORIGINS)))


@st.composite
def hosted(draw: st.DrawFn) -> dict[str, HostedModel]:
    names = draw(st.lists(NAMES, unique=True))
    ends = st.none() | st.just("2026-12-11")
    return {
        name: HostedModel(
            name, draw(TEXT), draw(USD), draw(USD), draw(st.none() | USD), draw(ends), draw(ORIGINS)
        )
        for name in names
    }


def by_name(some: list[Commitment]) -> tuple[Commitment, ...]:
    return tuple(sorted({one.name: one for one in some}.values(), key=lambda one: one.name))


BOOKS = st.builds(
    PriceBook,
    on_demand=st.dictionaries(PLACES, st.builds(Price, USD, st.just("hour"), ORIGINS)),
    spot=st.dictionaries(PLACES, spots()),
    commitments=st.dictionaries(PLACES, st.lists(commitments(), min_size=1).map(by_name)),
    capacity_blocks=st.dictionaries(NAMES, st.builds(Price, USD, st.just("hour"), ORIGINS)),
    services=st.dictionaries(PLACES, st.builds(Price, USD, TEXT, ORIGINS)),
    egress=st.dictionaries(st.sampled_from(["us-east-1", "eu-west-1"]), tiers()),
    hosted=hosted(),
)


def values(book: PriceBook) -> list[object]:
    terms = {place: by_name(list(some)) for place, some in book.commitments.items()}
    return [
        dict(book.on_demand),
        dict(book.spot),
        terms,
        dict(book.capacity_blocks),
        dict(book.services),
        dict(book.egress),
        dict(book.hosted),
    ]


@given(BOOKS)
def test_what_is_written_is_read_again(book: PriceBook) -> None:
    """Every price, to the last digit, with source, date and status."""
    with TemporaryDirectory() as name:
        for file, text in files(book).items():
            (Path(name) / file).write_text(text)
        assert values(written(Path(name))) == values(book)


def test_the_bundled_book_survives() -> None:
    """Written out it has the same lines as its own files, in the order of their keys."""
    for name, text in files(load()).items():
        header, *lines = (BUNDLED / name).read_text().splitlines()
        ours = text.splitlines()
        assert ours[0] == header
        assert len(ours) == len(lines) + 1


def test_a_price_without_an_origin_is_not_written() -> None:
    """It could not be read again, and nobody would know where it is from."""
    with pytest.raises(ValueError, match="without an origin"):
        files(PriceBook(egress={"us-east-1": (Tier(None, Decimal(1)),)}))


FRESH = Origin("AWS", "2026-11-21", Status.REFRESHED)
OLD = Origin("AWS", "2026-08-21", Status.REFRESHED)


def hour(usd: str, origin: Origin = FRESH) -> Price:
    return Price(Decimal(usd), "hour", origin)


def term(plan: Plan, usd: str, origin: Origin = FRESH) -> Commitment:
    return Commitment(plan, 1, Payment.NO_UPFRONT, Decimal(usd), Decimal(0), origin)


def test_an_answer_replaces_what_it_names() -> None:
    """Everything else stays with its older date: other regions, other plans, and what AWS does not
    list today."""
    here, there, gone = (
        ("g5.xlarge", "us-east-1"),
        ("g5.xlarge", "eu-west-1"),
        ("g4.x", "us-east-1"),
    )
    before = PriceBook(
        on_demand={here: hour("1", OLD), there: hour("2", OLD), gone: hour("3", OLD)},
        services={here: hour("4", OLD)},
        commitments={
            here: (term(Plan.RESERVED, "0.7", OLD), term(Plan.SAVINGS_PLAN_EC2, "0.8", OLD)),
            there: (term(Plan.RESERVED, "0.9", OLD),),
        },
    )
    book = PriceBook(
        on_demand={here: hour("1.1")}, commitments={here: (term(Plan.RESERVED, "0.6"),)}
    )
    after = renewed(before, Answer("us-east-1", frozenset(Source), frozenset(), book))
    assert after.on_demand == {here: hour("1.1"), there: hour("2", OLD), gone: hour("3", OLD)}
    assert after.services == before.services
    assert after.commitments == {
        here: (term(Plan.RESERVED, "0.6"), term(Plan.SAVINGS_PLAN_EC2, "0.8", OLD)),
        there: (term(Plan.RESERVED, "0.9", OLD),),
    }
