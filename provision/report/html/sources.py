"""Where the prices of a report come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from provision.catalog.prices.price import Origin, Status
from provision.planning.cost.bill import Bill
from provision.planning.cost.break_even import BreakEven
from provision.planning.cost.compare import Comparison
from provision.planning.cost.fleet_price import ON_DEMAND
from provision.report.html.comparison import shown
from provision.report.html.words import pricing

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Source:
    """Where prices come from, of which day, how sure, and for what they were used."""

    origin: Origin
    used_for: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Used:
    """A price's origin, what it priced, and how many US dollars of the bill that is."""

    origin: Origin
    name: str
    usd: Decimal = _ZERO


def sources(used: Iterable[Used]) -> tuple[Source, ...]:
    """Each origin once; what priced most of the bill comes first, what nobody verified last."""
    found: dict[Origin, list[Used]] = {}
    for one in used:
        found.setdefault(one.origin, []).append(one)

    def weight(origin: Origin) -> tuple[bool, Decimal]:
        return origin.status is Status.MEMORY, -sum((one.usd for one in found[origin]), _ZERO)

    return tuple(
        Source(origin, tuple(dict.fromkeys(one.name for one in found[origin])))
        for origin in sorted(found, key=weight)
    )


def of_bill(bill: Bill) -> Iterator[Used]:
    """What priced the lines."""
    for line in bill.lines:
        if line.price is not None:
            yield Used(line.price.origin, line.name, line.monthly or _ZERO)


def of_break_even(break_even: BreakEven | None) -> Iterator[Used]:
    """What priced the hosted models."""
    for one in break_even.crossings if break_even else ():
        yield Used(one.api.origin, one.api.name)


def of_comparison(comparison: Comparison | None, here: str) -> Iterator[Used]:
    """What priced the types that are shown; by the way to pay for *here*, the environment's own."""
    for one in shown(comparison, here) if comparison else ():
        for price in one.prices.values():
            own = one.name == here and price.pricing != ON_DEMAND
            name = f"{here}: {pricing(price.pricing)}" if own else "other instances"
            yield Used(price.origin, name)
