"""What one request and a million tokens cost, at the traffic stated and at full load."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from provision.catalog.prices.price import MILLION
from provision.planning.cost.usage import Usage


@dataclass(frozen=True, slots=True)
class PerRequest:
    """A month's *usd* over its *requests*; prices are None where nothing is asked.

    ``basis`` says in words where the number of requests comes from.
    """

    usd: Decimal
    requests: Decimal
    tokens_per_request: int
    basis: str

    @property
    def usd_per_request(self) -> Decimal | None:
        """US dollars for one request."""
        return self.usd / self.requests if self.requests else None

    @property
    def usd_per_million_tokens(self) -> Decimal | None:
        """US dollars for a million tokens, prompts and answers together."""
        one = self.usd_per_request
        return None if one is None else one / self.tokens_per_request * MILLION


def stated(usd: Decimal, usage: Usage) -> PerRequest:
    """At the traffic that *usage* says."""
    return PerRequest(usd, usage.requests, usage.tokens_per_request, "as stated")
