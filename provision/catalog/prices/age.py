"""How old prices are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.price import HostedModel, Origin
from provision.catalog.prices.table import UNDATED

STALE_AFTER_DAYS = 90
_SPAN = ".."


def price_date(origins: Iterable[Origin]) -> str:
    """The date of the prices that were used, ``2023-08-30..2026-11`` when they are of several.

    Undated ones are named beside the others; "unknown" when there is nothing to date.
    """
    said = {origin.as_of for origin in origins}
    moments = sorted(moment for one in said - {UNDATED} for moment in one.split(_SPAN))
    if not moments:
        return UNDATED if said else "unknown"
    span = moments[0] if moments[0] == moments[-1] else f"{moments[0]}{_SPAN}{moments[-1]}"
    return f"{span} and {UNDATED}" if UNDATED in said else span


def dated(book: PriceBook, region: str | None = None) -> str:
    """The date of the book: the newest of its on-demand prices, in *region* if one is named."""
    prices = (p for (_, place), p in book.on_demand.items() if region in {None, place})
    return max((_last(price.origin.as_of) for price in prices), default="unknown")


def stale(book: PriceBook, today: date, region: str | None = None) -> str | None:
    """A warning when the on-demand prices are older than 90 days, None when they are not."""
    newest = dated(book, region)
    if newest == "unknown":
        return None
    return too_old(newest, today)


def too_old(as_of: str, today: date) -> str | None:
    """The warning for prices of *as_of* (a date or a span), None while they are young enough.

    A span counts from its last day: the prices are at least as old as said.
    """
    days = age_days(as_of, today)
    if days is None or days <= STALE_AFTER_DAYS:
        return None
    return f"prices are of {as_of}, {days:,} days old: `fab cost.refresh` asks AWS for today's"


def age_days(as_of: str, today: date) -> int | None:
    """The least age in days; None for an undated price, never below 0."""
    last = _last(as_of)
    return max(0, (today - _last_day(last)).days) if last else None


def deprecation(model: HostedModel, today: date) -> str | None:
    """A warning when the provider stops the model, or has stopped it; None when it goes on."""
    if model.deprecated_on is None:
        return None
    if date.fromisoformat(model.deprecated_on) < today:
        return f"{model.name} was switched off by its provider on {model.deprecated_on}"
    return f"{model.name} is switched off by its provider on {model.deprecated_on}"


def _last(as_of: str) -> str:
    """The later end of a span; "" when there is no date."""
    return "" if as_of == UNDATED else as_of.rpartition(_SPAN)[2]


def _last_day(moment: str) -> date:
    year, month, day = (*(int(part) for part in moment.split("-")), 0, 0)[:3]
    if day:
        return date(year, month, day)
    first_after = date(year + 1, 1, 1) if month in {0, 12} else date(year, month + 1, 1)
    return date.fromordinal(first_after.toordinal() - 1)
