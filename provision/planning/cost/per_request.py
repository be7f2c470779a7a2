"""What one request and a million tokens cost, at the traffic stated and at full load."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from provision.catalog.prices.price import MILLION
from provision.planning.cost.bill import Bill
from provision.planning.cost.invoice import invoice
from provision.planning.cost.month import Month


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


def stated(bill: Bill, month: Month) -> PerRequest:
    """At the traffic that the month's usage says."""
    usage = month.usage
    return PerRequest(bill.total, usage.requests, usage.tokens_per_request, "the traffic stated")


def full_load(month: Month, carried: int, basis: str) -> PerRequest | None:
    """At the *carried* requests a month that the fleet can answer itself, and the fallback's share
    on top: the bill is computed anew, because more traffic costs more.

    None when the fallback answers everything, or the fleet can carry nothing.
    """
    share = month.usage.fallback_share
    if share >= 1 or not carried:
        return None
    requests = Decimal(int(carried / (1 - share)))
    busy = replace(month, usage=replace(month.usage, requests=requests))
    return PerRequest(invoice(busy).total, requests, month.usage.tokens_per_request, basis)
