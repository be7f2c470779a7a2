"""AWS's price answers in AWS's shapes: written by hand after the documentation, and validated
against botocore's own service models by its Stubber (nobody asked a real account)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.stub import Stubber

from provision.catalog.prices.answer import Answer, Source
from provision.catalog.prices.load import load
from provision.connectors.aws_client import AwsClients
from provision.connectors.price_services import QUESTIONS
from provision.connectors.price_terms import Market
from provision.connectors.prices import ask
from provision.testing import samples

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
REGION = "us-east-1"
# What AWS writes before usage types of us-east-1; most services write nothing.
PREFIXES = {
    "AmazonECS": "USE1-",
    "AmazonVPC": "USE1-",
    "AWSSecretsManager": "USE1-",
    "awskms": "us-east-1-",
}
SERVICES = ("pricing", "ec2", "savingsplans")
TYPES = ("g5.2xlarge", "g5.xlarge")


@dataclass
class Recorded:
    """Answers that AWS will give, in this order for each service."""

    stubbers: dict[str, Stubber] = field(default_factory=dict)
    aws: Any = None

    def answer(
        self, service: str, operation: str, answer: dict[str, Any], expected: dict[str, Any] | None
    ) -> None:
        """The next answer of *service*; with *expected*, only for exactly these parameters."""
        self.stubbers[service].add_response(operation, answer, expected)

    def refuse(self, service: str, operation: str, code: str) -> None:
        """The next call fails with AWS's error *code*."""
        self.stubbers[service].add_client_error(operation, code, "said AWS", 400)

    def nothing_left(self) -> None:
        """Every prepared answer was asked for."""
        for stubber in self.stubbers.values():
            stubber.assert_no_pending_responses()


@cache
def client(service: str) -> Any:
    """Made once: EC2's model takes a while to read."""
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


@contextmanager
def recorded() -> Iterator[Recorded]:
    """An AwsClients whose answers a test prepares; an unprepared call is an error."""

    class Clients(AwsClients):
        def client(self, service: str, *, once: bool = False) -> Any:
            return client(service)

    answers = Recorded({name: Stubber(client(name)) for name in SERVICES})
    answers.aws = Clients(samples.environment())
    with ExitStack() as stack:
        for stubber in answers.stubbers.values():
            stack.enter_context(stubber)
        yield answers


def asked(answers: Recorded, *sources: Source) -> Answer:
    """What follows from the prepared answers, all of which must have been asked for."""
    found = ask(samples.environment(), Market(REGION, TYPES), sources, NOW, aws=answers.aws)
    answers.nothing_left()
    return found


def product(attributes: dict[str, str], *rates: tuple[str, str, str, str]) -> str:
    """One entry of a PriceList; a rate is (US dollars, unit, begin, end)."""
    dimensions = {
        f"SKU.TERM.{n}": {
            "rateCode": f"SKU.TERM.{n}",
            "unit": unit,
            "description": "",
            "appliesTo": [],
            "beginRange": begin,
            "endRange": end,
            "pricePerUnit": {"USD": usd},
        }
        for n, (usd, unit, begin, end) in enumerate(rates)
    }
    term = {"priceDimensions": dimensions, "sku": "SKU", "termAttributes": {}}
    return json.dumps(
        {
            "product": {"productFamily": "", "attributes": attributes, "sku": "SKU"},
            "serviceCode": "",
            "terms": {"OnDemand": {"SKU.TERM": term}},
            "version": "20261120",
            "publicationDate": "2026-11-20T00:00:00Z",
        }
    )


def hourly(name: str, usd: str) -> str:
    """An instance type's entry."""
    attributes = {"instanceType": name, "usagetype": f"BoxUsage:{name}", "regionCode": REGION}
    return product(attributes, (f"{usd}0000000", "Hrs", "0", "Inf"))


def price_page(*products: str, token: str | None = None) -> dict[str, Any]:
    """One page of GetProducts."""
    return {"FormatVersion": "aws_v1", "PriceList": list(products)} | (
        {"NextToken": token} if token else {}
    )


def offering(
    name: str, payment: str, fixed: float, hourly: float, years: int = 1, **more: Any
) -> dict[str, Any]:
    """A Reserved Instance as EC2 describes it."""
    return {
        "CurrencyCode": "USD",
        "InstanceTenancy": "default",
        "Marketplace": False,
        "OfferingClass": "standard",
        "OfferingType": payment,
        "PricingDetails": [],
        "RecurringCharges": [{"Amount": hourly, "Frequency": "Hourly"}] if hourly else [],
        "Scope": "Region",
        "ReservedInstancesOfferingId": f"{name}-{payment}",
        "InstanceType": name,
        "Duration": years * 31536000,
        "UsagePrice": 0.0,
        "FixedPrice": fixed,
        "ProductDescription": "Linux/UNIX",
    } | more


def plan_rate(
    name: str, rate: str, kind: str = "EC2Instance", payment: str = "No Upfront", **more: Any
) -> dict[str, Any]:
    """A Savings Plans rate."""
    properties = {
        "instanceType": name,
        "region": REGION,
        "tenancy": "shared",
        "productDescription": "Linux/UNIX",
    }
    return {
        "savingsPlanOffering": {
            "offeringId": "offer",
            "paymentOption": payment,
            "planType": kind,
            "durationSeconds": 31536000,
            "currency": "USD",
            "planDescription": "",
        },
        "rate": rate,
        "unit": "Hrs",
        "productType": "EC2",
        "serviceCode": "AmazonEC2",
        "usageType": f"BoxUsage:{name}",
        "operation": "RunInstances",
        "properties": [{"name": k, "value": v} for k, v in properties.items()],
    } | more


def spot_price(name: str, zone: str, usd: str, hour: int = 5) -> dict[str, Any]:
    """A spot price that holds since *hour* o'clock."""
    return {
        "AvailabilityZone": f"{REGION}{zone}",
        "InstanceType": name,
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": usd,
        "Timestamp": datetime(2026, 11, 21, hour, tzinfo=UTC),
    }


def filters(**fields: str) -> list[dict[str, str]]:
    """As GetProducts wants them."""
    return [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in fields.items()]


def prepare_services(answers: Recorded, **instead: str) -> None:
    """One answer for each question, with the bundled prices in AWS's units."""
    bundled = load().services
    for (code, family), items in QUESTIONS.items():
        sold = [
            instead.get(
                item.name,
                product(
                    {"usagetype": f"{PREFIXES.get(code, '')}{item.usages[0]}"},
                    (
                        f"{bundled[item.name, REGION].usd / item.factor:f}",
                        item.units[0],
                        "0",
                        "Inf",
                    ),
                ),
            )
            for item in items
            if item.name != "cloudwatch.detailed_monitoring.instance_month"
        ]
        fields = {"regionCode": REGION} | ({"productFamily": family} if family else {})
        question = {
            "ServiceCode": code,
            "FormatVersion": "aws_v1",
            "Filters": filters(**fields),
            "MaxResults": 100,
        }
        answers.answer("pricing", "get_products", price_page(*sold), question)
    transfer = product({"usagetype": "DataTransfer-Regional-Bytes"}, ("0.01", "GB", "0", "Inf"))
    answers.answer("pricing", "get_products", price_page(transfer), None)
