"""How the report writes money, quantities and names."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from provision.catalog.prices.price import Price, Status
from provision.planning.cost.money import cents
from provision.report.html.axis import short

UNKNOWN = "unknown"
MARK = "~"  # before a price that nobody has verified
_BLANK = "\u00a0"  # keeps a figure and its unit on one line
_PAYMENTS = {
    "no-upfront": "no upfront",
    "partial-upfront": "partial upfront",
    "all-upfront": "all upfront",
}
_PLANS = {
    "reserved": "Reserved",
    "savings-plan-ec2": "Savings Plan (family)",
    "savings-plan-compute": "Savings Plan (any)",
}


def usd(value: Decimal | None) -> str:
    """Dollars and cents; "unknown" for None."""
    return UNKNOWN if value is None else f"${cents(value):,}"


def whole_usd(value: Decimal | None) -> str:
    """Dollars without cents where there are hundreds of them, for a headline."""
    if value is None:
        return UNKNOWN
    return f"${value:,.0f}" if value >= 100 else usd(value)


def exact_usd(value: Decimal | None, digits: int = 3) -> str:
    """Dollars to *digits* significant digits, for prices far below a cent: ``$0.000127``."""
    if value is None:
        return UNKNOWN
    if value == 0 or value >= 1:
        return usd(value)
    return f"${plain(round(value, digits - 1 - value.adjusted()))}"


def unit_price(price: Price | None) -> str:
    """A price as its source has it, marked when nobody has verified it."""
    if price is None:
        return UNKNOWN
    return f"{mark(price)}${_with_cents(price.usd)}"


def mark(price: Price | None) -> str:
    """The mark of a price from memory, "" for any other."""
    return MARK if price is not None and price.origin.status is Status.MEMORY else ""


def plain(value: Decimal) -> str:
    """All digits and no more: thousands separated, no exponent, no trailing zeros."""
    whole, _, fraction = format(value.normalize(), "f").partition(".")
    return f"{int(whole):,}.{fraction}" if fraction else f"{int(whole):,}"


def days(as_of: str) -> str:
    """A date or a span as a price book has it, for people."""
    return as_of.replace("..", " to ").replace("and undated", "and some undated")


def grouped(text: str) -> str:
    """A whole number with its thousands separated; any other text as it is."""
    return f"{int(text):,}" if text.isdecimal() else text


def quantity(value: Decimal) -> str:
    """As :func:`plain`, to four digits behind the point."""
    return plain(round(value, 4))


def count(value: Decimal | float | int | None) -> str:
    """A volume for people: ``266k``, ``7.84M``; "unknown" for None."""
    return UNKNOWN if value is None else short(float(value))


def share(part: Decimal | float, whole: Decimal | float) -> str:
    """Per cent without digits: ``38 %``, ``<1 %``, ``>99 %``; "" of nothing."""
    if not whole:
        return ""
    per_cent = float(part) / float(whole) * 100
    if 99.5 <= per_cent < 100:
        return f">99{_BLANK}%"
    return f"<1{_BLANK}%" if 0 < per_cent < 1 else f"{per_cent:.0f}{_BLANK}%"


def change(share_of_whole: Decimal) -> str:
    """A difference in per cent with its sign: ``-37 %``, ``+12 %``, ``0 %``."""
    per_cent = round(share_of_whole * 100)
    sign = "−" if per_cent < 0 else "+" if per_cent else ""
    return f"{sign}{abs(per_cent)}{_BLANK}%"


def pricing(name: str) -> str:
    """A pricing model in words: ``Reserved, 1 year, no upfront``."""
    for plan, said in _PLANS.items():
        if name.startswith(f"{plan}-"):
            years, _, payment = name.removeprefix(f"{plan}-").partition("-")
            term = "1 year" if years == "1y" else f"{years.removesuffix('y')} years"
            return f"{said}, {term}, {_PAYMENTS.get(payment, payment)}"
    return name[:1].upper() + name[1:].replace("-block", " Block")


def pricing_short(name: str) -> str:
    """The same for a narrow column: ``3 years, partial upfront``."""
    said = pricing(name)
    return said.partition(", ")[2] or said


def pricings(names: Sequence[str]) -> str:
    """Several pricing models; a plan of which all terms are among them is named once."""
    terms = [f"{years}y-{payment}" for years in (1, 3) for payment in _PAYMENTS]
    whole = [plan for plan in _PLANS if {f"{plan}-{term}" for term in terms} <= set(names)]
    once = [f"{_PLANS[plan]}, any term" for plan in whole]
    return "; ".join([*once, *(pricing(n) for n in names if not n.startswith(tuple(whole)))])


def rate(value: Decimal | None) -> str:
    """Requests a second: two digits behind the point below ten, one above; "unknown" for None."""
    return UNKNOWN if value is None else f"{value:,.{2 if value < 10 else 1}f}"


def _with_cents(value: Decimal) -> str:
    whole, _, fraction = plain(value).partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"
