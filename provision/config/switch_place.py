"""Where the switch's function stands: it must reach the load balancer as clients do. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from provision.config.environment import Egress, Environment, Scheme
from provision.errors import Problem

EVERYONE = "0.0.0.0/0"


def inside(environment: Environment) -> bool:
    """Whether it stands in the VPC, which it does unless everyone may knock.

    An internal load balancer is reached from nowhere else. One that faces the internet and lets
    only some networks in takes no caller from Lambda's own addresses, which nobody knows; from
    inside the VPC every call comes from the NAT gateway's.
    """
    balancer = environment.load_balancer
    faces_internet = balancer.scheme is Scheme.INTERNET_FACING
    return not (faces_internet and EVERYONE in balancer.allowed_cidrs)


def comes_through_nat(environment: Environment) -> bool:
    """Whether the load balancer sees it come from the NAT gateway's address."""
    faces_internet = environment.load_balancer.scheme is Scheme.INTERNET_FACING
    return inside(environment) and faces_internet


def problems(environment: Environment) -> Iterator[Problem]:
    """A switch that could ask nobody could never trip."""
    isolated = environment.network.egress is Egress.ENDPOINTS
    if environment.fallback.exists and comes_through_nat(environment) and isolated:
        yield Problem(
            "network.egress",
            "without NAT the switch has no way to a load balancer that faces the internet and lets"
            " only load_balancer.allowed_cidrs in",
            "network.egress: nat, or load_balancer.scheme: internal",
        )
