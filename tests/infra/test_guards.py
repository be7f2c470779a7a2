"""What is refused before the first resource."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.guards import check
from infra.operator_key import read_public_key
from provision.config.environment import AccessSettings, Purchase, Scheme
from provision.errors import EXIT_REFUSED, EXIT_USAGE, ConfigError, Refused
from tests.infra.scenes import described

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b"
RESERVATION = "cr-0123456789abcdef0"


def test_the_described_environments_pass() -> None:
    """With an AMI pinned nothing stands against them."""
    for name in ("dev", "prod", "prod-70b", "rehearsal"):
        check(described(name))


@pytest.mark.parametrize(
    ("section", "changes", "code", "said"),
    [
        ("fleet", {"ami": None}, EXIT_USAGE, "fab config.refresh-ami --env prod"),
        (
            "load_balancer",
            {"scheme": Scheme.INTERNET_FACING, "allowed_cidrs": ("0.0.0.0/0",)},
            EXIT_REFUSED,
            "keys and prompts would cross the internet in clear",
        ),
        (
            "load_balancer",
            {"certificate_arn": CERTIFICATE},
            EXIT_USAGE,
            "load_balancer.domain_name",
        ),
        (
            "load_balancer",
            {"certificate_arn": CERTIFICATE.replace("us-east-1", "eu-west-1")},
            EXIT_USAGE,
            "load_balancer.certificate_arn",
        ),
        ("network", {"cidr": "10.0.0.0/24"}, EXIT_REFUSED, "can't be divided"),
        ("fleet", {"zones": 7}, EXIT_REFUSED, "fleet.zones: 7"),
        ("fleet", {"capacity_block": True}, EXIT_USAGE, "fleet.capacity_reservation_id"),
        (
            "fleet",
            {"purchase": Purchase.SPOT, "capacity_reservation_id": RESERVATION},
            EXIT_USAGE,
            "fleet.purchase",
        ),
        ("fleet", {"max_hosts": 1}, EXIT_USAGE, "fleet.max_hosts"),
        ("engine", {"longest_generation_s": 4000}, EXIT_USAGE, "AWS allows"),
    ],
)
def test_a_mistake_is_refused_and_named(
    section: str, changes: dict[str, Any], code: int, said: str
) -> None:
    """With the key to change; exit 3 where we refuse to build what the file says clearly."""
    good = described("prod")
    bad = replace(good, **{section: replace(getattr(good, section), **changes)})
    with pytest.raises((ConfigError, Refused)) as refused:
        check(bad)
    assert said in str(refused.value)
    assert refused.value.exit_code == code


def test_a_load_balancer_in_an_existing_network_needs_two_zones() -> None:
    """One subnet is not enough, however few hosts there are."""
    good = described("prod")
    network = replace(
        good.network,
        vpc_id="vpc-0123456789abcdef0",
        private_subnet_ids=("subnet-0123456789abcdef0",),
    )
    with pytest.raises(ConfigError, match=r"network\.private_subnet_ids"):
        check(replace(good, network=network, fleet=replace(good.fleet, zones=1)))


def test_all_problems_come_at_once() -> None:
    """A person mends the file once."""
    good = described("prod")
    fleet = replace(good.fleet, ami=None, max_hosts=1)
    with pytest.raises(ConfigError) as refused:
        check(replace(good, fleet=fleet))
    assert [problem.path for problem in refused.value.problems] == ["fleet.max_hosts", "fleet.ami"]


@pytest.mark.parametrize("content", [None, "", "-----BEGIN OPENSSH PRIVATE KEY-----"])
def test_the_operators_public_key_must_be_there(tmp_path: Path, content: str | None) -> None:
    """A missing file, an empty one, or a private key: refused with the command that helps."""
    if content is not None:
        (tmp_path / "key.pub").write_text(content)
    with pytest.raises(Refused, match="ssh-keygen"):
        read_public_key(AccessSettings(identity_file=str(tmp_path / "key")))


def test_the_operators_public_key_is_read(tmp_path: Path) -> None:
    """The line of the file next to the private key."""
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA me@here\n")
    key = read_public_key(AccessSettings(identity_file=str(tmp_path / "key")))
    assert key == "ssh-ed25519 AAAA me@here"
