"""Which line of the AWS Price List is which item of the price book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from provision.catalog.prices.price import Origin, Price, Tier
from provision.connectors.price_list import Pages, Product, products

_ONE = Decimal(1)
_THOUSAND, _TEN_THOUSAND, _MILLION = Decimal(1_000), Decimal(10_000), Decimal(1_000_000)
_PER_GIB = _ONE / 1024
_METRICS_OF_AN_INSTANCE = Decimal(7)  # what detailed monitoring writes

_HOURS, _GB, _GB_MONTH = ("Hrs", "hours"), ("GB",), ("GB-Mo", "GB-month")  # io2 has the latter
_REQUESTS = ("Requests", "API Requests", "Request")


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the book: the usage type of AWS's product (or both, where AWS names it
    differently by region), its units, and how many of them are one unit of ours."""

    name: str
    usage: str | tuple[str, str]
    units: tuple[str, ...]
    factor: Decimal = _ONE

    @property
    def usages(self) -> tuple[str, ...]:
        """All its names at AWS."""
        return (self.usage,) if isinstance(self.usage, str) else self.usage


# (service code, product family or None for the whole service) -> items; one question each.
QUESTIONS: Mapping[tuple[str, str | None], tuple[Item, ...]] = {
    ("AmazonEC2", "Storage"): (
        Item("ebs.gp3.gb_month", "EBS:VolumeUsage.gp3", _GB_MONTH),
        Item("ebs.io2.gb_month", "EBS:VolumeUsage.io2", _GB_MONTH),
    ),
    ("AmazonEC2", "System Operation"): (
        Item("ebs.gp3.iops_month", "EBS:VolumeP-IOPS.gp3", ("IOPS-Mo",)),
        Item("ebs.io2.iops_month", "EBS:VolumeP-IOPS.io2", ("IOPS-Mo",)),
    ),
    ("AmazonEC2", "Provisioned Throughput"): (
        Item("ebs.gp3.mibps_month", "EBS:VolumeP-Throughput.gp3", ("GiBps-mo",), _PER_GIB),
    ),
    ("AmazonEC2", "Storage Snapshot"): (
        Item("ebs.snapshot.gb_month", "EBS:SnapshotUsage", _GB_MONTH),
    ),
    ("AmazonEC2", "Fast Snapshot Restore"): (
        Item("ebs.fsr.hour", "EBS:FastSnapshotRestore", ("DSU-Hrs", "DSU-Hours", *_HOURS)),
    ),
    ("AmazonEC2", "NAT Gateway"): (
        Item("nat.hour", "NatGateway-Hours", _HOURS),
        Item("nat.gb", "NatGateway-Bytes", _GB),
    ),
    ("AWSELB", "Load Balancer-Application"): (
        Item("alb.hour", "LoadBalancerUsage", _HOURS),
        Item("alb.lcu_hour", "LCUUsage", ("LCU-Hrs",)),
    ),
    ("AmazonVPC", None): (
        Item("endpoint.hour", "VpcEndpoint-Hours", _HOURS),
        Item("endpoint.gb", "VpcEndpoint-Bytes", _GB),
        Item("ipv4.hour", "PublicIPv4:InUseAddress", _HOURS),
    ),
    ("AmazonCloudWatch", None): (
        Item("cloudwatch.metric_month", "CW:MetricMonitorUsage", ("Metrics",)),
        Item(
            *("cloudwatch.detailed_monitoring.instance_month", "CW:MetricMonitorUsage"),
            *(("Metrics",), _METRICS_OF_AN_INSTANCE),
        ),
        Item("cloudwatch.alarm_month", "CW:AlarmMonitorUsage", ("Alarms",)),
        Item("cloudwatch.alarm_high_resolution_month", "CW:HighResAlarmMonitorUsage", ("Alarms",)),
        Item("cloudwatch.alarm_composite_month", "CW:CompositeAlarmMonitorUsage", ("Alarms",)),
        Item("cloudwatch.put_1k", "CW:Requests", _REQUESTS, _THOUSAND),
        Item("logs.ingest_gb", "DataProcessing-Bytes", _GB),
        Item("logs.storage_gb_month", "TimedStorage-ByteHrs", _GB_MONTH),
        Item("logs.scanned_gb", "DataScanned-Bytes", _GB),
    ),
    ("AWSLambda", "Serverless"): (
        Item("lambda.requests_1m", "Request", _REQUESTS, _MILLION),
        Item("lambda.x86.gb_second", "Lambda-GB-Second", ("Lambda-GB-Second", "seconds")),
        Item("lambda.arm.gb_second", "Lambda-GB-Second-ARM", ("Lambda-GB-Second", "seconds")),
    ),
    ("AmazonECS", None): (
        Item("fargate.vcpu_hour", "Fargate-vCPU-Hours:perCPU", (*_HOURS, "vCPU-Hours")),
        Item("fargate.gb_hour", "Fargate-GB-Hours", (*_HOURS, "GB-Hours")),
    ),
    ("AmazonDynamoDB", "Amazon DynamoDB PayPerRequest Throughput"): (
        Item("dynamodb.write_1m", "WriteRequestUnits", ("WriteRequestUnits",), _MILLION),
        Item("dynamodb.read_1m", "ReadRequestUnits", ("ReadRequestUnits",), _MILLION),
    ),
    ("AmazonS3", "Storage"): (Item("s3.gb_month", "TimedStorage-ByteHrs", _GB_MONTH),),
    ("AmazonS3", "API Request"): (
        Item("s3.put_1k", "Requests-Tier1", _REQUESTS, _THOUSAND),
        Item("s3.get_1k", "Requests-Tier2", _REQUESTS, _THOUSAND),
    ),
    ("AmazonECR", None): (Item("ecr.gb_month", "TimedStorage-ByteHrs", _GB_MONTH),),
    ("AWSSecretsManager", None): (
        Item(
            *("secrets.secret_month", ("AWSSecretsManager-Secrets", "AWSSecretsManager-Secret")),
            ("Secrets",),
        ),
        Item(
            *(
                "secrets.calls_10k",
                ("AWSSecretsManagerAPIRequest", "AWSSecretsManager-APIRequests"),
            ),
            *(_REQUESTS, _TEN_THOUSAND),
        ),
    ),
    ("awskms", None): (
        Item("kms.key_month", "KMS-Keys", ("Keys", "months")),
        Item("kms.requests_10k", "KMS-Requests", _REQUESTS, _TEN_THOUSAND),
    ),
}
_TRANSFER = Item("transfer.zone_gb", "DataTransfer-Regional-Bytes", _GB)
ITEMS = frozenset({_TRANSFER.name, *(item.name for some in QUESTIONS.values() for item in some)})
_EGRESS = "DataTransfer-Out-Bytes"


