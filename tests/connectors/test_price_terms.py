"""Reserved Instances, Savings Plans and spot, over recorded answers (see price_answers)."""

from __future__ import annotations

from decimal import Decimal

from provision.catalog.prices.answer import Source
from tests.connectors.price_answers import (
    NOW,
    REGION,
    TYPES,
    Recorded,
    asked,
    offering,
    plan_rate,
    spot_price,
)


def test_reserved_instances(answers: Recorded) -> None:
    """All payments and both terms; offerings of other people and of zones are not asked for."""
    page = {
        "NextToken": "more",
        "ReservedInstancesOfferings": [
            offering("g5.xlarge", "No Upfront", 0.0, 0.634),
            offering("g5.xlarge", "Partial Upfront", 2644.0, 0.3018),
            offering("g5.xlarge", "All Upfront", 1.0, 0.0, Marketplace=True),
        ],
    }
    more = {
        "ReservedInstancesOfferings": [
            offering("g5.xlarge", "All Upfront", 5182.0, 0.0),
            offering("g5.xlarge", "All Upfront", 9941.0, 0.0, years=3),
            offering("g5.xlarge", "All Upfront", 5200.0, 0.0),
            offering("g5.xlarge", "Heavy Utilization", 5.0, 0.1),
            offering("g5.xlarge", "No Upfront", 0.0, 0.7, Duration=2592000),
        ]
    }
    question = {
        "IncludeMarketplace": False,
        "InstanceTenancy": "default",
        "OfferingClass": "standard",
        "ProductDescription": "Linux/UNIX",
        "Filters": [
            {"Name": "instance-type", "Values": list(TYPES)},
            {"Name": "scope", "Values": ["Region"]},
        ],
    }
    operation = "describe_reserved_instances_offerings"
    answers.answer("ec2", operation, page, question)
    answers.answer("ec2", operation, more, {**question, "NextToken": "more"})
    found = asked(answers, Source.RESERVED)
    terms = found.book.commitments["g5.xlarge", REGION]
    assert {t.name: (t.hourly, t.upfront) for t in terms} == {
        "reserved-1y-no-upfront": (Decimal("0.634"), 0),
        "reserved-1y-partial-upfront": (Decimal("0.3018"), 2644),
        "reserved-1y-all-upfront": (0, 5182),
        "reserved-3y-all-upfront": (0, 9941),
    }
    assert found.notes == ("no reserved offering for g5.2xlarge",)


def test_savings_plans(answers: Recorded) -> None:
    """A rate is what an hour costs in all: paid by the hour, by half or wholly on the first day."""
    page = {
        "nextToken": "more",
        "searchResults": [
            plan_rate("g5.xlarge", "0.64"),
            plan_rate("g5.xlarge", "0.6", payment="Partial Upfront"),
            plan_rate("g5.xlarge", "0.59", payment="All Upfront"),
            plan_rate("g5.xlarge", "0.1", usageType="UnusedBox:g5.xlarge"),
            plan_rate("m5.large", "0.05"),
        ],
    }
    more = {"searchResults": [plan_rate("g5.2xlarge", "0.9", kind="Compute")]}
    operation = "describe_savings_plans_offering_rates"
    question = {
        "savingsPlanTypes": ["EC2Instance", "Compute"],
        "products": ["EC2"],
        "serviceCodes": ["AmazonEC2"],
        "filters": [
            {"name": "region", "values": [REGION]},
            {"name": "instanceType", "values": list(TYPES)},
            {"name": "tenancy", "values": ["shared"]},
            {"name": "productDescription", "values": ["Linux/UNIX"]},
        ],
        "maxResults": 1000,
    }
    answers.answer("savingsplans", operation, page, question)
    answers.answer("savingsplans", operation, more, {**question, "nextToken": "more"})
    found = asked(answers, Source.SAVINGS_PLANS)
    terms = found.book.commitments["g5.xlarge", REGION]
    assert {t.name: (t.hourly, t.upfront) for t in terms} == {
        "savings-plan-ec2-1y-no-upfront": (Decimal("0.64"), 0),
        "savings-plan-ec2-1y-partial-upfront": (Decimal("0.3"), Decimal(2628)),
        "savings-plan-ec2-1y-all-upfront": (0, Decimal("5168.4")),
    }
    assert [t.effective_hourly for t in terms] == [Decimal("0.59"), Decimal("0.6"), Decimal("0.64")]
    (compute,) = found.book.commitments["g5.2xlarge", REGION]
    assert compute.name == "savings-plan-compute-1y-no-upfront"


def test_spot_over_the_zones(answers: Recorded) -> None:
    """The newest price of each zone; lowest, median and highest of them."""
    page = {
        "NextToken": "more",
        "SpotPriceHistory": [
            spot_price("g5.xlarge", "a", "0.45"),
            spot_price("g5.xlarge", "a", "9.99", hour=4),
            spot_price("g5.xlarge", "b", "0.43"),
        ],
    }
    more = {"SpotPriceHistory": [spot_price("g5.xlarge", "c", "0.4300")]}
    question = {
        "InstanceTypes": list(TYPES),
        "ProductDescriptions": ["Linux/UNIX"],
        "StartTime": NOW,
        "EndTime": NOW,
    }
    answers.answer("ec2", "describe_spot_price_history", page, question)
    answers.answer("ec2", "describe_spot_price_history", more, {**question, "NextToken": "more"})
    found = asked(answers, Source.SPOT)
    spot = found.book.spot["g5.xlarge", REGION]
    assert (spot.low, spot.median, spot.high) == (Decimal("0.43"), Decimal("0.43"), Decimal("0.45"))
    assert found.notes == ("no spot price for g5.2xlarge",)
