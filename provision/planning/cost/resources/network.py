"""Ways out: NAT gateway, addresses, endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.money import HOURS_PER_MONTH
from provision.planning.cost.month import Month, Pricer

_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"


def nat_gateway(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """Its hours, what passes it, and what reaches it from hosts in other zones than its own."""
    passing = month.hosts * month.usage.nat_gb_per_host
    yield month.line(resource, "NAT gateway", "hour", HOURS_PER_MONTH, "nat.hour")
    yield month.line(resource, "data processed", "GB", passing, "nat.gb", assumed=True)
    zones = max((group.zones for group in month.groups), default=1)
    if zones > 1:
        across = passing * (zones - 1) / zones * 2  # paid by both sides
        item = "transfer.zone_gb"
        yield month.line(resource, "data between zones", "GB", across, item, assumed=True)


def address(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """A public IPv4 address costs the same in use and idle."""
    yield month.line(resource, "public IPv4 address", "hour", HOURS_PER_MONTH, "ipv4.hour")


def endpoint(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """Interface endpoints by the hour and zone, each with its part of the hosts' traffic."""
    if resource.inputs.get("vpcEndpointType") != "Interface":
        item = "endpoint.gateway.hour"
        yield month.line(resource, "gateway endpoint", "hour", HOURS_PER_MONTH, item)
        return
    zones = len(resource.inputs["subnetIds"])
    hours = zones * HOURS_PER_MONTH
    passing = month.hosts * month.usage.endpoint_gb_per_host / Decimal(_interfaces(month))
    yield month.line(
        resource, "interface endpoint", "hour", hours, "endpoint.hour", note=f"in {zones} zone(s)"
    )
    yield month.line(resource, "data processed", "GB", passing, "endpoint.gb", assumed=True)


def _interfaces(month: Month) -> int:
    return sum(
        1
        for each in month.resources
        if each.type == _ENDPOINT and each.inputs.get("vpcEndpointType") == "Interface"
    )


PRICED: Mapping[str, Pricer] = {
    "aws:ec2/natGateway:NatGateway": nat_gateway,
    "aws:ec2/eip:Eip": address,
    _ENDPOINT: endpoint,
}
