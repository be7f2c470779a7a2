"""What a request costs, as stated and at full load."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from provision.config.environment import BudgetSettings
from provision.planning.cost.invoice import invoice
from provision.planning.cost.per_request import PerRequest, full_load, stated
from provision.planning.cost.preview import Carried, preview
from tests.planning.cost.months import ENVIRONMENT, GUESS, declared, fleet, of

BALANCER = declared("aws:lb/loadBalancer:LoadBalancer", "alb", internal=False, subnets=["a"])
MONTH = of((*fleet(), BALANCER))
TODAY = date(2026, 11, 21)


def test_the_traffic_stated() -> None:
    """The total over a million requests of 800 tokens."""
    one = stated(invoice(MONTH), MONTH)
    assert one.usd_per_request == one.usd / 1_000_000
    assert one.usd_per_million_tokens == one.usd / 800


def test_without_traffic_there_is_no_price_for_a_request() -> None:
    """None, not an error and not zero."""
    one = PerRequest(Decimal(100), Decimal(0), 800, "as stated")
    assert (one.usd_per_request, one.usd_per_million_tokens) == (None, None)


def test_at_full_load_the_bill_is_computed_anew() -> None:
    """More answers leave, so it is more than the bill as stated."""
    one = full_load(MONTH, 10_000_000, "measured")
    assert one is not None
    assert one.requests == 10_000_000
    busy = replace(MONTH, usage=replace(MONTH.usage, requests=Decimal(10_000_000)))
    assert one.usd == invoice(busy).total > invoice(MONTH).total


def test_the_fallback_answers_its_share_on_top() -> None:
    """A fleet of 900 requests with a tenth falling back serves a thousand."""
    usage = replace(MONTH.usage, fallback_share=Decimal("0.1"))
    one = full_load(replace(MONTH, usage=usage), 900, "measured")
    assert one is not None
    assert one.requests == 1000


def test_a_fleet_that_answers_nothing_has_no_full_load() -> None:
    """When the fallback does it all, or when nothing is carried."""
    usage = replace(MONTH.usage, fallback_share=Decimal(1))
    assert full_load(replace(MONTH, usage=usage), 900, "measured") is None
    assert full_load(MONTH, 0, "measured") is None


def test_an_unknown_capacity_leaves_full_load_unknown() -> None:
    """And says why."""
    shown = preview(MONTH, Carried(None, "nobody knows how fast it is"), today=TODAY)
    assert shown.full_load is None
    assert shown.carried.said == "nobody knows how fast it is"


def test_what_a_person_should_mind() -> None:
    """Too much traffic, a fallback that ends, a budget that is exceeded, old and unsure prices."""
    environment = replace(ENVIRONMENT, budget=BudgetSettings(max_monthly_usd=1000.0))
    price = next(iter(MONTH.book.services.values()))
    unsure = {**MONTH.book.services, ("alb.hour", "us-east-1"): replace(price, origin=GUESS)}
    month = replace(
        MONTH,
        environment=environment,
        book=replace(MONTH.book, services=unsure),
        usage=replace(MONTH.usage, fallback_share=Decimal("0.5")),
    )
    shown = preview(month, Carried(400_000, "measured"), today=date(2027, 3, 1), notes=["a note"])
    assert shown.warnings == (
        "a note",
        "the fleet carries 400,000 requests a month at best, 500,000 are stated: the bill is that"
        " of too few hosts",
        "gpt-4o-mini was switched off by its provider on 2027-01-01",
        f"${shown.bill.total:,.2f} is above budget.max_monthly_usd, $1,000.00: `pulumi up` will"
        " refuse",
        "prices are of 2026-11-01, 120 days old: `fab cost.refresh` asks AWS for today's",
        "prices marked ~ are from memory: nobody has verified them",
    )


def test_young_verified_prices_within_the_budget_need_no_warning() -> None:
    """Silence is the usual case."""
    assert preview(MONTH, Carried(2_000_000, "measured"), today=TODAY).warnings == ()


def test_a_group_that_may_grow_says_what_it_would_cost() -> None:
    """Four hosts of a dollar an hour, and their disks."""
    shown = preview(of(fleet(most=4)), Carried(2_000_000, "measured"), today=TODAY)
    assert shown.bill.total == 1660
    assert shown.warnings == ("the group may grow to 4 hosts: $3,320.00 a month, if they stay",)
