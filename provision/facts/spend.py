"""What hosted APIs have cost, as the gateways' counter says it. A pure parser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

MICRO = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class HostedSpend:
    """US dollars of a day (UTC) and of its month; *reserved* ones may still come back."""

    day: str
    day_spent_usd: Decimal
    day_reserved_usd: Decimal
    month_spent_usd: Decimal
    month_reserved_usd: Decimal


def key(day: str) -> dict[str, dict[str, str]]:
    """The item of a day's month."""
    return {"pk": {"S": f"month#{day[:7]}"}}


def parse(item: Mapping[str, Any], day: str) -> HostedSpend:
    """What the month's *item* says of *day* (``2026-11-21``); an empty one is a month at 0."""
    number = day[8:]

    def usd(name: str) -> Decimal:
        return Decimal(item.get(name, {}).get("N", "0")) / MICRO

    spent, month_spent = usd(f"spent#{number}"), usd("spent")
    return HostedSpend(
        day,
        day_spent_usd=spent,
        day_reserved_usd=usd(f"committed#{number}") - spent,
        month_spent_usd=month_spent,
        month_reserved_usd=usd("committed") - month_spent,
    )
