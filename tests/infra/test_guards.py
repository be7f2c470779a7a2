"""What is refused before the first resource."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.guards import check
from infra.operator_key import read_public_key
from provision.config.environment import AccessSettings, Purchase, Scheme
from provision.errors import EXIT_REFUSED, Refused
from tests.infra.scenes import described

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b"
RESERVATION = "cr-0123456789abcdef0"


def test_the_described_environments_pass() -> None:
    """With an AMI pinned nothing stands against them."""
    for name in ("dev", "prod", "prod-70b", "rehearsal"):
        check(described(name))


@pytest.mark.parametrize(
    ("section", "changes", "said"),
    [
        ("fleet", {"ami": None}, "fab config.refresh-ami --env prod"),
        ("load_balancer", {"scheme": Scheme.INTERNET_FACING}, "internet-facing without"),
        ("load_balancer", {"certificate_arn": CERTIFICATE}, "load_balancer.domain_name"),
        (
            "load_balancer",
            {"certificate_arn": CERTIFICATE.replace("us-east-1", "eu-west-1")},
            "not a certificate of us-east-1",
        ),
        ("network", {"cidr": "10.0.0.0/24"}, "can't be divided"),
        ("network", {"vpc_id": "vpc-1"}, "a load balancer needs subnets in 2 zones"),
        ("fleet", {"zones": 7}, "fleet.zones: 7"),
        ("fleet", {"capacity_block": True}, "say which capacity block"),
        (
            "fleet",
            {"purchase": Purchase.SPOT, "capacity_reservation_id": RESERVATION},
            "spot instances don't use",
        ),
        ("fleet", {"max_hosts": 1}, "fleet.max_hosts: 1 is less than fleet.hosts 2"),
        ("engine", {"longest_generation_s": 4000}, "AWS allows"),
    ],
)
def test_a_mistake_is_refused_and_named(section: str, changes: dict[str, Any], said: str) -> None:
    """Exit 3, with the key to change."""
    good = described("prod")
    bad = replace(good, **{section: replace(getattr(good, section), **changes)})
    with pytest.raises(Refused) as refused:
        check(bad)
    assert said in str(refused.value)
    assert refused.value.exit_code == EXIT_REFUSED


def test_a_name_too_long_for_a_load_balancer_is_refused() -> None:
    """The longest of our names has 32 letters at most; one letter more is one too many."""
    check(replace(described("prod"), name="a" * 13))
    with pytest.raises(Refused, match="1 letter"):
        check(replace(described("prod"), name="a" * 14))


def test_all_objections_come_at_once() -> None:
    """A person mends the file once."""
    good = described("prod")
    fleet = replace(good.fleet, ami=None, max_hosts=1)
    with pytest.raises(Refused) as refused:
        check(replace(good, fleet=fleet))
    assert "fleet.ami" in str(refused.value)
    assert "fleet.max_hosts" in str(refused.value)


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
