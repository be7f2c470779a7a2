"""Asking AWS for prices, over answers that botocore's service models accept.

moto has none of these calls (pricing, savingsplans) or only a stub (reserved offerings, spot), so
the answers are recorded ones: see price_answers.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from provision.catalog.prices.answer import Source
from provision.catalog.prices.price import Origin, Status
from provision.connectors.price_list import LINUX
from provision.errors import CloudError
from tests.connectors.price_answers import (
    REGION,
    Recorded,
    asked,
    filters,
    hourly,
    price_page,
)


def test_on_demand_is_asked_page_by_page(answers: Recorded) -> None:
    """Plain Linux on shared hardware, without capacity blocks and unused reservations; types that
    the catalogue lacks are left aside."""
    question = {
        "ServiceCode": "AmazonEC2",
        "FormatVersion": "aws_v1",
        "Filters": filters(regionCode=REGION, **LINUX),
        "MaxResults": 100,
    }
    first = price_page(hourly("g5.xlarge", "1.006"), hourly("m5.large", "0.096"), token="more")
    answers.answer("pricing", "get_products", first, question)
    second = price_page(hourly("g5.2xlarge", "1.212"))
    answers.answer("pricing", "get_products", second, {**question, "NextToken": "more"})
    found = asked(answers, Source.ON_DEMAND)
    assert {place: price.usd for place, price in found.book.on_demand.items()} == {
        ("g5.xlarge", REGION): Decimal("1.006"),
        ("g5.2xlarge", REGION): Decimal("1.212"),
    }
    price = found.book.on_demand["g5.xlarge", REGION]
    assert price.origin == Origin("AWS Price List API", "2026-11-21", Status.REFRESHED)
    assert (found.notes, found.asked) == ((), {Source.ON_DEMAND})


def test_two_prices_for_one_type_are_none(answers: Recorded) -> None:
    """Where AWS's answer is not clear the book keeps what it has, and the note says why."""
    page = price_page(hourly("g5.xlarge", "1.006"), hourly("g5.xlarge", "1.1"))
    answers.answer("pricing", "get_products", page, None)
    found = asked(answers, Source.ON_DEMAND)
    assert found.book.on_demand == {}
    assert found.notes == (
        "g5.xlarge: 2 on-demand prices in AWS's answer",
        "no on-demand price for g5.2xlarge, g5.xlarge",
    )


def test_a_price_of_nothing_is_no_price(answers: Recorded) -> None:
    """AWS lists SKUs at 0.00 that nobody can buy."""
    answers.answer("pricing", "get_products", price_page(hourly("g5.xlarge", "0.")), None)
    assert asked(answers, Source.ON_DEMAND).book.on_demand == {}


@pytest.mark.parametrize(
    ("source", "service", "operation"),
    [
        (Source.ON_DEMAND, "pricing", "get_products"),
        (Source.RESERVED, "ec2", "describe_reserved_instances_offerings"),
        (Source.SAVINGS_PLANS, "savingsplans", "describe_savings_plans_offering_rates"),
        (Source.SPOT, "ec2", "describe_spot_price_history"),
        (Source.SERVICES, "pricing", "get_products"),
        (Source.EGRESS, "pricing", "get_products"),
    ],
)
def test_a_refusal_names_the_permission(
    answers: Recorded, source: Source, service: str, operation: str
) -> None:
    """Any source that is refused ends the whole answer, with the call and what to do."""
    answers.refuse(service, operation, "AccessDeniedException")
    with pytest.raises(CloudError) as caught:
        asked(answers, source)
    right = "".join(word.capitalize() for word in operation.split("_"))
    assert caught.value.hint == f"your role needs permission for {service}:{right} on it"