def services(
    aws: Pages, region: str, units: Mapping[str, str], origin: Origin
) -> tuple[dict[tuple[str, str], Price], list[str]]:
    """The items of *units* in *region*, and notes about those that AWS's answer left open.

    Raises CloudError when AWS does not answer.
    """
    found: dict[tuple[str, str], Price] = {}
    notes: list[str] = []
    for (code, family), items in QUESTIONS.items():
        filters = {"regionCode": region} | ({"productFamily": family} if family else {})
        _match(products(aws, code, filters), items, found, notes, (region, units, origin))
    transfer = {"fromRegionCode": region, "transferType": "IntraRegion"}
    _match(
        products(aws, "AWSDataTransfer", transfer),
        (_TRANSFER,),
        found,
        notes,
        (region, units, origin),
    )
    return found, notes


def egress(aws: Pages, region: str, origin: Origin) -> tuple[tuple[Tier, ...], list[str]]:
    """The tiers of *region* to the internet; none, and a note, when AWS's answer has no such line.

    Raises CloudError when AWS does not answer.
    """
    filters = {"fromRegionCode": region, "transferType": "AWS Outbound"}
    lines = [p for p in products(aws, "AWSDataTransfer", filters) if p.usage == _EGRESS and p.rates]
    if len(lines) != 1 or lines[0].rates[-1].end is not None:
        return (), [f"egress: {len(lines)} products {_EGRESS} in AWS's answer"]
    return tuple(Tier(rate.end, rate.usd, origin) for rate in lines[0].rates), []


def _match(
    sold: Iterable[Product],
    items: Iterable[Item],
    found: dict[tuple[str, str], Price],
    notes: list[str],
    context: tuple[str, Mapping[str, str], Origin],
) -> None:
    region, units, origin = context
    some = list(sold)
    for item in items:
        price, note = _first_tier(item, some)
        if price is None:
            notes.append(f"{item.name}: {note}")
        else:
            found[item.name, region] = Price(price, units[item.name], origin)


def _first_tier(item: Item, sold: Iterable[Product]) -> tuple[Decimal | None, str]:
    """The price of the first tier that costs something, in our unit; else None and the reason."""
    first = [product.rates[0] for product in sold if product.usage in item.usages and product.rates]
    prices, name = {rate.usd for rate in first}, item.usages[0]
    if len(prices) != 1:
        return None, f"{len(prices) or 'no'} prices for {name} in AWS's answer"
    if any(rate.unit.lower() not in {unit.lower() for unit in item.units} for rate in first):
        return None, f"AWS counts {name} in {first[0].unit!r}, not in {item.units[0]!r}"
    return first[0].usd * item.factor, ""
