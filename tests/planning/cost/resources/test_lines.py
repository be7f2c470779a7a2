"""What each type of resource is billed for. Everything costs a dollar a unit here."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from provision.agent import serve, telemetry
from provision.planning import disk
from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.invoice import PRICED
from provision.planning.cost.month import Month
from provision.planning.cost.resources import metrics
from provision.planning.cost.resources.secrets import KEYS_EVERY_S
from provision.planning.cost.resources.volumes import CACHES_GB
from tests.planning.cost.months import BOOK, declared, fleet, month, of

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
CACHE = "llm-fleet:infra:ModelCache"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
GROUP = "aws:autoscaling/group:Group"
LOGS = "aws:cloudwatch/logGroup:LogGroup"
NAT = "aws:ec2/natGateway:NatGateway"
RULE = "aws:lb/listenerRule:ListenerRule"
SNAPSHOTS = "aws:dlm/lifecyclePolicy:LifecyclePolicy"
# A million requests of 1,024 + 1,024 bytes: a GB each way is 2**20 of them.
ROUND: dict[str, Any] = {"input_tokens": 1024, "bytes_per_input_token": 1, "output_tokens": 1024}
ROUND |= {"bytes_per_output_token": 1, "requests": Decimal(2**20)}
ROUND |= {"requests_per_connection": Decimal(10**6), "response_s": Decimal("0.01")}


def billed(resource: Declared, at: Month) -> dict[str, str]:
    """Quantities by the names of the lines."""
    said = list(PRICED[resource.type](resource, at))
    assert all(isinstance(one, Line) for one in said), said
    return {one.name: f"{one.quantity.normalize():f}" for one in said if isinstance(one, Line)}


@pytest.mark.parametrize(
    ("resource", "usage", "lines"),
    [
        (
            declared(NAT),
            {},
            {"NAT gateway": "730", "data processed": "20", "data between zones": "20"},
        ),
        (declared("aws:ec2/eip:Eip"), {}, {"public IPv4 address": "730"}),
        (declared(ENDPOINT, vpcEndpointType="Gateway"), {}, {"gateway endpoint": "730"}),
        (declared(ALARM, period=60), {}, {"alarm": "1"}),
        (declared(ALARM, period=10), {}, {"alarm, high resolution": "1"}),
        (
            declared(ALARM, metricQueries=[{"metric": {"period": 60}}] * 2 + [{"expression": "a"}]),
            {},
            {"alarm": "2"},
        ),
        (declared("aws:cloudwatch/compositeAlarm:CompositeAlarm"), {}, {"composite alarm": "1"}),
        (declared("aws:cloudwatch/dashboard:Dashboard"), {}, {"dashboard": "1"}),
        (
            declared(LOGS, retentionInDays=365),
            {},
            {"logs written": "2", "logs kept": "24", "logs searched": "10"},
        ),
        (
            declared(LOGS),  # kept for ever: as it stands after a year
            {"logs_gb_per_host": Decimal(3)},
            {"logs written": "6", "logs kept": "72", "logs searched": "10"},
        ),
        (
            declared("llm-fleet:infra:Observability"),
            {},
            {"metrics of the fleet": "11", "calls that carry them": "525.6"},
        ),
        (
            declared("llm-fleet:infra:Observability"),
            {"metrics_per_host": 12, "hours": Decimal(73)},
            {
                "metrics of the fleet": "1.1",
                "calls that carry them": "52.56",
                "metrics of one's own": "24",
            },
        ),
        (declared("aws:ecr/repository:Repository"), {}, {"images": "30"}),
        (
            declared("aws:s3/bucket:Bucket"),
            {},
            {"weights": "27", "requests that write": "1.848", "requests that read": "0.8"},
        ),
        (declared("aws:secretsmanager/secret:Secret"), {}, {"secret": "1"}),
        (declared("llm-fleet:infra:SecretStore"), {}, {"hosts ask for client keys": "26.28"}),
        (declared("aws:kms/key:Key", enableKeyRotation=True), {}, {"key": "1"}),
        (declared(CACHE), {}, {"cache volumes, gp3": "200"}),
        (
            declared(SNAPSHOTS, policyDetails={"schedules": [{"retainRule": {"count": 3}}]}),
            {},
            {"snapshots": "68.2"},  # 2 hosts x (2 x 13.5 + 4) GB x 1.1
        ),
        (
            declared(BALANCER, internal=True, subnets=["a", "b"]),
            ROUND,
            {"load balancer": "730", "capacity units": "2"},  # 2 GB in a month
        ),
        (
            declared(BALANCER, internal=False, subnets=["a", "b"]),
            ROUND,
            {
                "load balancer": "730",
                "capacity units": "2",
                "public IPv4 addresses": "1460",
                "data to the internet": "1",
            },
        ),
    ],
)
def test_what_is_billed(resource: Declared, usage: dict[str, Any], lines: dict[str, str]) -> None:
    """Names and quantities of all lines of one resource, beside a fleet of two hosts."""
    assert billed(resource, month(resource, **usage)) == lines


def test_hosts_and_their_disks() -> None:
    """Hosts by the hour; their system disks end with them."""
    resources = fleet(3)
    assert billed(resources[0], of(resources)) == {
        "g5.xlarge, on-demand": "2190",
        "root volumes, gp3": "300",
    }
    assert billed(resources[0], of(resources, hours=Decimal(365))) == {
        "g5.xlarge, on-demand": "1095",
        "root volumes, gp3": "150",
    }


@pytest.mark.parametrize(
    ("market", "usd"), [("spot", "0.4"), ("capacity-block", "0.8"), (None, "1")]
)
def test_an_hour_costs_what_the_launch_template_buys(market: str | None, usd: str) -> None:
    """Spot at the median of the zones, a capacity block at its own price."""
    options = {"instanceMarketOptions": {"marketType": market}} if market else {}
    resources = fleet(template=options)
    first = next(iter(PRICED[GROUP](resources[0], of(resources))))
    assert isinstance(first, Line)
    assert first.price is not None
    assert (first.instance, first.price.usd) == (True, Decimal(usd))
    assert first.name == f"g5.xlarge, {market or 'on-demand'}"


def test_a_fast_disk_and_detailed_monitoring_cost_more() -> None:
    """Only what goes beyond the 3,000 IOPS and 125 MiB/s of every volume."""
    disk_ = {"ebs": {"volumeSize": 10, "iops": 4000, "throughput": 225}}
    resources = fleet(1, template={"blockDeviceMappings": [disk_], "monitoring": {"enabled": True}})
    assert billed(resources[0], of(resources)) == {
        "g5.xlarge, on-demand": "730",
        "root volumes, gp3": "10",
        "root volumes, IOPS above 3,000": "1000",
        "root volumes, MiB/s above 125": "100",
        "detailed monitoring": "1",
    }


def test_interface_endpoints_share_the_traffic_of_the_hosts() -> None:
    """By the hour and zone; data is counted once."""
    both = [declared(ENDPOINT, n, vpcEndpointType="Interface", subnetIds=["a", "b"]) for n in "xy"]
    at = month(*both, declared(ENDPOINT, "s3", vpcEndpointType="Gateway"))
    expected = {"interface endpoint": "1460", "data processed": "5"}
    assert [billed(one, at) for one in both] == [expected, expected]


def test_one_zone_pays_nothing_between_zones() -> None:
    """Hosts stand where the NAT gateway does."""
    resources = (*fleet(zones=1), declared(NAT))
    assert "data between zones" not in billed(resources[-1], of(resources))


@pytest.mark.parametrize(
    ("usage", "per_hour"),
    [
        ({"requests": Decimal(25 * 3600 * 730)}, "1"),  # connections begun
        ({"requests": Decimal(3600 * 730), "response_s": Decimal(6000)}, "2"),  # and open
        ({**ROUND, "requests": Decimal(2**20 * 73), "output_tokens": 9216}, "1"),  # bytes
        (
            {"requests": Decimal(100 * 3600 * 730), "requests_per_connection": Decimal(10**6)},
            "1",  # rules: ten beyond the ten that are free, at a hundred requests a second
        ),
    ],
)
def test_capacity_units_are_the_largest_of_four(usage: dict[str, Any], per_hour: str) -> None:
    """Connections begun, connections open, bytes, rules."""
    quiet = {"bytes_per_input_token": 0, "bytes_per_output_token": 0, "response_s": Decimal(1)}
    rules = tuple(declared(RULE, f"rule-{n}") for n in range(20))
    balancer = declared(BALANCER, internal=True, subnets=[])
    at = month(balancer, *rules, **{**quiet, **usage})
    assert billed(balancer, at)["capacity units"] == f"{Decimal(per_hour) * 730:f}"


def test_egress_goes_through_the_tiers() -> None:
    """A line a tier; one that is not reached has none."""
    balancer = declared(BALANCER, internal=True, subnets=[])
    at = month(balancer, **{**ROUND, "requests": Decimal(2**20 * 150)}, internet_share=Decimal(1))
    lines = [one for one in PRICED[BALANCER](balancer, at) if isinstance(one, Line)]
    found = [(one.name, one.quantity, one.monthly) for one in lines[2:]]
    assert found == [
        ("data to the internet", Decimal(100), Decimal(200)),
        ("data to the internet, beyond 100 GB", Decimal(50), Decimal(50)),
    ]


def test_egress_of_a_region_without_prices_is_unknown() -> None:
    """The line is there, and has no price."""
    balancer = declared(BALANCER, internal=False, subnets=[])
    at = month(balancer, book=replace(BOOK, egress={}))
    *_, last = PRICED[BALANCER](balancer, at)
    assert isinstance(last, Line)
    assert (last.price, last.note) == (None, "no price for data out of us-east-1 is known")


def test_another_kind_of_load_balancer_is_not_guessed() -> None:
    """It is listed as unpriced."""
    balancer = declared(BALANCER, loadBalancerType="network")
    assert list(PRICED[BALANCER](balancer, month())) == [
        Unbilled("it", BALANCER, "only application load balancers are priced")
    ]


def test_weights_of_an_unknown_size() -> None:
    """The bucket is unpriced, and a snapshot holds the whole volume at most."""
    snapshots = declared(SNAPSHOTS, policyDetails={"schedules": [{"retainRule": {"count": 1}}]})
    at = replace(month(snapshots), weights_gb=None)
    bucket = declared("aws:s3/bucket:Bucket")
    assert list(PRICED[bucket.type](bucket, at)) == [
        Unbilled(
            "it",
            bucket.type,
            "the catalogue lacks mistral-7b: usage.weights_gb says how large it is",
        )
    ]
    assert billed(snapshots, at) == {"snapshots": "200"}


def test_what_is_assumed_of_hosts_is_what_they_do() -> None:
    """How often a host asks for keys and tells CloudWatch, and what, stand in two places each."""
    assert KEYS_EVERY_S == serve._KEYS_S
    assert metrics.TOLD_EVERY_S == telemetry.EVERY_S
    tiers = [name for name in telemetry.UNITS if name.startswith("Answers")]
    assert metrics.OF_ENGINES + metrics.OF_GPUS + len(tiers) == len(telemetry.UNITS)
    assert Decimal(disk._CACHES_GIB) == CACHES_GB
