"""Asks AWS for today's prices of one region. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from provision.catalog.prices.answer import Answer, Source
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.catalog.prices.price import Commitment, Origin, Price, SpotRange, Status, Tier
from provision.config.environment import Environment
from provision.connectors import price_terms
from provision.connectors.aws_client import AwsClients
from provision.connectors.price_list import LINUX, Pages, products
from provision.connectors.price_services import ITEMS, egress, services
from provision.connectors.price_terms import Market

Place = tuple[str, str]

_NAMES = {
    Source.ON_DEMAND: "AWS Price List API",
    Source.RESERVED: "EC2 DescribeReservedInstancesOfferings",
    Source.SAVINGS_PLANS: "DescribeSavingsPlansOfferingRates",
    Source.SPOT: "EC2 DescribeSpotPriceHistory",
    Source.SERVICES: "AWS Price List API",
    Source.EGRESS: "AWS Price List API",
}


def ask(
    environment: Environment,
    market: Market,
    sources: Collection[Source],
    now: datetime,
    *,
    aws: Pages | None = None,
) -> Answer:
    """The prices of *market* from the *sources*, dated *now*, with the environment's profile.

    Raises CloudError when one of them does not answer: an answer is whole or there is none.
    """
    aws = aws or AwsClients(replace(environment, region=market.region))
    asked = _Asked(aws, market, now)
    terms = [
        *(asked.reserved() if Source.RESERVED in sources else []),
        *(asked.savings_plans() if Source.SAVINGS_PLANS in sources else []),
    ]
    book = PriceBook(
        on_demand=asked.on_demand() if Source.ON_DEMAND in sources else {},
        spot=asked.spot() if Source.SPOT in sources else {},
        commitments=_together(terms),
        services=asked.services() if Source.SERVICES in sources else {},
        egress=asked.egress() if Source.EGRESS in sources else {},
    )
    items = frozenset(market.types) | ITEMS
    return Answer(market.region, frozenset(sources), items, book, tuple(asked.notes))


class _Asked:
    """One method for each source; what an answer leaves open is kept in ``notes``."""

    def __init__(self, aws: Pages, market: Market, now: datetime) -> None:
        self._aws = aws
        self._market = market
        self._now = now
        self.notes: list[str] = []

    def on_demand(self) -> dict[Place, Price]:
        sold = products(self._aws, "AmazonEC2", {"regionCode": self._market.region, **LINUX})
        origin = self._origin(Source.ON_DEMAND)
        prices: dict[str, set[Decimal]] = {}
        for product in sold:
            name = product.attributes.get("instanceType", "")
            if name in self._market.types:
                some = {rate.usd for rate in product.rates if rate.unit == "Hrs"}
                prices.setdefault(name, set()).update(some)
        for name, some in prices.items():
            if len(some) > 1:
                self.notes.append(f"{name}: {len(some)} on-demand prices in AWS's answer")
        found = {
            (name, self._market.region): Price(next(iter(some)), "hour", origin)
            for name, some in prices.items()
            if len(some) == 1
        }
        self._without("on-demand price", found)
        return found

    def reserved(self) -> list[tuple[Place, list[Commitment]]]:
        found = price_terms.reserved(self._aws, self._market, self._origin(Source.RESERVED))
        self._without("reserved offering", found)
        return list(found.items())

    def savings_plans(self) -> list[tuple[Place, list[Commitment]]]:
        origin = self._origin(Source.SAVINGS_PLANS)
        found = price_terms.savings_plans(self._aws, self._market, origin)
        self._without("Savings Plans rate", found)
        return list(found.items())

    def spot(self) -> dict[Place, SpotRange]:
        origin = self._origin(Source.SPOT)
        found = price_terms.spot(self._aws, self._market, self._now, origin)
        self._without("spot price", found)
        return found

    def services(self) -> dict[Place, Price]:
        units = {item: price.unit for (item, _), price in load().services.items()}
        origin = self._origin(Source.SERVICES)
        found, notes = services(self._aws, self._market.region, units, origin)
        self.notes.extend(notes)
        return found

    def egress(self) -> dict[str, tuple[Tier, ...]]:
        tiers, notes = egress(self._aws, self._market.region, self._origin(Source.EGRESS))
        self.notes.extend(notes)
        return {self._market.region: tiers} if tiers else {}

    def _without(self, what: str, found: Collection[Place]) -> None:
        lacking = [n for n in self._market.types if (n, self._market.region) not in found]
        if lacking:
            self.notes.append(f"no {what} for {', '.join(lacking)}")

    def _origin(self, source: Source) -> Origin:
        return Origin(_NAMES[source], self._now.date().isoformat(), Status.REFRESHED)


def _together(
    terms: Sequence[tuple[Place, list[Commitment]]],
) -> dict[Place, tuple[Commitment, ...]]:
    found: dict[Place, tuple[Commitment, ...]] = {}
    for place, some in terms:
        found[place] = (*found.get(place, ()), *some)
    return found
