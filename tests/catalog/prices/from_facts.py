"""Rebuild the bundled price book from the prices as they were collected.

    .venv/bin/python tests/catalog/prices/from_facts.py

The test beside this file compares every table, so a price that was changed in one place is found.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FACTS = ROOT / "tests" / "golden" / "facts_prices"
CATALOG = ROOT / "provision" / "catalog" / "data"
DATA = CATALOG / "prices"

HOURS_PER_YEAR = 8760
KARPENTER = (
    "Karpenter zz_generated.pricing_aws.go @6fc13b523, generated from the AWS Price List API"
)
SKYPILOT = "SkyPilot catalog v9 aws/vms.csv @2c3d7ea, dated by the types that it holds"
LITELLM = "litellm 1.109.1 (PyPI), model_prices_and_context_window_backup.json"
# On-demand prices of these dropped by a third in 2025; what was reserved before says nothing now.
STALE = {"p4d.24xlarge", "p4de.24xlarge"}
DATES = {"2024-Q4": "2024-10..2024-12", "2026-02..03": "2026-02..2026-03", "": "undated"}
DATES |= {"2025-2026": "2025..2026", "memory": "undated"}

# (service, item) as collected -> item as the book calls it, and its unit.
SERVICES = {
    ("EBS", "gp3 storage"): ("ebs.gp3.gb_month", "GB-month"),
    ("EBS", "gp3 IOPS above 3000"): ("ebs.gp3.iops_month", "IOPS-month"),
    ("EBS", "gp3 throughput above 125 MiB/s"): ("ebs.gp3.mibps_month", "MiB/s-month"),
    ("EBS", "io2 storage"): ("ebs.io2.gb_month", "GB-month"),
    ("EBS", "io2 IOPS first 32000"): ("ebs.io2.iops_month", "IOPS-month"),
    ("EBS", "snapshot standard"): ("ebs.snapshot.gb_month", "GB-month"),
    ("EBS", "fast snapshot restore"): ("ebs.fsr.hour", "DSU-hour"),
    ("ELB", "ALB hour"): ("alb.hour", "hour"),
    ("ELB", "ALB LCU"): ("alb.lcu_hour", "LCU-hour"),
    ("VPC", "NAT gateway"): ("nat.hour", "hour"),
    ("VPC", "NAT gateway data"): ("nat.gb", "GB"),
    ("VPC", "interface endpoint"): ("endpoint.hour", "hour"),
    ("VPC", "interface endpoint data"): ("endpoint.gb", "GB"),
    ("VPC", "gateway endpoint (S3, DynamoDB)"): ("endpoint.gateway.hour", "hour"),
    ("VPC", "public IPv4 address"): ("ipv4.hour", "hour"),
    ("CloudWatch", "custom metric first 10000"): ("cloudwatch.metric_month", "metric-month"),
    ("CloudWatch", "alarm standard resolution"): ("cloudwatch.alarm_month", "alarm-month"),
    ("CloudWatch", "alarm high resolution (10/30 s)"): (
        "cloudwatch.alarm_high_resolution_month",
        "alarm-month",
    ),
    ("CloudWatch", "composite alarm"): ("cloudwatch.alarm_composite_month", "alarm-month"),
    ("CloudWatch", "PutMetricData requests"): ("cloudwatch.put_1k", "1k requests"),
    ("CloudWatch", "dashboard"): ("cloudwatch.dashboard_month", "dashboard-month"),
    ("CloudWatch", "EC2 detailed monitoring"): (
        "cloudwatch.detailed_monitoring.instance_month",
        "instance-month",
    ),
    ("CloudWatch", "logs ingest"): ("logs.ingest_gb", "GB"),
    ("CloudWatch", "logs archive"): ("logs.storage_gb_month", "GB-month"),
    ("CloudWatch", "logs insights scan"): ("logs.scanned_gb", "GB"),
    ("Lambda", "requests"): ("lambda.requests_1m", "1M requests"),
    ("Lambda", "x86 duration first 6B"): ("lambda.x86.gb_second", "GB-second"),
    ("Lambda", "arm duration first 7.5B"): ("lambda.arm.gb_second", "GB-second"),
    ("Fargate", "vCPU x86"): ("fargate.vcpu_hour", "vCPU-hour"),
    ("Fargate", "memory x86"): ("fargate.gb_hour", "GB-hour"),
    ("S3", "standard storage"): ("s3.gb_month", "GB-month"),
    ("S3", "PUT/LIST"): ("s3.put_1k", "1k requests"),
    ("S3", "GET"): ("s3.get_1k", "1k requests"),
    ("ECR", "storage"): ("ecr.gb_month", "GB-month"),
    ("SecretsManager", "secret"): ("secrets.secret_month", "secret-month"),
    ("KMS", "key"): ("kms.key_month", "key-month"),
    ("DynamoDB", "on-demand write request unit"): ("dynamodb.write_1m", "1M units"),
    ("DynamoDB", "on-demand read request unit"): ("dynamodb.read_1m", "1M units"),
    ("Route53", "hosted zone"): ("dns.zone_month", "zone-month"),
    ("Route53", "standard queries"): ("dns.queries_1m", "1M queries"),
}
# AWS sells these at one price wherever they are.
EVERYWHERE = {
    *("endpoint.gateway.hour", "cloudwatch.dashboard_month", "dns.zone_month", "dns.queries_1m"),
}
# Prices that stand in the unit of another row ("month + 0.05/10k calls").
WITHIN = {
    ("SecretsManager", "secret"): ("secrets.calls_10k", "0.05", "10k calls"),
    ("KMS", "key"): ("kms.requests_10k", "0.03", "10k requests"),
}
TIERS = (
    ("internet_first10TB", "10240"),
    ("next40TB", "51200"),
    ("next100TB", "153600"),
    ("over150TB", ""),
)

Row = dict[str, str]


def on_demand() -> list[Row]:
    """The dated us-east-1 file first; the catalogue of regions for the rest; then what follows
    from a family's constant ratio between two regions."""
    seen = {(r["instance_type"], r["region"]): r for r in facts("ec2_region_ondemand_spot")}
    virginia = {r["instance_type"]: r["usd_per_hour"] for r in facts("ec2_ondemand_us_east_1")}
    rows = [
        hourly(name, "us-east-1", usd, KARPENTER, "2026-07-20", "seen")
        for name, usd in virginia.items()
    ]
    rows += [
        hourly(*place, row["ondemand_usd_h"], SKYPILOT, row["date"], "seen")
        for place, row in seen.items()
        if place[1] != "us-east-1"
    ]
    known = {(row["instance_type"], row["region"]) for row in rows}
    return sorted([*rows, *by_ratio(seen, virginia, known)], key=place_of)


