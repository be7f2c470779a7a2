"""Numbers as people type them: ``5M`` requests, ``270`` dollars, ``5%``."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from provision.errors import UsageError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_COUNT = re.compile(r"(\d+(?:\.\d+)?)([kmb]?)", re.IGNORECASE)
_NUMBER = re.compile(r"(-?\d{1,30}(?:\.\d{1,30})?)([kmb%]?)", re.IGNORECASE)
_MOST_REQUESTS = 10**12
_MOST_USD = 10**9


def count(flag: str, said: str, *, most: int = _MOST_REQUESTS) -> int:
    """A whole number from 1 to *most*: ``264364``, ``264,364``, ``264k``, ``1.5M``, ``2B``.

    Raises UsageError, also for what no fleet will ever see.
    """
    found = _COUNT.fullmatch(said.replace(",", "").replace("_", "").strip())
    if found is None:
        raise UsageError(f"{flag} {said!r} is no number above 0", hint="say 264364, 264k or 5M")
    value = Decimal(found[1]) * _UNITS[found[2].lower()]
    if value != int(value) or not 1 <= value <= most:
        raise UsageError(f"{flag} {said!r} is not a whole number from 1 to {most:,}")
    return int(value)


def number(flag: str, said: str) -> Decimal:
    """Any number, with a unit or in per cent: ``0.05``, ``5%``, ``264k``. Raises UsageError."""
    found = _NUMBER.fullmatch(said.strip().replace("_", ""))
    if found is None:
        raise UsageError(f"{flag} {said!r} is no number", hint="say 264364, 5M, 0.05 or 5%")
    value, unit = Decimal(found[1]), found[2].lower()
    return value / 100 if unit == "%" else value * _UNITS[unit]


def usd(flag: str, said: str) -> Decimal:
    """US dollars, 0 or more. Raises UsageError."""
    value = _decimal(said.strip().removeprefix("$").replace(",", ""))
    if value is None or not 0 <= value <= _MOST_USD:
        raise UsageError(f"{flag} {said!r} is no amount of US dollars", hint="say 270 or 462.82")
    return value


def price(flag: str, said: str | None) -> Decimal | None:
    """US dollars above 0; None when nothing is said. Raises UsageError."""
    if said is None:
        return None
    value = usd(flag, said)
    if not value:
        raise UsageError(f"{flag} {said!r}: nothing is free", hint="say what it costs")
    return value


def share(flag: str, said: str, *, most: int = 1) -> Decimal:
    """A share from 0 to *most*, as ``0.05`` or ``5%``. Raises UsageError."""
    value = _decimal(said.strip().removesuffix("%"))
    if value is not None and said.strip().endswith("%"):
        value /= 100
    if value is None or not 0 <= value <= most:
        raise UsageError(f"{flag} {said!r} is no share from 0 to {most}", hint="say 0.05 or 5%")
    return value


def between(flag: str, said: str, low: Decimal | int, high: int) -> Decimal:
    """A number from *low* to *high*. Raises UsageError."""
    value = _decimal(said)
    if value is None or not low <= value <= high:
        raise UsageError(f"{flag} {said!r} is no number from {low:,} to {high:,}")
    return value


def names(flag: str, said: str, *, most: int = 26) -> tuple[str, ...]:
    """Names by commas, each once, in their order. Raises UsageError for none, and too many."""
    found = tuple(dict.fromkeys(name.strip() for name in said.split(",") if name.strip()))
    if not 1 <= len(found) <= most:
        raise UsageError(f"{flag} {said!r} names {len(found)}", hint=f"1 to {most}, by commas")
    return found


def _decimal(said: str) -> Decimal | None:
    try:
        value = Decimal(said.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
