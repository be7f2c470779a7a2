"""Who is paid by which reservation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.catalog.prices.price import Payment
from provision.facts.reservations import Capacity, Reserved, Running
from provision.planning.cost.coverage import Coverage, cover, flexible, normalised

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PRICES = {
    "g5.xlarge": Decimal("1.006"),
    "g5.2xlarge": Decimal("1.212"),
    "c5.large": Decimal("0.085"),
    "c5.xlarge": Decimal("0.17"),
    "c5.2xlarge": Decimal("0.34"),
}


def host(id_: str, kind: str = "g5.xlarge", zone: str = "us-east-1a", **more: str) -> Running:
    return replace(Running(id_, kind, zone, environment="test"), **more)


def held(id_: str, kind: str = "g5.xlarge", count: int = 1, zone: str = "") -> Reserved:
    return Reserved(
        id=id_,
        instance_type=kind,
        count=count,
        zone=zone,
        years=1,
        payment=Payment.NO_UPFRONT,
        upfront=Decimal(0),
        hourly=Decimal("0.634"),
        starts=NOW - timedelta(days=200),
        ends=NOW + timedelta(days=165),
        state="active",
    )


def spare(id_: str, total: int, available: int, **more: object) -> Capacity:
    base = Capacity(id_, "g5.xlarge", "us-east-1a", total, available, NOW, None, "active")
    return replace(base, **more)  # type: ignore[arg-type]


def look(
    running: Sequence[Running],
    reserved: Sequence[Reserved] = (),
    capacity: Sequence[Capacity] = (),
    *,
    kind: str = "g5.xlarge",
) -> Coverage:
    return cover(
        "test",
        kind,
        running=running,
        reserved=reserved,
        capacity=capacity,
        rate=PRICES.get,
        now=NOW,
    )


def shares(found: Coverage) -> dict[str, Fraction]:
    return {each.host.id: each.share for each in found.hosts}


def test_without_reservations_everything_is_uncovered() -> None:
    """730 hours at the on-demand price."""
    found = look([host("i-1"), host("i-2")])
    assert found.uncovered == Decimal("1468.76")
    assert [(each.share, each.by) for each in found.hosts] == [(0, ()), (0, ())]


def test_a_reservation_covers_a_host_of_its_type() -> None:
    """In whatever zone it runs; the other is named with its price."""
    found = look([host("i-1"), host("i-2", zone="us-east-1b")], [held("ri-1")])

    assert shares(found) == {"i-1": 1, "i-2": 0}
    assert found.hosts[0].by == ("ri-1",)
    assert found.uncovered == Decimal("734.38")
    assert (found.reserved[0].used, found.unused) == (1, 0)


def test_a_zonal_reservation_stays_in_its_zone() -> None:
    """And is paid for nothing where nobody runs."""
    found = look([host("i-1", zone="us-east-1b")], [held("ri-1", zone="us-east-1a")])
    assert shares(found) == {"i-1": 0}
    assert found.reserved[0].unused
    assert found.unused == Decimal("462.82")


def test_zonal_reservations_go_first() -> None:
    """The regional one is left for the host that has no other."""
    hosts = [host("i-1"), host("i-2", zone="us-east-1b")]
    found = look(hosts, [held("ri-1"), held("ri-2", zone="us-east-1a")])
    assert [each.by for each in found.hosts] == [("ri-2",), ("ri-1",)]


@pytest.mark.parametrize("kind", ["g4dn", "g5", "g6", "g6e", "p5", "g7e", "p6-b200"])
def test_gpu_families_have_no_size_flexibility(kind: str) -> None:
    """AWS excludes them by name: a g5.2xlarge does nothing for two g5.xlarge."""
    assert not flexible(f"{kind}.2xlarge")


def test_a_larger_gpu_reservation_covers_no_smaller_host() -> None:
    """The most expensive surprise of a change of type."""
    found = look([host("i-1"), host("i-2")], [held("ri-1", "g5.2xlarge")])
    assert shares(found) == {"i-1": 0, "i-2": 0}
    assert found.reserved[0].used == 0


def test_other_families_share_by_size() -> None:
    """One c5.2xlarge reserved is two c5.xlarge, or half of a c5.4xlarge; smallest first."""
    hosts = [host("i-1", "c5.xlarge"), host("i-2", "c5.large"), host("i-3", "c5.2xlarge")]
    found = look(hosts, [held("ri-1", "c5.2xlarge")], kind="c5.xlarge")

    # 16 units: 4 for i-2, 8 for i-1, and 4 of the 16 that i-3 would need
    assert shares(found) == {"i-1": 1, "i-2": 1, "i-3": Fraction(1, 4)}
    assert found.uncovered == Decimal("0.34") * 730 * 3 / 4
    assert found.reserved[0].used == 1


@pytest.mark.parametrize(
    ("size", "factor"),
    [
        ("nano", Fraction(1, 4)),
        ("small", 1),
        ("large", 4),
        ("xlarge", 8),
        ("2xlarge", 16),
        ("9xlarge", 72),
        ("24xlarge", 192),
        ("48xlarge", 384),
        ("metal", None),
    ],
)
def test_normalisation_factors(size: str, factor: Fraction | None) -> None:
    """As AWS lists them."""
    assert normalised(f"m5.{size}") == factor


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"market": "spot"}, "spot: reservations apply to on-demand hosts only"),
        ({"market": "capacity-block"}, "in a Capacity Block, paid upfront"),
        ({"platform": "Windows"}, "runs Windows: Linux/UNIX reservations don't apply"),
        (
            {"tenancy": "dedicated"},
            "dedicated tenancy: reservations of default tenancy don't apply",
        ),
    ],
)
def test_hosts_that_no_reservation_covers(change: dict[str, str], reason: str) -> None:
    """They say why, and the reservation is free for others."""
    found = look([host("i-1", **change), host("i-2")], [held("ri-1")])
    assert [each.reason for each in found.hosts] == [reason, ""]
    assert shares(found) == {"i-1": 0, "i-2": 1}
    assert found.uncovered == 0


def test_other_instances_of_the_account_come_first() -> None:
    """AWS may give the discount to either: what is called covered is covered for sure."""
    another = host("i-0", environment="staging")
    found = look([host("i-1"), another], [held("ri-1")])
    assert (shares(found), found.others) == ({"i-1": 0}, 1)
    assert found.reserved[0].used == 1


def test_families_that_are_not_ours_are_left_out() -> None:
    """The account's databases are nobody's business here."""
    found = look([host("i-1"), host("i-9", "c5.large", environment="")], [held("ri-1", "c5.large")])
    assert (found.reserved, found.others) == ((), 0)


def test_before_anything_runs() -> None:
    """A reservation of the type that the environment would launch shows, unused."""
    found = look([], [held("ri-1", count=2)])
    assert (found.hosts, found.uncovered) == ((), 0)
    assert found.unused == Decimal("925.64")


def test_an_unknown_price_is_not_zero() -> None:
    """The host is named, and so the sum is unknown."""
    found = look([host("i-1", "g5.48xlarge"), host("i-2")], kind="g5.48xlarge")
    assert [each.uncovered for each in found.hosts] == [None, Decimal("734.38")]
    assert found.uncovered is None


@pytest.mark.parametrize(("days", "expiring"), [(60, True), (61, False), (-1, True)])
def test_what_ends_within_sixty_days(days: int, expiring: bool) -> None:
    """Counted from now, never below 0."""
    ending = replace(held("ri-1"), ends=NOW + timedelta(days=days))
    (use,) = look([host("i-1")], [ending]).reserved
    assert (use.expiring, use.days_left) == (expiring, max(0, days))


def test_what_is_ordered_pays_for_nothing_yet() -> None:
    """A queued reservation covers nobody, and is not called unused."""
    (use,) = look([host("i-1")], [replace(held("ri-1"), state="queued")]).reserved
    assert (use.used, use.unused, use.unused_usd) == (0, False, 0)


def test_capacity_that_nobody_runs_in_costs_the_same() -> None:
    """At the on-demand price; a block is paid already; one without a known price is unknown."""
    block = {"block": True, "ends": NOW + timedelta(days=3)}
    found = look(
        [host("i-1")],
        capacity=[
            spare("cr-1", 3, 2),
            spare("cr-2", 1, 1, **block),
            spare("cr-3", 1, 1, instance_type="g5.48xlarge"),
            spare("cr-4", 1, 1, state="pending"),
            spare("cr-5", 1, 1, instance_type="m5.large"),
        ],
    )
    assert [(each.held.id, each.unused_usd) for each in found.capacity] == [
        ("cr-1", Decimal("1468.76")),
        ("cr-2", 0),
        ("cr-3", None),
        ("cr-4", 0),
    ]
    assert [each.expiring for each in found.capacity] == [False, True, False, False]
    assert found.unused is None


sizes = st.sampled_from(["c5.large", "c5.xlarge", "c5.2xlarge"])
zones = st.sampled_from(["a", "b"])


@given(
    st.lists(st.tuples(sizes, zones, st.booleans()), max_size=8),
    st.lists(st.tuples(sizes, st.sampled_from(["", "a", "b"]), st.integers(1, 4)), max_size=5),
)
def test_nothing_is_covered_twice(
    instances: list[tuple[str, str, bool]], reservations: list[tuple[str, str, int]]
) -> None:
    """In units of size: what hosts are paid is what reservations pay, nobody above the whole; and
    what remains of both could not have met."""
    running = [
        host(f"i-{n}", kind, zone, environment="test" if ours else "other")
        for n, (kind, zone, ours) in enumerate(instances)
    ]
    reserved = [held(f"ri-{n}", k, count, z) for n, (k, z, count) in enumerate(reservations)]
    everyone = [replace(each, environment="test") for each in running]
    found = look(everyone, reserved, kind="c5.large")

    assert all(0 <= each.share <= 1 for each in found.hosts)
    assert all(0 <= each.used <= 1 for each in found.reserved)
    paid = sum(each.share * units(each.host.instance_type) for each in found.hosts)
    given_ = sum(
        each.used * each.held.count * units(each.held.instance_type) for each in found.reserved
    )
    assert paid == given_
    if any(each.used < 1 and not each.held.zone for each in found.reserved):
        assert all(each.share == 1 for each in found.hosts)
    mixed = look(running, reserved, kind="c5.large")
    assert sum(shares(mixed).values()) <= sum(shares(found).values())


def units(kind: str) -> Fraction:
    factor = normalised(kind)
    assert factor is not None
    return factor
