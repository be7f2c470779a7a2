"""Write the golden invoices (prod, prod-70b, a busy prod) without a line of the tool's own code.

    .venv/bin/python tests/golden/make_invoices.py

Everything is computed anew from docs/cost-preview.md (the formulas), the environments' files (read
by a person: they stand below as plain numbers) and the prices as they were collected. It imports
nothing of this repository on purpose: `fab cost.preview` has to arrive at the same cents by its
own way.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parent
FACTS = GOLDEN / "facts_prices"
MONTH = 730
GB = 2**30


@dataclass(frozen=True)
class Fallback:
    """The way out: gateways on Fargate, and the companies that need a key, first the one asked."""

    companies: tuple[str, ...]
    api: str
    tasks: int = 2
    vcpus: int = 1
    memory_gb: int = 2
    keeps_answers: bool = True


@dataclass(frozen=True)
class Environment:
    """What Pulumi.<name>.yaml says, as far as money goes; unset keys have their defaults."""

    name: str
    region: str
    instance_type: str
    hosts: int
    zones: int
    root_gib: int
    cache_gib: int
    cache_mibps: int
    cache_iops: int
    snapshots_kept: int
    log_retention_days: int
    weights_gb: str  # of the model's files, from the catalogue of models
    fallback: Fallback | None = None


PROD = Environment(
    name="prod",
    region="us-east-1",
    instance_type="g5.xlarge",
    hosts=2,
    zones=2,
    root_gib=150,
    cache_gib=100,
    cache_mibps=125,
    cache_iops=3000,
    snapshots_kept=3,
    log_retention_days=30,
    weights_gb="13.5",
)
PROD_70B = Environment(
    name="prod-70b",
    region="us-east-1",
    instance_type="p4d.24xlarge",
    hosts=1,
    zones=1,
    root_gib=200,
    cache_gib=400,
    cache_mibps=1000,
    cache_iops=4000,
    snapshots_kept=3,
    log_retention_days=90,
    weights_gb="131.42",
)

HOSTED = replace(
    PROD,
    name="hosted",
    fallback=Fallback(companies=("openai", "anthropic"), api="gpt-4o-mini"),
)


@dataclass(frozen=True)
class Usage:
    """A month of traffic; by default as the tool assumes it."""

    requests: int = 1_000_000
    input_tokens: int = 700
    output_tokens: int = 100
    response_s: int = 8
    internet_share: str = "0"
    fallback_share: str = "0"


@dataclass(frozen=True)
class Case:
    """An invoice: an environment, its traffic, and the flag of `fab cost.preview` that says so."""

    name: str
    environment: Environment
    usage: Usage = Usage()
    flag: str = ""
    folder: str = ""  # of the environment's file, in the repository


CASES = (
    Case("prod", PROD),
    Case("prod-70b", PROD_70B),
    Case(
        "prod-busy",
        PROD,
        Usage(
            requests=200_000_000,
            output_tokens=500,
            response_s=20,
            internet_share="0.9",
            fallback_share="0.05",
        ),
        "requests_per_month=200000000,output_tokens=500,response_s=20,"
        "internet_share=0.9,fallback_share=0.05",
    ),
    Case(
        "hosted",
        HOSTED,
        Usage(requests=50_000_000, fallback_share="0.02"),
        "requests_per_month=50000000,fallback_share=0.02",
        folder="tests/golden",
    ),
)

# The rest of a month of usage, by default.
BYTES_IN, BYTES_OUT = 5, 250
NAT_GB_PER_HOST, LOGS_GB_PER_HOST, LOGS_SCANNED_GB = 10, 1, 10
FALLBACK_API = "gpt-4o-mini"
IMAGE_GB, IMAGES_STORED, RELEASES, REVISIONS = 10, 3, 4, 2
SNAPSHOT_CHANGED = Decimal("0.05")
LISTENER_RULES = 2
ALARMS = (
    "errors-of-hosts",
    "errors-of-load-balancer",
    "host-missing",
    "no-healthy-host",
    "slow",
    "unhealthy-host",
)
SECRETS = ("client-keys", "hub-token", "probe-key")
# With a fallback: alarms of a minute by the metrics that each looks at, and alarms of 10 s.
FALLBACK_ALARMS = {
    "both-down": 2,
    "flapping": 1,
    "hosted-share": 3,
    "hosted-spend-100": 1,
    "hosted-spend-80": 1,
    "in-fallback": 1,
    "stale-answers": 1,
    "switch-errors-of-hosts": 1,
    "switch-errors-of-load-balancer": 1,
    "switch-fails": 1,
    "switch-silent": 1,
    "switch-throttled": 1,
}
QUICK_ALARMS = ("switch-busy", "switch-canary", "switch-queue")
# Of the switch: calls, looks in each, and what it writes for a look; memory; proofs of the way out.
TICKS, LOOKS, LOOK_KIB, SWITCH_GB = MONTH * 60, 10, Decimal("1.25"), Decimal("0.25")
PROOFS, PROOF_TOKENS = Decimal(MONTH * 3600) / 300, (20, 1)
# Written by the agents of all hosts together: canaries (3 with the first token), queue, batch,
# cache, answers, errors, restarts, and 2 of GPUs. Each host calls every 10 s.
METRICS, CALL_EVERY_S = 11, 10
MORE_TIERS = 2  # answers that are hosted, and old ones


# Columns of the price list, and how many TB a month each holds for.
TIERS = (("internet_first10TB", 10), ("next40TB", 40), ("next100TB", 100), ("over150TB", None))
Made = tuple[str, str, Decimal | int, Decimal]  # resource, what, quantity, unit price


def facts(name: str) -> list[dict[str, str]]:
    with (FACTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def service(service: str, item: str) -> Decimal:
    (price,) = [
        row["price"]
        for row in facts("aws_services")
        if (row["service"], row["item"]) == (service, item)
    ]
    return Decimal(price)


def on_demand(environment: Environment) -> Decimal:
    (price,) = [
        row["usd_per_hour"]
        for row in facts("ec2_ondemand_us_east_1")
        if row["instance_type"] == environment.instance_type
    ]
    return Decimal(price)


def cents(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def lines(e: Environment, usage: Usage) -> list[tuple[str, str, Decimal, Decimal]]:
    """(resource, what, quantity, unit price), as docs/cost-preview.md has them."""
    gp3 = service("EBS", "gp3 storage")
    weights = Decimal(e.weights_gb)
    written = min(Decimal(e.cache_gib), weights * REVISIONS + 4)
    snapshots = e.hosts * written * (1 + (e.snapshots_kept - 1) * SNAPSHOT_CHANGED)
    nat_gb = Decimal(e.hosts * NAT_GB_PER_HOST)
    logs_gb = Decimal(e.hosts * LOGS_GB_PER_HOST)
    secret = service("SecretsManager", "secret")
    made: list[Made] = [
        ("fleet-hosts", "instances", e.hosts * MONTH, on_demand(e)),
        ("fleet-hosts", "root volumes", e.hosts * e.root_gib, gp3),
        ("model-cache", "cache volumes", e.hosts * e.cache_gib, gp3),
        ("model-cache-snapshots", "snapshots", snapshots, service("EBS", "snapshot standard")),
        ("load-balancer-alb", "load balancer", MONTH, service("ELB", "ALB hour")),
        ("load-balancer-alb", "capacity units", lcu(usage) * MONTH, service("ELB", "ALB LCU")),
        ("network-nat", "NAT gateway", MONTH, service("VPC", "NAT gateway")),
        ("network-nat", "NAT data", nat_gb, service("VPC", "NAT gateway data")),
        ("network-nat", "IPv4 address", MONTH, service("VPC", "public IPv4 address")),
        (
            "network-s3",
            "gateway endpoint",
            MONTH,
            service("VPC", "gateway endpoint (S3, DynamoDB)"),
        ),
        ("observability-dashboard", "dashboard", 1, service("CloudWatch", "dashboard")),
        (
            *("observability", "metrics"),
            METRICS + (MORE_TIERS if e.fallback else 0),
            service("CloudWatch", "custom metric first 10000"),
        ),
        (
            *("observability", "metric calls"),
            Decimal(e.hosts * MONTH * 3600) / CALL_EVERY_S / 1000,
            service("CloudWatch", "PutMetricData requests"),
        ),
        ("observability-hosts", "logs written", logs_gb, service("CloudWatch", "logs ingest")),
        (
            *("observability-hosts", "logs kept"),
            logs_gb * e.log_retention_days / (Decimal(365) / 12),
            service("CloudWatch", "logs archive"),
        ),
        (
            *("observability-hosts", "logs searched"),
            *(LOGS_SCANNED_GB, service("CloudWatch", "logs insights scan")),
        ),
        ("registry-repository", "images", IMAGE_GB * IMAGES_STORED, service("ECR", "storage")),
        ("storage-bucket", "weights", weights * REVISIONS, service("S3", "standard storage")),
        (
            *("storage-bucket", "writes"),
            (weights * 128 + RELEASES * 30) / 1000,
            service("S3", "PUT/LIST"),
        ),
        (
            *("storage-bucket", "reads"),
            *(Decimal(e.hosts * RELEASES * 100) / 1000, service("S3", "GET")),
        ),
        *((f"secrets-{name}", "secret", 1, secret) for name in SECRETS),
        # The price of ten thousand calls stands in the unit of a secret's row: "+ 0.05/10k calls".
        ("secrets", "calls", Decimal(e.hosts * MONTH * 3600) / 20 / 10_000, Decimal("0.05")),
        ("encryption-key", "key", 1, service("KMS", "key")),
    ]
    made += egress(e, usage) + fallback(e, usage)
    if e.fallback:
        made += way_out(e, e.fallback, usage)
    alarm = service("CloudWatch", "alarm standard resolution")
    made += [(f"observability-{name}", "alarm", 1, alarm) for name in ALARMS]
    if e.cache_iops > 3000:
        price = service("EBS", "gp3 IOPS above 3000")
        made.append(("model-cache", "cache IOPS", e.hosts * (e.cache_iops - 3000), price))
    if e.cache_mibps > 125:
        price = service("EBS", "gp3 throughput above 125 MiB/s")
        made.append(("model-cache", "cache MiB/s", e.hosts * (e.cache_mibps - 125), price))
    if e.zones > 1:
        (each_way,) = [
            Decimal(row["intra_region_each_way"])
            for row in facts("data_transfer")
            if row["region"] == e.region
        ]
        made.append(("network-nat", "zone data", nat_gb * (e.zones - 1) / e.zones * 2, each_way))
    return [(r, what, millionth(quantity), price) for r, what, quantity, price in made]


def lcu(usage: Usage) -> Decimal:
    """Capacity units on average: the largest of four dimensions."""
    rate = Decimal(usage.requests) / (MONTH * 3600)
    each = usage.input_tokens * BYTES_IN + usage.output_tokens * BYTES_OUT
    passed = Decimal(usage.requests * each) / GB
    rules = rate * max(0, LISTENER_RULES - 10) / 1000
    return max(rate / 25, rate * usage.response_s / 3000, passed / MONTH, rules)


def egress(e: Environment, usage: Usage) -> list[Made]:
    """What leaves for the internet, a line for each tier that it reaches."""
    answers = Decimal(usage.requests * usage.output_tokens * BYTES_OUT) / GB
    left, made = answers * Decimal(usage.internet_share), []
    (tiers,) = [row for row in facts("data_transfer") if row["region"] == e.region]
    for column, size_tb in TIERS:
        within = left if size_tb is None else min(left, Decimal(size_tb * 1024))
        if within:
            made.append(("load-balancer-alb", column, within, Decimal(tiers[column])))
        left -= within
    return made


def fallback(e: Environment, usage: Usage) -> list[Made]:
    """What the hosted API answers instead of the fleet, and to prove that it would."""
    name = e.fallback.api if e.fallback else FALLBACK_API
    (api,) = [row for row in facts("hosted_llm_prices") if row["model"] == name]
    prompt, answer = Decimal(api["input_per_1M"]), Decimal(api["output_per_1M"])
    share = usage.requests * Decimal(usage.fallback_share)
    made: list[Made] = []
    if share:
        made += [
            ("fallback", "prompts", share * usage.input_tokens / 1_000_000, prompt),
            ("fallback", "answers", share * usage.output_tokens / 1_000_000, answer),
        ]
    if e.fallback:
        asked, answered = (PROOFS * tokens / 1_000_000 for tokens in PROOF_TOKENS)
        made += [
            ("fallback", "proofs, asked", asked, prompt),
            ("fallback", "proofs, answered", answered, answer),
        ]
    return made


def way_out(e: Environment, f: Fallback, usage: Usage) -> list[Made]:
    """Gateways, switch, their tables, logs, names and alarms."""
    spilled = usage.requests * Decimal(usage.fallback_share)
    hosted = spilled + PROOFS
    prompts, answers = (
        spilled * tokens * each / GB
        for tokens, each in ((usage.input_tokens, BYTES_IN), (usage.output_tokens, BYTES_OUT))
    )
    (tiers,) = [row for row in facts("data_transfer") if row["region"] == e.region]
    endpoint = service("VPC", "gateway endpoint (S3, DynamoDB)")
    write = service("DynamoDB", "on-demand write request unit")
    read = service("DynamoDB", "on-demand read request unit")
    metric = service("CloudWatch", "custom metric first 10000")
    call = Decimal("0.05")  # of Secrets Manager, ten thousand
    keys = f.tasks * MONTH * 3600 * (Decimal(1) / 15 + Decimal(len(f.companies)) / 60)
    lookups = min(Decimal(e.hosts * MONTH * 3600) / 10, spilled)
    made: list[Made] = [
        (
            "gateway-service",
            "processors",
            f.tasks * MONTH * f.vcpus,
            service("Fargate", "vCPU x86"),
        ),
        (
            "gateway-service",
            "memory",
            f.tasks * MONTH * f.memory_gb,
            service("Fargate", "memory x86"),
        ),
        ("gateway", "asks for keys", keys / 10_000, call),
        ("gateway", "metrics", 6, metric),
        ("gateway", "NAT data", prompts + answers, service("VPC", "NAT gateway data")),
        ("gateway", "prompts out", prompts, Decimal(tiers["internet_first10TB"])),
        ("gateway-names", "zone", 1, service("Route53", "hosted zone")),
        ("gateway-names", "look-ups", lookups / 1_000_000, service("Route53", "standard queries")),
        ("tables-spend", "writes", hosted * 2 * 3 / 1_000_000, write),
        ("tables-spend", "reads", Decimal(TICKS * LOOKS) / 1_000_000, read),
        ("switch-function", "calls", Decimal(TICKS) / 1_000_000, service("Lambda", "requests")),
        (
            *("switch-function", "running"),
            *(TICKS * 60 * SWITCH_GB, service("Lambda", "arm duration first 7.5B")),
        ),
        ("switch", "asks for the probe key", Decimal(MONTH * 12) / 10_000, call),
        ("observability", "metrics of the switch", 4, metric),
        ("network-dynamodb", "gateway endpoint", MONTH, endpoint),
        *logs("gateway-logs", hosted / 2**20, e),
        *logs("switch-logs", TICKS * LOOKS * LOOK_KIB / 2**20, e),
    ]
    if f.keeps_answers:
        made.append(("tables-stale", "writes", hosted * 2 / 1_000_000, write))
    secret = service("SecretsManager", "secret")
    made += [(f"secrets-{name}-api-key", "secret", 1, secret) for name in f.companies]
    alarm = service("CloudWatch", "alarm standard resolution")
    quick = service("CloudWatch", "alarm high resolution (10/30 s)")
    made += [(f"observability-{name}", "alarm", n, alarm) for name, n in FALLBACK_ALARMS.items()]
    made += [(f"observability-{name}", "alarm of 10 s", 1, quick) for name in QUICK_ALARMS]
    return made


def logs(resource: str, gb: Decimal, e: Environment) -> list[Made]:
    """Written once, and kept for the days that the environment says."""
    kept = gb * e.log_retention_days / (Decimal(365) / 12)
    return [
        (resource, "logs written", gb, service("CloudWatch", "logs ingest")),
        (resource, "logs kept", kept, service("CloudWatch", "logs archive")),
    ]


def millionth(quantity: Decimal | int) -> Decimal:
    return Decimal(quantity).quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)


def options(e: Environment, rest: Decimal) -> dict[str, Any]:
    """The whole bill by how the instances are paid; *rest* is every other line."""
    hours = e.hosts * MONTH
    found = {"on-demand": paid(rest, hours * on_demand(e))}
    for row in facts("ec2_region_ondemand_spot"):
        if (row["instance_type"], row["region"]) == (e.instance_type, e.region):
            spot = {
                name: cents(hours * Decimal(row[f"spot_{name}"]))
                for name in ("min", "median", "max")
            }
            found["spot"] = paid(rest, spot["median"]) | {
                "low_usd": str(rest + spot["min"]),
                "high_usd": str(rest + spot["max"]),
            }
    for row in facts("ec2_reserved"):
        # p4d's terms were taken from an on-demand price that has since fallen by a third.
        if row["instance_type"] == e.instance_type and "STALE" not in row["status"]:
            found[name_of(row)] = reserved(row, e, rest)
    for row in facts("capacity_blocks"):
        if row["instance_type"] == e.instance_type:
            block = paid(rest, Decimal(0), cents(hours * Decimal(row["instance_usd_h"])), months=1)
            found.setdefault("capacity-block", block)
    return found


def reserved(row: dict[str, str], e: Environment, rest: Decimal) -> dict[str, str]:
    years, upfront = int(row["term_years"]), Decimal(row["upfront_usd"])
    hourly = Decimal(row["effective_usd_h"]) - upfront / (years * 8760)
    hourly = Decimal(0) if row["payment"] == "All Upfront" else round(hourly, 6)
    return paid(rest, e.hosts * MONTH * hourly, e.hosts * upfront, months=12 * years)


def paid(
    rest: Decimal, monthly: Decimal, upfront: Decimal = Decimal(0), months: int = 1
) -> dict[str, str]:
    every_month = rest + cents(monthly)
    return {
        "monthly_usd": str(every_month),
        "upfront_usd": str(cents(upfront)),
        "amortised_monthly_usd": str(every_month + cents(upfront / months)),
    }


def name_of(row: dict[str, str]) -> str:
    return f"reserved-{row['term_years']}y-{row['payment'].lower().replace(' ', '-')}"


def invoice(case: Case) -> dict[str, Any]:
    made = [(r, w, q, p, cents(q * p)) for r, w, q, p in lines(case.environment, case.usage)]
    total = sum((month for *_, month in made), Decimal(0))
    instances = made[0][4]
    return {
        "environment": case.environment.name,
        "usage": case.flag,
        "total_monthly_usd": str(total),
        "lines": [
            {
                "resource": resource,
                "what": what,
                "quantity": plain(quantity),
                "unit_price_usd": plain(price),
                "monthly_usd": str(month),
            }
            for resource, what, quantity, price, month in sorted(made)
        ],
        "options": options(case.environment, total - instances),
    }


def plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def path(case: Case) -> Path:
    return GOLDEN / f"invoice-{case.name}.json"


if __name__ == "__main__":
    for case in CASES:
        path(case).write_text(json.dumps(invoice(case), indent=2) + "\n")