def by_ratio(
    seen: dict[tuple[str, str], Row], virginia: dict[str, str], known: set[tuple[str, str]]
) -> Iterator[Row]:
    """The other sizes of a family that is sold, and priced in one size, in a region."""
    for (name, region), row in seen.items():
        if name not in virginia or region == "us-east-1":
            continue
        ratio = Decimal(row["ondemand_usd_h"]) / Decimal(virginia[name])
        for other in sold(region):
            if other.split(".")[0] != name.split(".")[0] or (other, region) in known:
                continue
            known.add((other, region))
            usd = round(Decimal(virginia[other]) * ratio, 5).normalize()
            source = f"us-east-1 price x {ratio:.4f}, the ratio of {name} in {SKYPILOT}"
            yield hourly(other, region, format(usd, "f"), source, row["date"], "derived")


def spot() -> list[Row]:
    return sorted(map(spot_row, facts("ec2_region_ondemand_spot")), key=place_of)


def spot_row(row: Row) -> Row:
    full = int(row["spot_equals_ondemand_zones"])
    zones = f"; {row['zones_with_spot']} zones"
    none_left = f", {full} at the on-demand price: no spare capacity there" if full else ""
    return {
        "instance_type": row["instance_type"],
        "region": row["region"],
        "low_usd_per_hour": row["spot_min"],
        "median_usd_per_hour": row["spot_median"],
        "high_usd_per_hour": row["spot_max"],
        **origin(f"{SKYPILOT}{zones}{none_left}", row["date"], "seen"),
    }


def commitments() -> list[Row]:
    """Terms of GPU types whose on-demand price is still the one that they were taken from."""
    rows = [
        commitment(row)
        for row in facts("ec2_reserved")
        if row["instance_type"] not in STALE and not row["instance_type"].startswith("x2")
    ]
    return sorted(rows, key=lambda r: (place_of(r), r["plan"], r["years"], r["payment"]))


