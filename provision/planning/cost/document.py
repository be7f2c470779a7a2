"""A bill as plain data: what ``--json`` prints and what the stack publishes. Money is text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from provision.planning.cost.bill import Bill, Line, Option, Unbilled
from provision.planning.cost.money import text

SCHEMA = 1
ESTIMATE_KEY = "estimates/latest.json"  # in the environment's bucket


def document(bill: Bill) -> dict[str, Any]:
    """The fields of docs/cost-preview.md that follow from the bill alone."""
    return {
        "schema": SCHEMA,
        "environment": bill.environment,
        "region": bill.region,
        "price_date": bill.price_date,
        "total_monthly_usd": text(bill.total),
        "unpriced": [_unbilled(each) for each in bill.unpriced],
        "free": [_unbilled(each) for each in bill.free],
        "components": [component(each) for each in bill.lines],
        "options": {each.name: _option(each) for each in bill.options},
        "assumptions": dict(bill.assumptions),
        "left_out": list(bill.left_out),
    }


def component(line: Line) -> dict[str, Any]:
    """One line of a bill."""
    price = line.price
    return {
        "resource": line.resource,
        "type": line.type,
        "name": line.name,
        "unit": line.unit,
        "quantity": plain(line.quantity),
        "unit_price_usd": plain(price.usd) if price else None,
        "monthly_usd": money(line.monthly),
        "assumed": line.assumed,
        "instance": line.instance,
        "note": line.note,
        "price_source": price.origin.source if price else None,
        "price_date": price.origin.as_of if price else None,
        "price_status": price.origin.status.value if price else None,
    }


def money(usd: Decimal | None) -> str | None:
    """US dollars as text; None stays None."""
    return None if usd is None else text(usd)


def plain(number: Decimal) -> str:
    """A number without an exponent and without zeros at its end."""
    return format(number.normalize(), "f")


def _option(option: Option) -> dict[str, Any]:
    return {
        "monthly_usd": money(option.monthly),
        "upfront_usd": money(option.upfront),
        "amortised_monthly_usd": money(option.amortised),
        "low_usd": money(option.low),
        "high_usd": money(option.high),
        "verified": option.verified,
        "note": option.note,
    }


def _unbilled(one: Unbilled) -> dict[str, str]:
    return {"resource": one.resource, "type": one.type, "reason": one.reason}
