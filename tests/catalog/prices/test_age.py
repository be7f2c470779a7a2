"""How old prices are, and which hosted models end."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from provision.catalog.prices.age import age_days, dated, deprecation, price_date, stale, too_old
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.catalog.prices.price import Origin, Price, Status
from provision.errors import CatalogError

TODAY = date(2026, 11, 21)


def origin(as_of: str) -> Origin:
    return Origin("AWS", as_of, Status.SEEN)


@pytest.mark.parametrize(
    ("moments", "said"),
    [
        (["2026-07-20"], "2026-07-20"),
        (["2026-07-20", "2026-07-20"], "2026-07-20"),
        (["2026-07-20", "2023-08-30", "2026-11"], "2023-08-30..2026-11"),
        (["2026-01..2026-05", "2026-02-01"], "2026-01..2026-05"),
        (["undated", "2026-07-20"], "2026-07-20 and undated"),
        (["undated"], "undated"),
        ([], "unknown"),
    ],
)
def test_price_date(moments: list[str], said: str) -> None:
    """From the oldest to the newest price that was used."""
    assert price_date(map(origin, moments)) == said


@pytest.mark.parametrize(
    ("as_of", "days"),
    [
        ("2026-11-21", 0),
        ("2026-11-20", 1),
        ("2026-11", 0),
        ("2026-10", 21),
        ("2025", 325),
        ("2026-01..2026-05", 174),
        ("2025-12", 325),
        ("2027-01-01", 0),
        ("undated", None),
    ],
)
def test_age(as_of: str, days: int | None) -> None:
    """A month or a span counts from its last day: never older than it can be."""
    assert age_days(as_of, TODAY) == days


def test_ninety_days_are_young_enough() -> None:
    """The warning begins on day 91 and says what to type."""
    assert too_old("2026-08-23", TODAY) is None
    assert too_old("2026-08-22", TODAY) == (
        "prices are of 2026-08-22, 91 days old: `fab cost.refresh` asks AWS for today's"
    )
    assert too_old("undated", TODAY) is None


def test_the_book_by_region() -> None:
    """The bundled book is of July in Virginia and of spring elsewhere."""
    book = load()
    assert (dated(book), dated(book, "eu-west-1")) == ("2026-07-20", "2026-05")
    assert stale(book, date(2026, 8, 1)) is None
    assert stale(book, TODAY, "us-east-1") == (
        "prices are of 2026-07-20, 124 days old: `fab cost.refresh` asks AWS for today's"
    )
    assert dated(book, "moon-1") == "unknown"
    assert stale(book, TODAY, "moon-1") is None


def test_a_refresh_makes_it_young_again() -> None:
    """The newest on-demand price dates the book."""
    fresh = Price(Decimal(1), "hour", origin("2026-11-20"))
    old = Price(Decimal(1), "hour", origin("2026-01-20"))
    book = PriceBook(on_demand={("a.b", "us-east-1"): old, ("c.d", "us-east-1"): fresh})
    assert (dated(book), stale(book, TODAY)) == ("2026-11-20", None)


def test_models_that_end() -> None:
    """In words for the past, for the future, and nothing for the rest."""
    book = load()
    assert [
        deprecation(book.hosted_model(name), TODAY) for name in ("o4-mini", "gpt-5", "gpt-4o")
    ] == [
        "o4-mini was switched off by its provider on 2026-10-23",
        "gpt-5 is switched off by its provider on 2026-12-11",
        None,
    ]


def test_an_unknown_model_names_the_nearest() -> None:
    """A slip of the finger is answered with what was meant."""
    with pytest.raises(
        CatalogError, match=r"unknown hosted model 'gpt4o'\n  next: did you mean gpt-4o"
    ):
        load().hosted_model("gpt4o")


def test_the_bundled_folder_is_never_written_to(tmp_path: Path) -> None:
    """Loading a project's prices leaves the process-wide tables alone."""
    line = "g5.xlarge,us-east-1,9,AWS,2026-11-21,refreshed"
    (tmp_path / "on_demand.csv").write_text(
        f"instance_type,region,usd_per_hour,source,as_of,status\n{line}\n"
    )
    assert load(folder=tmp_path).on_demand["g5.xlarge", "us-east-1"].usd == Decimal(9)
    assert load().on_demand["g5.xlarge", "us-east-1"].usd == Decimal("1.006")
