"""What the fallback costs: requests that a hosted API answers. No resource of the program is it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from provision.catalog.prices.price import MILLION, Price
from provision.planning.cost.bill import Line
from provision.planning.cost.declared import Declared
from provision.planning.cost.month import Month, line

FALLBACK = Declared("hosted-api", "fallback", "", {})


def fallback(month: Month) -> Iterator[Line]:
    """Prompts and answers of the share that falls back; nothing when there is none.

    Raises CatalogError with the nearest names for an API that nobody knows.
    """
    usage = month.usage
    if not usage.fallback_share:
        return
    api = month.book.hosted_model(usage.fallback_api)
    requests = usage.requests * usage.fallback_share
    parts: tuple[tuple[str, int, Decimal], ...] = (
        ("prompts", usage.input_tokens, api.input_usd),
        ("answers", usage.output_tokens, api.output_usd),
    )
    for name, tokens, usd in parts:
        yield line(
            FALLBACK,
            f"{api.name}, {name}",
            "1M tokens",
            requests * tokens / MILLION,
            Price(usd, "1M tokens", api.origin),
            assumed=True,
        )