def commitment(row: Row) -> Row:
    payment = row["payment"].lower().replace(" ", "-")
    effective, upfront = Decimal(row["effective_usd_h"]), Decimal(row["upfront_usd"])
    rest = effective - upfront / (int(row["term_years"]) * HOURS_PER_YEAR)
    status = row["status"].split("-")[0].split(" ")[0]
    return {
        "instance_type": row["instance_type"],
        "region": row["region"],
        "plan": "reserved",
        "years": row["term_years"],
        "payment": payment,
        "hourly_usd": "0" if payment == "all-upfront" else plain(round(rest, 6)),
        "upfront_usd": row["upfront_usd"],
        **origin(reserved_source(row), row["date"], status),
    }


def reserved_source(row: Row) -> str:
    if row["status"] == "derived":
        return "on-demand x 0.63022, the ratio of g5.xlarge (one ratio holds for the family)"
    if row["status"] == "memory-low-confidence":
        return f"{row['source']}, low confidence"
    return row["source"].replace("seed 000; a second public document states", "two guides state")


def capacity_blocks() -> list[Row]:
    """The newest price of each type."""
    newest: dict[str, Row] = {}
    for row in facts("capacity_blocks"):
        newest.setdefault(row["instance_type"], row)
    return [
        {
            "instance_type": name,
            "usd_per_hour": row["instance_usd_h"],
            **origin(row["source"], row["date"], "seen"),
        }
        for name, row in sorted(newest.items())
    ]


def services() -> list[Row]:
    rows: list[Row] = []
    source = date = ""
    for row in facts("aws_services"):
        same = row["source"] == "same"
        source, date = (source, row["date"]) if same else (row["source"], row["date"])
        key = (row["service"], row["item"])
        said = (source.replace("(find_string)", ""), date, row["status"].split(" ")[0])
        if key in SERVICES:
            item, unit = SERVICES[key]
            region = "any" if item in EVERYWHERE else row["region"]
            rows.append(service(item, region, plain(Decimal(row["price"])), unit, said))
        if key in WITHIN:
            item, usd, unit = WITHIN[key]
            assert usd in row["unit"]
            rows.append(service(item, row["region"], usd, unit, said))
    for row in facts("data_transfer"):
        said = (row["source"], row["date"], row["status"])
        for item, column in (
            ("transfer.zone_gb", "intra_region_each_way"),
            ("transfer.region_gb", "other_region"),
        ):
            rows.append(service(item, row["region"], row[column], "GB", said))
    return sorted(rows, key=lambda r: (r["item"], r["region"]))


def service(item: str, region: str, usd: str, unit: str, said: tuple[str, str, str]) -> Row:
    return {"item": item, "region": region, "usd": usd, "unit": unit, **origin(*said)}


def egress() -> list[Row]:
    return [
        {
            "region": row["region"],
            "up_to_gb": up_to,
            "usd_per_gb": row[column],
            **origin(row["source"], row["date"], row["status"]),
        }
        for row in facts("data_transfer")
        for column, up_to in TIERS
    ]


def hosted() -> list[Row]:
    return [
        {
            "model": row["model"],
            "provider": row["provider"],
            "input_usd_per_1m": row["input_per_1M"],
            "output_usd_per_1m": row["output_per_1M"],
            "cached_input_usd_per_1m": row["cache_read_per_1M"],
            "deprecated_on": row["deprecation_date"],
            **origin(LITELLM, "2026-11", row["status"]),
        }
        for row in facts("hosted_llm_prices")
    ]


TABLES = {
    "on_demand": on_demand,
    "spot": spot,
    "commitments": commitments,
    "capacity_blocks": capacity_blocks,
    "services": services,
    "egress": egress,
    "hosted": hosted,
}


def hourly(name: str, region: str, usd: str, source: str, as_of: str, status: str) -> Row:
    place = {"instance_type": name, "region": region, "usd_per_hour": usd}
    return {**place, **origin(source, as_of, status)}


def origin(source: str, as_of: str, status: str) -> Row:
    return {"source": source.strip(), "as_of": DATES.get(as_of, as_of), "status": status}


def place_of(row: Row) -> tuple[str, str, str]:
    return (row["instance_type"].split(".")[0], row["instance_type"], row["region"])


def plain(usd: Decimal) -> str:
    return format(usd.normalize(), "f")


def sold(region: str) -> list[str]:
    with (CATALOG / "regions.csv").open() as file:
        found = {row["region"]: row["sold"].split() for row in csv.DictReader(file)}
    return found.get(region, [])


def facts(name: str) -> list[Row]:
    with (FACTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def text(rows: list[Row]) -> str:
    """The table as it stands in its file."""
    import io

    out = io.StringIO()
    table = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


if __name__ == "__main__":
    for name, rows in TABLES.items():
        (DATA / f"{name}.csv").write_text(text(rows()))
