"""Instances paid for in other ways than by the hour: reserved, in a Savings Plan, as spot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Any

from provision.catalog.prices.price import (
    HOURS_PER_YEAR,
    Commitment,
    Origin,
    Payment,
    Plan,
    SpotRange,
)
from provision.connectors.price_list import Pages

Place = tuple[str, str]
Terms = dict[Place, list[Commitment]]

_SECONDS_PER_YEAR = 365 * 24 * 3600
_PLANS = {"EC2Instance": Plan.SAVINGS_PLAN_EC2, "Compute": Plan.SAVINGS_PLAN_COMPUTE}
# What a Savings Plan asks for on the first day, of all that it costs.
_UPFRONT_SHARE = {
    Payment.NO_UPFRONT: Decimal(0),
    Payment.PARTIAL_UPFRONT: Decimal("0.5"),
    Payment.ALL_UPFRONT: Decimal(1),
}
_PLAN_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Market:
    """Which instance types in which region."""

    region: str
    types: Sequence[str]


def reserved(aws: Pages, market: Market, origin: Origin) -> Terms:
    """Standard Reserved Instances, Linux, for the whole region, sold by AWS. Raises CloudError."""
    pages = aws.pages(
        *("ec2", "describe_reserved_instances_offerings", f"offerings in {market.region}"),
        IncludeMarketplace=False,
        InstanceTenancy="default",
        OfferingClass="standard",
        ProductDescription="Linux/UNIX",
        Filters=[
            {"Name": "instance-type", "Values": list(market.types)},
            {"Name": "scope", "Values": ["Region"]},
        ],
    )
    found: Terms = {}
    for page in pages:
        for offering in page["ReservedInstancesOfferings"]:
            term = _reserved(offering, origin)
            if term and not offering.get("Marketplace"):
                found.setdefault((offering["InstanceType"], market.region), []).append(term)
    return _unique(found)


def _reserved(offering: Mapping[str, Any], origin: Origin) -> Commitment | None:
    payment, years = _payment(offering["OfferingType"]), _years(offering["Duration"])
    if payment is None or years is None or offering.get("CurrencyCode", "USD") != "USD":
        return None
    charges = (c for c in offering.get("RecurringCharges", []) if c.get("Frequency") == "Hourly")
    hourly = sum((_exact(charge["Amount"]) for charge in charges), Decimal(0))
    hourly += _exact(offering.get("UsagePrice", 0))
    return Commitment(Plan.RESERVED, years, payment, hourly, _exact(offering["FixedPrice"]), origin)


def savings_plans(aws: Pages, market: Market, origin: Origin) -> Terms:
    """What an hour of each type costs under EC2 Instance and Compute Savings Plans.

    Raises CloudError.
    """
    found: Terms = {}
    for rate in _plan_rates(aws, market):
        said = {entry["name"]: entry["value"] for entry in rate.get("properties", [])}
        name = said.get("instanceType", "")
        if name in market.types and _is_plain_linux(rate, said, market.region):
            term = _plan(rate, origin)
            if term:
                found.setdefault((name, market.region), []).append(term)
    return _unique(found)


def _plan_rates(aws: Pages, market: Market) -> Iterable[Any]:
    """Every page; botocore has no paginator for this call."""
    parameters: dict[str, Any] = {
        "savingsPlanTypes": list(_PLANS),
        "products": ["EC2"],
        "serviceCodes": ["AmazonEC2"],
        "filters": [
            {"name": "region", "values": [market.region]},
            {"name": "instanceType", "values": list(market.types)},
            {"name": "tenancy", "values": ["shared"]},
            {"name": "productDescription", "values": ["Linux/UNIX"]},
        ],
        "maxResults": _PLAN_PAGE,
    }
    what = f"rates in {market.region}"
    call = ("savingsplans", "describe_savings_plans_offering_rates", what)
    while True:
        page = aws.call(*call, **parameters)
        yield from page.get("searchResults", [])
        if not page.get("nextToken"):
            return
        parameters["nextToken"] = page["nextToken"]


def _is_plain_linux(rate: Mapping[str, Any], said: Mapping[str, str], region: str) -> bool:
    """A used instance (not an unused reservation) in the region, whatever AWS made of filters."""
    usage = str(rate.get("usageType", ""))
    return (
        (usage.startswith("BoxUsage:") or "-BoxUsage:" in usage)
        and said.get("region", region) == region
        and said.get("tenancy", "shared") == "shared"
        and said.get("productDescription", "Linux/UNIX") == "Linux/UNIX"
        and rate.get("unit") == "Hrs"
    )


def _plan(rate: Mapping[str, Any], origin: Origin) -> Commitment | None:
    offering = rate["savingsPlanOffering"]
    plan, payment = _PLANS.get(offering["planType"]), _payment(offering["paymentOption"])
    years = _years(offering["durationSeconds"])
    if plan is None or payment is None or years is None or offering.get("currency") != "USD":
        return None
    hourly, share = Decimal(rate["rate"]), _UPFRONT_SHARE[payment]
    upfront = hourly * share * years * HOURS_PER_YEAR
    return Commitment(plan, years, payment, hourly * (1 - share), upfront, origin)


def spot(aws: Pages, market: Market, now: datetime, origin: Origin) -> dict[Place, SpotRange]:
    """What spot costs *now*, over the zones of the region. Raises CloudError."""
    pages = aws.pages(
        *("ec2", "describe_spot_price_history", f"spot prices in {market.region}"),
        InstanceTypes=list(market.types),
        ProductDescriptions=["Linux/UNIX"],
        StartTime=now,
        EndTime=now,
    )
    newest: dict[Place, tuple[Any, Decimal]] = {}
    for page in pages:
        for entry in page["SpotPriceHistory"]:
            where = (entry["InstanceType"], entry["AvailabilityZone"])
            said = (entry["Timestamp"], Decimal(entry["SpotPrice"]))
            newest[where] = max(newest.get(where, said), said, key=lambda one: one[0])
    by_type: dict[str, list[Decimal]] = {}
    for (name, _), (_, usd) in newest.items():
        by_type.setdefault(name, []).append(usd)
    return {
        (name, market.region): SpotRange(min(all_), median(all_), max(all_), origin)
        for name, all_ in by_type.items()
    }


def _unique(terms: Terms) -> Terms:
    """One offering of each kind, the cheapest: AWS lists a term more than once at times."""
    best: Terms = {}
    for place, some in terms.items():
        cheapest: dict[str, Commitment] = {}
        for term in sorted(some, key=lambda one: one.effective_hourly):
            cheapest.setdefault(term.name, term)
        best[place] = list(cheapest.values())
    return best


def _payment(said: str) -> Payment | None:
    name = said.lower().replace(" ", "-")
    return Payment(name) if name in list(Payment) else None


def _years(seconds: int) -> int | None:
    years = round(seconds / _SECONDS_PER_YEAR)
    return years if years in {1, 3} else None


def _exact(amount: float) -> Decimal:
    """botocore reads XML numbers as floats; their shortest text is what AWS wrote."""
    return Decimal(str(amount))
