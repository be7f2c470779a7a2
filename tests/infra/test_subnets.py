"""Addresses and zones of a new network."""

from __future__ import annotations

import ipaddress
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.subnets import PREFIX_MAX, PREFIX_MIN, ZONES_MAX, choose_zones, subnet_pairs
from provision.errors import Refused

CIDRS = st.builds(
    lambda base, prefix: str(ipaddress.ip_network((base << 8, prefix), strict=False)),
    st.integers(0x0A0000, 0x0AFFFF),
    st.integers(PREFIX_MIN, PREFIX_MAX),
)
ZONES = ("a", "b", "c", "d")


@given(CIDRS, st.integers(1, ZONES_MAX))
def test_subnets_lie_in_the_network_and_apart(cidr: str, zones: int) -> None:
    """None overlaps another, each is at least a /28 (the smallest that AWS has)."""
    pairs = subnet_pairs(cidr, zones)
    subnets = [ipaddress.ip_network(s) for p in pairs for s in (p.public, p.private)]
    assert len(subnets) == 2 * zones
    assert not any(a.overlaps(b) for a, b in combinations(subnets, 2))
    assert all(ipaddress.ip_network(cidr).supernet_of(s) for s in subnets)  # type: ignore[arg-type]
    assert all(s.prefixlen <= 28 for s in subnets)


@given(CIDRS, st.integers(1, ZONES_MAX - 1))
def test_one_zone_more_moves_nobody(cidr: str, zones: int) -> None:
    """A subnet whose addresses change would be replaced, and the hosts in it."""
    assert subnet_pairs(cidr, zones + 1)[:zones] == subnet_pairs(cidr, zones)


@pytest.mark.parametrize("cidr", ["10.0.0.0/15", "10.0.0.0/23"])
def test_networks_that_cannot_be_divided_are_refused(cidr: str) -> None:
    """Too large for a VPC, or too small for six zones."""
    with pytest.raises(Refused, match=cidr):
        subnet_pairs(cidr, 2)


@pytest.mark.parametrize(
    ("offering", "hosts_in", "chosen"),
    [
        (["c", "a"], 1, ("a", "c")),
        (["c"], 1, ("c", "a")),
        (["d", "b", "a"], 3, ("a", "b", "d")),
        (["z", "b"], 1, ("b", "a")),  # sold where the account can't go
    ],
)
def test_hosts_stand_where_their_type_is_sold(
    offering: list[str], hosts_in: int, chosen: tuple[str, ...]
) -> None:
    """The load balancer's second zone may be any."""
    assert (
        choose_zones(
            offering=offering, available=ZONES, hosts_in=hosts_in, instance_type="g5.xlarge"
        )
        == chosen
    )


def test_a_type_that_is_not_sold_in_enough_zones_is_refused() -> None:
    """The message says in how many it is, and what to change."""
    with pytest.raises(Refused, match=r"sold in 1 zone\(s\).*\(b\)") as refused:
        choose_zones(offering=["b"], available=ZONES, hosts_in=2, instance_type="p4d.24xlarge")
    assert "fleet.zones" in refused.value.hint
