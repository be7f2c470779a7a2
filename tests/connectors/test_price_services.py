"""Which line of the Price List is which item, over recorded answers (see price_answers)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from provision.catalog.prices.answer import Source
from provision.catalog.prices.load import load
from provision.connectors.price_list import Product
from tests.connectors.price_answers import (
    REGION,
    Recorded,
    asked,
    filters,
    prepare_services,
    price_page,
    product,
)

NOT_ASKED = {"endpoint.gateway.hour", "cloudwatch.dashboard_month", "transfer.region_gb"}
NOT_ASKED |= {"dns.zone_month", "dns.queries_1m"}  # Route 53 has no region


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
