"""The load balancer: its hours, capacity units and addresses, and what leaves AWS through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from provision.catalog.prices.price import Origin, Price, Status
from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.money import HOURS_PER_MONTH
from provision.planning.cost.month import Month, Pricer, line

# One capacity unit (LCU) is the first of these to be reached.
NEW_CONNECTIONS_PER_S = 25
ACTIVE_CONNECTIONS = 3000
GB_PER_HOUR = 1
RULES_PER_S = 1000
FREE_RULES = 10

_RULE = "aws:lb/listenerRule:ListenerRule"
NOWHERE = Origin("prices/data_transfer.csv", "", Status.MEMORY)


def load_balancer(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """An Application Load Balancer; of another kind nothing is known."""
    if resource.inputs.get("loadBalancerType", "application") != "application":
        yield Unbilled(resource.name, resource.type, "only application load balancers are priced")
        return
    yield month.line(resource, "load balancer", "hour", HOURS_PER_MONTH, "alb.hour")
    units = capacity_units(month) * month.usage.hours
    yield month.line(resource, "capacity units", "LCU-hour", units, "alb.lcu_hour", assumed=True)
    if not resource.inputs.get("internal"):
        addresses = len(resource.inputs["subnets"])
        hours = addresses * HOURS_PER_MONTH
        note = f"{addresses} of them"
        yield month.line(resource, "public IPv4 addresses", "hour", hours, "ipv4.hour", note=note)
    yield from _egress(resource, month)


def capacity_units(month: Month) -> Decimal:
    """Capacity units on average: the largest of connections begun and open, bytes, and rules."""
    usage = month.usage
    rate = usage.requests / usage.seconds
    rules = max(0, month.count(_RULE) - FREE_RULES)
    return max(
        rate / usage.requests_per_connection / NEW_CONNECTIONS_PER_S,
        rate * usage.response_s / ACTIVE_CONNECTIONS,
        (usage.prompts_gb + usage.answers_gb) / usage.hours / GB_PER_HOUR,
        rate * rules / RULES_PER_S,
    )


def _egress(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """One line for each tier of the price that the answers reach."""
    share = month.usage.internet_share
    if share is None:
        share = Decimal(0) if resource.inputs.get("internal") else Decimal(1)
    left, reached = month.usage.answers_gb * share, Decimal(0)
    tiers = month.book.egress.get(month.region)
    if left and not tiers:
        missing = f"no price for data out of {month.region} is known"
        yield line(resource, "data to the internet", "GB", left, None, assumed=True, note=missing)
        return
    for tier in tiers or ():
        inside = left if tier.up_to is None else min(left, tier.up_to - reached)
        if inside <= 0:
            return
        price = Price(tier.usd, "GB", tier.origin or NOWHERE)
        name = f"data to the internet{_beyond(reached)}"
        yield line(resource, name, "GB", inside, price, assumed=True)
        left, reached = left - inside, reached + inside


def _beyond(reached: Decimal) -> str:
    return f", beyond {reached:,.0f} GB" if reached else ""


PRICED: Mapping[str, Pricer] = {"aws:lb/loadBalancer:LoadBalancer": load_balancer}
