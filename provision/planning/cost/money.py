"""US dollars: exact until a line of a bill, which is rounded to the cent as AWS's is."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
HOURS_PER_MONTH = Decimal(730)  # AWS's own month


def cents(usd: Decimal) -> Decimal:
    """*usd* rounded to the cent, half up."""
    return usd.quantize(CENT, rounding=ROUND_HALF_UP)


def text(usd: Decimal) -> str:
    """A plain decimal string for JSON: no exponent, no trailing zeros beyond the cents."""
    plain = format(usd.normalize(), "f")
    whole, _, fraction = plain.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"
