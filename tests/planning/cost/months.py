"""A month for tests: resources and prices by hand, so that every figure can be checked by head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.price import (
    Commitment,
    HostedModel,
    Origin,
    Payment,
    Plan,
    Price,
    SpotRange,
    Status,
    Tier,
)
from provision.config.environment import Environment, ModelChoice
from provision.planning.cost.declared import Declared
from provision.planning.cost.month import Month
from provision.planning.cost.usage import Usage

REGION = "us-east-1"
HOST = "g5.xlarge"
ORIGIN = Origin("a price list", "2026-11-01", Status.SEEN)
GUESS = Origin("somebody's memory", "undated", Status.MEMORY)

ITEMS = (
    "ebs.gp3.gb_month",
    "ebs.gp3.iops_month",
    "ebs.gp3.mibps_month",
    "ebs.snapshot.gb_month",
    "alb.hour",
    "alb.lcu_hour",
    "nat.hour",
    "nat.gb",
    "endpoint.hour",
    "endpoint.gb",
    "endpoint.gateway.hour",
    "ipv4.hour",
    "transfer.zone_gb",
    "cloudwatch.metric_month",
    "cloudwatch.put_1k",
    "cloudwatch.alarm_month",
    "cloudwatch.alarm_high_resolution_month",
    "cloudwatch.alarm_composite_month",
    "cloudwatch.dashboard_month",
    "cloudwatch.detailed_monitoring.instance_month",
    "logs.ingest_gb",
    "logs.storage_gb_month",
    "logs.scanned_gb",
    "s3.gb_month",
    "s3.put_1k",
    "s3.get_1k",
    "ecr.gb_month",
    "secrets.secret_month",
    "secrets.calls_10k",
    "kms.key_month",
    "fargate.vcpu_hour",
    "fargate.gb_hour",
    "lambda.requests_1m",
    "lambda.arm.gb_second",
    "dynamodb.write_1m",
    "dynamodb.read_1m",
    "dns.zone_month",
    "dns.queries_1m",
)

# Every service costs a dollar a unit: lines show quantities.
BOOK = PriceBook(
    on_demand={(HOST, REGION): Price(Decimal(1), "hour", ORIGIN)},
    spot={(HOST, REGION): SpotRange(Decimal("0.3"), Decimal("0.4"), Decimal("0.5"), ORIGIN)},
    commitments={
        (HOST, REGION): (
            Commitment(Plan.RESERVED, 1, Payment.NO_UPFRONT, Decimal("0.6"), Decimal(0), ORIGIN),
            Commitment(
                Plan.RESERVED, 3, Payment.PARTIAL_UPFRONT, Decimal("0.2"), Decimal(5256), GUESS
            ),
        )
    },
    capacity_blocks={HOST: Price(Decimal("0.8"), "hour", ORIGIN)},
    services={(item, REGION): Price(Decimal(1), "unit", ORIGIN) for item in ITEMS},
    egress={REGION: (Tier(Decimal(100), Decimal(2), ORIGIN), Tier(None, Decimal(1), ORIGIN))},
    hosted={
        "gpt-4o-mini": HostedModel(
            "gpt-4o-mini", "openai", Decimal("0.15"), Decimal("0.60"), None, "2027-01-01", ORIGIN
        )
    },
)
ENVIRONMENT = Environment(
    name="prod", region=REGION, owner="platform", model=ModelChoice(name="mistral-7b")
)


def declared(type_: str, name: str = "it", **inputs: Any) -> Declared:
    """A resource called *name*."""
    return Declared(type_, name, "", inputs)


def fleet(
    hosts: int = 2, *, most: int = 2, zones: int = 2, template: Mapping[str, Any] | None = None
) -> tuple[Declared, Declared]:
    """A group and its launch template."""
    disk = {"deviceName": "/dev/sda1", "ebs": {"volumeType": "gp3", "volumeSize": 100}}
    inputs = {"instanceType": HOST, "blockDeviceMappings": [disk], **(template or {})}
    return (
        declared(
            "aws:autoscaling/group:Group",
            "hosts",
            minSize=hosts,
            maxSize=most,
            launchTemplate={"id": "template", "version": "1"},
            vpcZoneIdentifiers=[f"subnet-{n}" for n in range(zones)],
        ),
        Declared("aws:ec2/launchTemplate:LaunchTemplate", "template", "", inputs),
    )


def month(*resources: Declared, book: PriceBook = BOOK, **usage: Any) -> Month:
    """Two hosts of a dollar an hour beside *resources*, and what *usage* says of the month."""
    return of((*fleet(), *resources), book=book, **usage)


def of(resources: tuple[Declared, ...], *, book: PriceBook = BOOK, **usage: Any) -> Month:
    """Only *resources*."""
    return Month(ENVIRONMENT, replace(Usage(), **usage), book, resources, Decimal("13.5"))
