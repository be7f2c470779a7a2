"""Address arithmetic of a new VPC, and the choice of its zones. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from provision.errors import Refused

ZONES_MIN = 2  # a load balancer stands in two zones even when the hosts stand in one
ZONES_MAX = 6
PREFIX_MIN = 16  # AWS: a VPC is between /16 and /28
PREFIX_MAX = 22  # the smallest VPC whose public subnets still are a /28


@dataclass(frozen=True, slots=True)
class SubnetPair:
    """The two subnets of one zone."""

    public: str
    private: str


def subnet_pairs(cidr: str, zones: int) -> tuple[SubnetPair, ...]:
    """Addresses for *zones* zones: an eighth of *cidr* each for hosts, and one for all public ones.

    A pair does not depend on how many there are, so one more zone moves nobody.
    """
    network = ipaddress.ip_network(cidr)
    if not PREFIX_MIN <= network.prefixlen <= PREFIX_MAX:
        raise Refused(
            f"network.cidr {cidr} can't be divided",
            hint=f"take a prefix between /{PREFIX_MIN} and /{PREFIX_MAX}, such as 10.40.0.0/16",
        )
    shared, *private = network.subnets(prefixlen_diff=3)
    public = list(shared.subnets(prefixlen_diff=3))
    return tuple(SubnetPair(str(public[i]), str(private[i])) for i in range(zones))


def choose_zones(
    *, offering: Sequence[str], available: Sequence[str], hosts_in: int, instance_type: str
) -> tuple[str, ...]:
    """Zones in order: first those for hosts, then others until a load balancer can stand.

    *offering* are the zones that sell *instance_type*, *available* all zones of the region.
    """
    sold_in = sorted(set(offering) & set(available))
    if len(sold_in) < hosts_in:
        raise Refused(
            f"{instance_type} is sold in {len(sold_in)} zone(s) of this region"
            f" ({', '.join(sold_in) or 'none'}); fleet.zones asks for {hosts_in}",
            hint="lower fleet.zones, or choose another fleet.instance_type or region",
        )
    chosen = sold_in[:hosts_in]
    others = [zone for zone in sold_in[hosts_in:] + sorted(available) if zone not in chosen]
    return tuple((chosen + list(dict.fromkeys(others)))[: zone_count(hosts_in)])


def zone_count(hosts_in: int) -> int:
    """How many zones the network spans when the hosts stand in *hosts_in*."""
    return max(ZONES_MIN, hosts_in)
