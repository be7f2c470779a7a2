"""A bill with what a person asks next: for one request, against what runs, what to mind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from provision.catalog.prices.age import deprecation, stale
from provision.catalog.prices.price import Status
from provision.planning.cost.bill import Bill
from provision.planning.cost.diff import Difference
from provision.planning.cost.invoice import invoice
from provision.planning.cost.month import Month
from provision.planning.cost.per_request import PerRequest, full_load, stated
from provision.planning.cost.resources.hosted import api_in_book


@dataclass(frozen=True, slots=True)
class Carried:
    """What the fleet can answer in a month. *said* tells where the figure comes from; requests
    are None when nobody knows, and *said* why."""

    requests: int | None
    said: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What ``fab cost.preview`` shows. ``full_load`` is None where the capacity is unknown."""

    bill: Bill
    stated: PerRequest
    full_load: PerRequest | None
    carried: Carried
    warnings: tuple[str, ...]
    difference: Difference | None = None


def preview(
    month: Month,
    carried: Carried,
    *,
    today: date,
    notes: Iterable[str] = (),
) -> Preview:
    """The preview of *month* for a fleet that can answer *carried*; *notes* go before its own
    warnings."""
    bill = invoice(month)
    busy = None if carried.requests is None else full_load(month, carried.requests, carried.said)
    return Preview(
        bill=bill,
        stated=stated(bill, month),
        full_load=busy,
        carried=carried,
        warnings=(*notes, *_warnings(month, bill, carried, today)),
    )


def _warnings(month: Month, bill: Bill, carried: Carried, today: date) -> Iterator[str]:
    yield from _traffic(month, carried, today)
    yield from _growth(month)
    limit = month.environment.budget.max_monthly_usd
    if limit is not None and bill.total > Decimal(str(limit)):
        yield (
            f"${bill.total:,.2f} is above budget.max_monthly_usd, ${limit:,.2f}:"
            " `pulumi up` will refuse"
        )
    if old := stale(month.book, today, month.region):
        yield old
    if any(line.price and line.price.origin.status is Status.MEMORY for line in bill.lines):
        yield "prices marked ~ are from memory: nobody has verified them"


def _growth(month: Month) -> Iterator[str]:
    """What the group may become without anybody asking again."""
    most = sum(group.max_hosts for group in month.groups)
    if most > month.hosts:
        grown = invoice(month.grown()).total
        yield f"the group may grow to {most} hosts: ${grown:,.2f} a month, if they stay"


def _traffic(month: Month, carried: Carried, today: date) -> Iterator[str]:
    usage = month.usage
    own = usage.requests * (1 - usage.fallback_share)
    if carried.requests is not None and own > carried.requests:
        yield (
            f"the fleet carries {carried.requests:,} requests a month at best, {own:,.0f} are"
            " stated: the bill is that of too few hosts"
        )
    if usage.fallback_share:
        known = api_in_book(month)
        gone = deprecation(known, today) if known else None
        if gone:
            yield gone
