"""Asking AWS for prices, over answers that botocore's service models accept.

moto has none of these calls (pricing, savingsplans) or only a stub (reserved offerings, spot), so
the answers are recorded ones: see price_answers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from provision.catalog.prices.answer import Source
from provision.catalog.prices.load import load
from provision.catalog.prices.price import Origin, Status
from provision.config.environment import AwsSettings
from provision.connectors.aws_client import AwsClients
from provision.connectors.price_list import LINUX, Product, products
from provision.connectors.price_terms import Market
from provision.connectors.prices import ask
from provision.errors import CloudError
from provision.testing import samples
from tests.connectors.price_answers import (
    NOW,
    REGION,
    TYPES,
    Recorded,
    filters,
    hourly,
    offering,
    plan_rate,
    prepare_services,
    price_page,
    product,
    recorded,
    spot_price,
)

MARKET = Market(REGION, TYPES)


@pytest.fixture
def answers() -> Iterator[Recorded]:
    with recorded() as prepared:
        yield prepared


def asked(answers: Recorded, *sources: Source) -> Any:
    found = ask(samples.environment(), MARKET, sources, NOW, aws=answers.aws)
    answers.nothing_left()
    return found


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


NOT_ASKED = {"endpoint.gateway.hour", "cloudwatch.dashboard_month", "transfer.region_gb"}


def test_services_come_back_in_our_units(answers: Recorded) -> None:
    """Per GiB/s, per request, per key: every item that is asked for is the bundled price again."""
    prepare_services(answers)
    found = asked(answers, Source.SERVICES)
    ours = {
        item: price
        for (item, region), price in load().services.items()
        if region == REGION and item not in NOT_ASKED
    }
    assert {item: p.usd for (item, _), p in found.book.services.items()} == {
        item: p.usd for item, p in ours.items()
    }
    assert {item: p.unit for (item, _), p in found.book.services.items()} == {
        item: p.unit for item, p in ours.items()
    }
    assert found.notes == ()


def test_a_service_that_aws_counts_otherwise_is_left_alone(answers: Recorded) -> None:
    """Another unit, no price, two prices: none of them is guessed at, each is named."""
    prepare_services(
        answers,
        **{
            "nat.gb": product({"usagetype": "NatGateway-Bytes"}, ("45", "TB", "0", "Inf")),
            "alb.hour": product({"usagetype": "Other"}, ("1", "Hrs", "0", "Inf")),
            "ecr.gb_month": product(
                {"usagetype": "TimedStorage-ByteHrs"}, ("0", "GB-Mo", "0", "500")
            ),
        },
    )
    found = asked(answers, Source.SERVICES)
    assert found.notes == (
        "nat.gb: AWS counts NatGateway-Bytes in 'TB', not in 'GB'",
        "alb.hour: no prices for LoadBalancerUsage in AWS's answer",
        "ecr.gb_month: no prices for TimedStorage-ByteHrs in AWS's answer",
    )
    assert {"nat.gb", "alb.hour", "ecr.gb_month"}.isdisjoint(i for i, _ in found.book.services)


@pytest.mark.parametrize(
    ("usage", "plain"),
    [
        ("LoadBalancerUsage", "LoadBalancerUsage"),
        ("EU-LoadBalancerUsage", "LoadBalancerUsage"),
        ("EUC1-LoadBalancerUsage", "LoadBalancerUsage"),
        ("us-east-1-KMS-Requests", "KMS-Requests"),
        ("ap-southeast-1-KMS-Keys", "KMS-Keys"),
        ("TS-LoadBalancerUsage", "TS-LoadBalancerUsage"),
        ("EUW2-Outposts-LoadBalancerUsage", "Outposts-LoadBalancerUsage"),
        ("EU-RegionalNatGateway-Hours", "RegionalNatGateway-Hours"),
        ("EBS:VolumeUsage.gp3", "EBS:VolumeUsage.gp3"),
    ],
)
def test_a_usage_type_without_its_region(usage: str, plain: str) -> None:
    """Regions have prefixes of a known shape; other prefixes are other products."""
    assert Product({"usagetype": usage}, ()).usage == plain


def test_ireland_names_its_secrets_otherwise(answers: Recorded) -> None:
    """AWS spells a few usage types differently by region: both spellings are known."""
    call = product(
        {"usagetype": "EU-AWSSecretsManager-APIRequests"}, ("0.000005", "API Requests", "0", "Inf")
    )
    prepare_services(answers, **{"secrets.calls_10k": call})
    found = asked(answers, Source.SERVICES)
    assert found.book.services["secrets.calls_10k", REGION].usd == Decimal("0.05")


def test_a_free_tier_is_not_the_price(answers: Recorded) -> None:
    """20,000 KMS requests are free: the tier after them is what they cost."""
    tiers = [("0", "Requests", "0", "20000"), ("0.000003", "Requests", "20000", "Inf")]
    prepare_services(
        answers, **{"kms.requests_10k": product({"usagetype": "KMS-Requests"}, *tiers)}
    )
    found = asked(answers, Source.SERVICES)
    assert found.book.services["kms.requests_10k", REGION].usd == Decimal("0.03")


def test_egress_tiers(answers: Recorded) -> None:
    """In order, the free one left out, the last without end."""
    lines = [
        product(
            {"usagetype": "DataTransfer-Out-Bytes"},
            ("0.07", "GB", "51200", "153600"),
            ("0.09", "GB", "0", "10240"),
            ("0.05", "GB", "153600", "Inf"),
            ("0.085", "GB", "10240", "51200"),
        ),
        product({"usagetype": "USE1-CloudFront-Out-Bytes"}, ("0.02", "GB", "0", "Inf")),
    ]
    question = {
        "ServiceCode": "AWSDataTransfer",
        "FormatVersion": "aws_v1",
        "Filters": filters(fromRegionCode=REGION, transferType="AWS Outbound"),
        "MaxResults": 100,
    }
    answers.answer("pricing", "get_products", price_page(*lines), question)
    found = asked(answers, Source.EGRESS)
    assert [(t.up_to, t.usd) for t in found.book.egress[REGION]] == [
        (t.up_to, t.usd) for t in load().egress[REGION]
    ]


def test_egress_that_ends_is_left_alone(answers: Recorded) -> None:
    """Without a last tier a gigabyte would be free some day."""
    line = product({"usagetype": "DataTransfer-Out-Bytes"}, ("0.09", "GB", "0", "10240"))
    answers.answer("pricing", "get_products", price_page(line), None)
    found = asked(answers, Source.EGRESS)
    assert (found.book.egress, found.notes) == (
        {},
        ("egress: 1 products DataTransfer-Out-Bytes in AWS's answer",),
    )


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "{}",
        "[]",
        '{"product": {}, "terms": {"OnDemand": {}}}',
        product({}, ("cheap", "Hrs", "0", "Inf")),
    ],
)
def test_an_answer_that_can_t_be_understood_is_an_error(answers: Recorded, text: str) -> None:
    """Not an empty price list, which would look like "AWS sells nothing"."""
    answers.answer("pricing", "get_products", price_page(text), None)
    with pytest.raises(CloudError, match="an answer that can't be understood") as caught:
        asked(answers, Source.ON_DEMAND)
    assert caught.value.hint == "AWS may have changed its format: the prices stay as they are"


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
    assert caught.value.hint == f"your role needs permission for {service}:{operation} on it"


@pytest.mark.parametrize(
    ("region", "home"),
    [
        ("us-east-1", "us-east-1"),
        ("sa-east-1", "us-east-1"),
        ("eu-west-1", "eu-central-1"),
        ("me-central-1", "eu-central-1"),
        ("ap-northeast-1", "ap-south-1"),
    ],
)
def test_the_price_list_has_three_homes(region: str, home: str) -> None:
    """Elsewhere the endpoint does not exist; other services answer where the fleet is."""
    clients = AwsClients(replace(samples.environment(), region=region))
    assert clients.client("pricing").meta.region_name == home
    assert clients.client("ec2").meta.region_name == region


class Busy(BaseHTTPRequestHandler):
    """A Price List that asks for patience so many times, then answers."""

    patience: ClassVar[int] = 0
    seen: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        busy = len(self.seen) < self.patience
        answer: dict[str, Any] = {"__type": "ThrottlingException", "message": "Rate exceeded"}
        if not busy:
            answer = price_page(hourly("g5.xlarge", "1.006"))
        self.seen.append(400 if busy else 200)
        body = json.dumps(answer).encode()
        self.send_response(self.seen[-1])
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsClients]:
    """botocore itself over loopback HTTP; its waits between tries take no time."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(Busy, "seen", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    yield AwsClients(replace(samples.environment(), aws=AwsSettings(endpoint_url=endpoint)))
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_busy_price_list_is_asked_again(
    busy: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two refusals for too many questions, then the answer."""
    monkeypatch.setattr(Busy, "patience", 2)
    assert [p.attributes["instanceType"] for p in products(busy, "AmazonEC2", {})] == ["g5.xlarge"]
    assert Busy.seen == [400, 400, 200]


def test_patience_ends(busy: AwsClients, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some tries it is an error that says so."""
    monkeypatch.setattr(Busy, "patience", 99)
    with pytest.raises(CloudError) as caught:
        products(busy, "AmazonEC2", {})
    assert caught.value.hint == "AWS asks for patience: run the same command again"
    assert set(Busy.seen) == {400}
    assert len(Busy.seen) > 2
