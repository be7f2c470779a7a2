"""What stands between a valid file and real resources."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.config.check import (
    check,
    provisioning_problems,
    require_provisionable,
    warnings,
)
from provision.config.environment import (
    EngineSettings,
    FleetSettings,
    HubSettings,
    LoadBalancerSettings,
    ModelCacheSettings,
    ModelChoice,
    Purchase,
    Scheme,
)
from provision.errors import ConfigError, Refused
from tests.config.environments import SMALL

PINNED = replace(SMALL, fleet=FleetSettings(ami="ami-0123456789abcdef0", hosts=2))
MIRROR = HubSettings(endpoint="http://10.97.0.1:5080")
OPEN = LoadBalancerSettings(scheme=Scheme.INTERNET_FACING, allowed_cidrs=("0.0.0.0/0",))


def test_a_pinned_environment_can_be_provisioned() -> None:
    """With an image and no other problem there is nothing to say."""
    assert provisioning_problems(PINNED) == ()
    require_provisionable(PINNED, source="Pulumi.prod.yaml")


def test_an_unpinned_image_stops_provisioning_only() -> None:
    """Deploying to what stands needs no image id; making hosts does."""
    assert check(SMALL) == ()
    assert [problem.path for problem in provisioning_problems(SMALL)] == ["fleet.ami"]
    with pytest.raises(ConfigError, match=r"fab config\.refresh-ami --env prod"):
        require_provisionable(SMALL, source="Pulumi.prod.yaml")


def test_an_open_door_without_a_certificate_is_refused() -> None:
    """Internet-facing without TLS is a problem for the check and a refusal (3) for the builder."""
    environment = replace(PINNED, load_balancer=OPEN)
    assert [problem.path for problem in check(environment)] == ["load_balancer.certificate_arn"]
    with pytest.raises(Refused, match="would cross the internet in clear") as caught:
        require_provisionable(environment, source="Pulumi.prod.yaml")
    assert caught.value.exit_code == 3


def test_problems_come_before_refusals() -> None:
    """A file with both is wrong (2) first, and both are shown."""
    environment = replace(SMALL, load_balancer=OPEN)
    with pytest.raises(ConfigError) as caught:
        require_provisionable(environment, source="Pulumi.prod.yaml")
    paths = {problem.path for problem in caught.value.problems}
    assert paths == {"fleet.ami", "load_balancer.certificate_arn"}


def test_a_broken_chain_is_a_problem() -> None:
    """A generation that AWS can't wait for is found for any environment, parsed or made."""
    environment = replace(SMALL, engine=EngineSettings(longest_generation_s=3600))
    assert [problem.path for problem in check(environment)] == ["engine.longest_generation_s"]


def test_a_model_outside_the_catalogue_is_a_warning() -> None:
    """A Hub id may be anything; a plain name must be known."""
    foreign = replace(PINNED, model=ModelChoice(name="org/model"))
    assert check(foreign) == ()
    assert [warning.message for warning in warnings(foreign)] == ["is not in the catalogue"]
    assert [p.path for p in check(replace(PINNED, model=ModelChoice(name="model")))] == [
        "model.name"
    ]


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        (
            {"model": ModelChoice(name="mistral-7b-base"), "hub": MIRROR},
            "model.name",
            "is a base model",
        ),
        ({"model": ModelChoice(name="llama-3.1-8b")}, "model.name", "is gated"),
        ({"fleet": replace(PINNED.fleet, hosts=1)}, "fleet.hosts", "every restart"),
        ({"fleet": replace(PINNED.fleet, zones=3)}, "fleet.zones", "3 zones for 2 host(s)"),
        ({"fleet": replace(PINNED.fleet, purchase=Purchase.SPOT)}, "fleet.purchase", "two minutes"),
        ({"fleet": replace(PINNED.fleet, ami=None)}, "fleet.ami", "is not pinned yet"),
        (
            {"model_cache": ModelCacheSettings(throughput_mibps=750)},
            "model_cache.throughput_mibps",
            "750 MiB/s are paid for; a g5.xlarge reads 417 MiB/s at most",
        ),
        ({"load_balancer": OPEN}, "load_balancer.allowed_cidrs", "everyone may knock"),
    ],
)
def test_choices_with_a_price_draw_a_warning(
    change: dict[str, object], path: str, says: str
) -> None:
    """What works but costs something is said, and is no problem."""
    environment = replace(replace(PINNED, model=ModelChoice(name="qwen2.5-7b")), **change)
    assert [warning.path for warning in warnings(environment)] == [path]
    assert says in warnings(environment)[0].message


def test_a_mirror_has_no_gates() -> None:
    """The licence gate is the public hub's; a mirror of one's own asks for no token."""
    mirrored = replace(PINNED, hub=MIRROR)
    assert [w for w in warnings(mirrored) if "gated" in w.message] == []


def test_the_first_check_is_silent_about_good_choices() -> None:
    """A pair of pinned hosts with an open model draws no warning."""
    environment = replace(PINNED, model=ModelChoice(name="qwen2.5-7b"))
    assert (check(environment), warnings(environment)) == ((), ())
