"""Where the switch stands, so that it can ask the load balancer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.config import switch_place
from provision.config.environment import (
    Egress,
    Environment,
    LoadBalancerSettings,
    NetworkSettings,
    Scheme,
)
from provision.config.fallback import FallbackSettings
from tests.config.environments import SMALL

OUTSIDE, INTERNAL = Scheme.INTERNET_FACING, Scheme.INTERNAL
EVERYONE, SOME = ("0.0.0.0/0",), ("203.0.113.0/24",)


def environment(scheme: Scheme, cidrs: tuple[str, ...], egress: Egress) -> Environment:
    return replace(
        SMALL,
        network=NetworkSettings(egress=egress),
        load_balancer=LoadBalancerSettings(scheme=scheme, allowed_cidrs=cidrs),
        fallback=FallbackSettings(providers=("openai/gpt-4o-mini",), daily_usd=5.0),
    )


@pytest.mark.parametrize(
    ("scheme", "cidrs", "egress", "inside", "through_nat", "possible"),
    [
        (INTERNAL, (), Egress.NAT, True, False, True),
        (INTERNAL, (), Egress.ENDPOINTS, True, False, True),
        (INTERNAL, ("10.0.0.0/8",), Egress.NAT, True, False, True),
        (OUTSIDE, EVERYONE, Egress.NAT, False, False, True),
        (OUTSIDE, EVERYONE, Egress.ENDPOINTS, False, False, True),
        (OUTSIDE, (*SOME, *EVERYONE), Egress.NAT, False, False, True),
        (OUTSIDE, SOME, Egress.NAT, True, True, True),
        (OUTSIDE, SOME, Egress.ENDPOINTS, True, True, False),
    ],
)
def test_it_stands_where_the_load_balancer_lets_it_in(
    scheme: Scheme,
    cidrs: tuple[str, ...],
    egress: Egress,
    inside: bool,
    through_nat: bool,
    possible: bool,
) -> None:
    """Outside only where everyone may knock; the one case without a way is refused."""
    at = environment(scheme, cidrs, egress)
    assert switch_place.inside(at) is inside
    assert switch_place.comes_through_nat(at) is through_nat
    assert (list(switch_place.problems(at)) == []) is possible
    assert list(switch_place.problems(replace(at, fallback=FallbackSettings()))) == []
