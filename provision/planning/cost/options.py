"""The same month with the instances paid in other ways."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from provision.catalog.prices.price import Commitment, Payment, Plan, Price, SpotRange, Status
from provision.planning.cost.bill import Line, Option
from provision.planning.cost.money import HOURS_PER_MONTH, cents
from provision.planning.cost.month import Group, Month

ON_DEMAND = "on-demand"
SPOT = "spot"
CAPACITY_BLOCK = "capacity-block"
COMMITMENTS = tuple(
    f"{plan}-{years}y-{payment}" for plan in Plan for years in (1, 3) for payment in Payment
)

_ZERO = Decimal(0)


def options(month: Month, lines: Sequence[Line]) -> tuple[Option, ...]:
    """Every pricing model, known or not: on-demand, spot, commitments, capacity block.

    Each is the whole bill: the lines that are not instances stay as they are.
    """
    rest = sum((line.monthly or _ZERO for line in lines if not line.instance), _ZERO)
    committed = (_committed(name, month, rest) for name in COMMITMENTS)
    return (_on_demand(month, rest), _spot(month, rest), *committed, _block(month, rest))


def _on_demand(month: Month, rest: Decimal) -> Option:
    monthly, sure = rest, True
    for group in month.groups:
        price = month.book.on_demand.get((group.instance_type, month.region))
        if price is None:
            return _unknown(ON_DEMAND, group, month)
        monthly += cents(group.hosts * month.usage.hours * price.usd)
        sure = sure and _verified(price)
    return Option(ON_DEMAND, monthly, _ZERO, monthly, verified=sure)


def _spot(month: Month, rest: Decimal) -> Option:
    low = middle = high = rest
    sure = True
    for group in month.groups:
        price = month.book.spot.get((group.instance_type, month.region))
        if price is None:
            return _unknown(SPOT, group, month)
        hours = group.hosts * month.usage.hours
        low += cents(hours * price.low)
        middle += cents(hours * price.median)
        high += cents(hours * price.high)
        sure = sure and _verified(price)
    note = "taken back with two minutes' notice"
    return Option(SPOT, middle, _ZERO, middle, low, high, note, sure)


def _committed(name: str, month: Month, rest: Decimal) -> Option:
    """A commitment is paid for every hour of the term, whether or not the hosts run."""
    monthly, upfront, spread, sure = rest, _ZERO, _ZERO, True
    for group in month.groups:
        one = month.book.commitment(name, group.instance_type, month.region)
        if one is None:
            return _unknown(name, group, month)
        monthly += cents(group.hosts * HOURS_PER_MONTH * one.hourly)
        upfront += cents(group.hosts * one.upfront)
        spread += cents(group.hosts * one.upfront_monthly)
        sure = sure and _verified(one)
    return Option(name, monthly, upfront, monthly + spread, verified=sure)


def _block(month: Month, rest: Decimal) -> Option:
    upfront, sure = _ZERO, True
    for group in month.groups:
        price = month.book.capacity_blocks.get(group.instance_type)
        if price is None:
            return _unknown(CAPACITY_BLOCK, group, month)
        upfront += cents(group.hosts * month.usage.hours * price.usd)
        sure = sure and _verified(price)
    note = "prepaid, for 182 days at most"
    return Option(CAPACITY_BLOCK, rest, upfront, rest + upfront, note=note, verified=sure)


def _verified(price: Price | SpotRange | Commitment) -> bool:
    return price.origin.status is not Status.MEMORY


def _unknown(name: str, group: Group, month: Month) -> Option:
    note = f"no price known for {group.instance_type} in {month.region}"
    return Option(name, None, None, None, note=note)
