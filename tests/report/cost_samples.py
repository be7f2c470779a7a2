"""A small bill with everything in it that a report has to show."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from provision.catalog.models import model
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
)
from provision.config.environment import EngineSettings, ModelCacheSettings
from provision.planning.cost.bill import Bill, Line, Option, Unbilled
from provision.planning.cost.break_even import BreakEven, Fleet, cross
from provision.planning.cost.capacity import Capacity, Known
from provision.planning.cost.compare import Question, compare
from provision.planning.cost.fleet_price import FleetPrice
from provision.planning.cost.per_request import PerRequest
from provision.planning.cost.preview import Carried, Preview
from provision.planning.cost.throughput import Mix
from provision.report.html.page import Report

LIST = Origin(
    "somebody/somewhere internal/providers/testdata/cloudwatch_dashboard_test golden",
    "2026-07-20",
    Status.SEEN,
)
PAGE = Origin("a page <b>copied</b> & pasted", "2026-09-20", Status.DERIVED)
HEARSAY = Origin("memory", "undated", Status.MEMORY)
GROUP = "aws:autoscaling/group:Group"
NASTY = '<script>alert("x")</script> & "quoted"'


def line(
    resource: str,
    type_: str,
    name: str,
    unit: str,
    many: str,
    usd: str | None,
    origin: Origin = LIST,
    *,
    assumed: bool = False,
    instance: bool = False,
    note: str = "",
) -> Line:
    price = None if usd is None else Price(Decimal(usd), unit, origin)
    return Line(resource, type_, name, unit, Decimal(many), price, assumed, instance, note)


LINES = (
    line("net-nat-1", "aws:ec2/natGateway:NatGateway", "NAT gateway", "hour", "730", "0.045", PAGE),
    line(
        "net-nat-1",
        "aws:ec2/natGateway:NatGateway",
        "data processed",
        "GB",
        "20",
        "0.045",
        PAGE,
        assumed=True,
    ),
    line("fleet", GROUP, "g5.xlarge, on-demand", "hour", "1460", "1.006", instance=True),
    line("fleet", GROUP, "root volumes", "GB-month", "240", "0.08"),
    line("balancer", "aws:lb/loadBalancer:LoadBalancer", "load balancer", "hour", "730", "0.0225"),
    line(
        "balancer",
        "aws:lb/loadBalancer:LoadBalancer",
        "capacity units",
        "LCU-hour",
        "2.2",
        "0.008",
        assumed=True,
        note="active connections bind",
    ),
    line(
        "endpoint-s3",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "gateway endpoint",
        "hour",
        "730",
        "0",
        HEARSAY,
    ),
    line("cache", "llm-fleet:index:ModelCache", "volumes", "GB-month", "80", "0.08", HEARSAY),
    line(
        "cache",
        "llm-fleet:index:ModelCache",
        "initialization",
        "GB",
        "80",
        None,
        note="AWS publishes no price",
    ),
)
BILL = Bill(
    environment="prod",
    region="us-east-1",
    lines=LINES,
    free=(
        Unbilled("net", "aws:ec2/vpc:Vpc", "AWS charges nothing for it"),
        Unbilled("net-a", "aws:ec2/subnet:Subnet", "AWS charges nothing for it"),
        Unbilled("net-b", "aws:ec2/subnet:Subnet", "AWS charges nothing for it"),
        Unbilled("role", "aws:iam/role:Role", "IAM is free"),
    ),
    unpriced=(Unbilled("cache", "llm-fleet:index:ModelCache", f"initialization: {NASTY}"),),
    options=(
        Option("on-demand", Decimal("1555.39"), Decimal(0), Decimal("1555.39")),
        Option(
            "spot",
            Decimal("733.40"),
            Decimal(0),
            Decimal("733.40"),
            Decimal("719.00"),
            Decimal("746.00"),
            "taken back with two minutes' notice",
        ),
        Option("reserved-1y-no-upfront", Decimal("1012.27"), Decimal(0), Decimal("1012.27")),
        Option("reserved-1y-all-upfront", Decimal("86.63"), Decimal("10364"), Decimal("950.30")),
        Option(
            "reserved-3y-partial-upfront",
            Decimal("380.00"),
            Decimal("10575.00"),
            Decimal("673.75"),
            note="unverified price",
            verified=False,
        ),
        Option(
            "savings-plan-ec2-1y-no-upfront",
            None,
            None,
            None,
            note="no price known for g5.xlarge in us-east-1",
        ),
        Option("capacity-block", None, None, None, note="no price known for g5.xlarge"),
    ),
    assumptions={"requests_per_month": "1000000", "input_tokens": "700", "output_tokens": "100"},
    left_out=("taxes, support plans, discounts of your contract", f"also {NASTY}"),
    price_date="2026-07-20",
)


MIX = Mix(700, 100)
FLEET = Fleet(
    price=FleetPrice("g5.xlarge, on-demand", 2, Decimal("734.38"), extra=Decimal("75.80")),
    capacity=Capacity(Decimal("2.95"), 1, Known.GIVEN, "2.95 requests/s a host, as given"),
    mix=MIX,
    seconds=Decimal(730 * 3600),
)


def hosted(name: str, usd_in: str, usd_out: str, origin: Origin = LIST) -> HostedModel:
    return HostedModel(name, "them", Decimal(usd_in), Decimal(usd_out), None, None, origin)


APIS = (
    hosted("gpt-4o", "2.5", "10"),
    hosted("claude-haiku-4-5", "1", "5"),
    hosted("gpt-4o-mini", "0.15", "0.60"),
    hosted(
        "deepinfra/meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo<hosted>", "0.05", "0.08", HEARSAY
    ),
    hosted("tiny", "0.01", "0.02"),
)
BREAK_EVEN = BreakEven(
    fleet=FLEET,
    crossings=tuple(cross(FLEET, api) for api in APIS),
    asked=1_000_000,
    assumptions={"capacity": FLEET.capacity.said, "peak": "the busiest hour is twice the average"},
    warnings=("tiny is switched off by its provider on 2026-12-11",),
    price_date="2026-07-20",
)
REGION = "us-east-1"
BOOK = PriceBook(
    on_demand={
        ("g5.xlarge", REGION): Price(Decimal("1.006"), "hour", LIST),
        ("g6.xlarge", REGION): Price(Decimal("0.8048"), "hour", LIST),
        ("p4d.24xlarge", REGION): Price(Decimal("21.957642"), "hour", LIST),
        ("g7e.24xlarge", REGION): Price(Decimal("16.57216"), "hour", LIST),
        ("g6e.xlarge", REGION): Price(Decimal("1.861"), "hour", LIST),
    },
    spot={
        ("g5.xlarge", REGION): SpotRange(
            Decimal("0.433"), Decimal("0.442"), Decimal("0.452"), LIST
        ),
    },
    commitments={
        ("g5.xlarge", REGION): (
            Commitment(Plan.RESERVED, 1, Payment.NO_UPFRONT, Decimal("0.634"), Decimal(0), HEARSAY),
        ),
    },
)
QUESTION = Question(model("mistral-7b"), REGION, EngineSettings(), MIX, requests=1_000_000)
COMPARISON = compare(QUESTION, BOOK, cache=ModelCacheSettings(), today=date(2026, 11, 21))
CARRIED = Carried(15_505_200, FLEET.capacity.said)
PREVIEW = Preview(
    bill=BILL,
    stated=PerRequest(BILL.total, Decimal(1_000_000), 800, "the traffic stated"),
    full_load=PerRequest(Decimal("1580.20"), Decimal(15_505_200), 800, CARRIED.said),
    carried=CARRIED,
    warnings=("prices of the test are young",),
)
REPORT = Report(
    preview=PREVIEW,
    break_even=BREAK_EVEN,
    comparison=COMPARISON,
    subject="mistral-7b on 2 × g5.xlarge in us-east-1",
    here="g5.xlarge",
    command="fab cost.report --env prod",
    made_on=date(2026, 11, 21),
)
BARE = replace(
    REPORT,
    preview=replace(
        PREVIEW,
        bill=replace(BILL, lines=(), options=(), free=(), unpriced=(), left_out=()),
        full_load=None,
        carried=Carried(None, "nobody knows how fast it is"),
    ),
    break_even=None,
    comparison=None,
)
