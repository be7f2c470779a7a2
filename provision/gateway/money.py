"""Money in whole micro-dollars. A dollar for a million tokens is a micro-dollar for one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of a prompt, and of all of its answers."""

    input: int = 0
    output: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input_usd: Decimal
    output_usd: Decimal

    def micro(self, tokens: Tokens) -> int:
        """What so many tokens cost, rounded up: a fraction is never lost."""
        exact = self.input_usd * tokens.input + self.output_usd * tokens.output
        return int(exact.to_integral_value(ROUND_CEILING))


def worst(prices: Iterable[Price], tokens: Tokens) -> int:
    """What a request costs when every provider is asked and bills all of it."""
    return sum(price.micro(tokens) for price in prices)


def usd(micro: int) -> str:
    """An amount as people read it."""
    return f"{Decimal(micro) / MICRO:.2f}"
