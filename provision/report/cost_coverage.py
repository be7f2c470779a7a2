"""What ``fab cost.coverage`` says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from provision.catalog.prices.age import too_old
from provision.catalog.prices.price import Price, Status
from provision.planning.cost.coverage import CapacityUse, Coverage, HostCover, ReservedUse
from provision.planning.cost.money import cents, text
from provision.report.table import table

_HOSTS = ("host", "type", "zone", "bought as", "covered", "uncovered/mo", "by")
_RESERVED = ("reservation", "holds", "where", "payment", "used", "unused/mo", "ends")
_CAPACITY = ("capacity", "holds", "zone", "used", "unused/mo", "ends")
_LEFT_OUT = (
    "Savings Plans are not counted: they lower the bill of what is uncovered here, and AWS's "
    "Cost Explorer shows how much.",
    "Reservations of other accounts of the organisation, where sharing is on, are not seen.",
)


@dataclass(frozen=True, slots=True)
class Look:
    """The coverage of one environment at *at*, with the prices that were used, by type."""

    environment: str
    region: str
    at: datetime
    coverage: Coverage
    prices: dict[str, Price]


def document(look: Look) -> dict[str, Any]:
    """The ``--json`` document; money to the cent."""
    found = look.coverage
    return {
        "environment": look.environment,
        "region": look.region,
        "at": look.at.isoformat(),
        "hosts": [_host_document(host) for host in found.hosts],
        "reserved": [_reserved_document(each) for each in found.reserved],
        "capacity": [_capacity_document(each) for each in found.capacity],
        "uncovered_usd_per_month": _money(found.uncovered),
        "unused_usd_per_month": _money(found.unused),
        "other_instances": found.others,
        "attention": [*attention(found), *_stale(look)],
        "left_out": list(_LEFT_OUT),
        "price_dates": {kind: price.origin.as_of for kind, price in sorted(look.prices.items())},
    }


def lines(look: Look) -> str:
    """Hosts, reservations, capacity, and what asks for attention."""
    found = look.coverage
    said = [f"{look.environment}, {look.region}, {look.at:%Y-%m-%d %H:%M} UTC", ""]
    if found.hosts:
        rows = [_host_row(host) for host in found.hosts]
        said += table(rows, header=_HOSTS, right=(4, 5))
    else:
        said.append("no hosts run")
    if found.reserved:
        rows = [_reserved_row(each) for each in found.reserved]
        said += ["", *table(rows, header=_RESERVED, right=(4, 5))]
    if found.capacity:
        rows = [_capacity_row(each) for each in found.capacity]
        said += ["", *table(rows, header=_CAPACITY, right=(3, 4))]
    said += ["", f"uncovered: {_usd(found.uncovered)} a month at on-demand prices{_dated(look)}"]
    said.append(f"paid for nothing: {_usd(found.unused)} a month")
    said += [f"! {line}" for line in (*attention(found), *_stale(look))]
    if found.others:
        said.append(
            f"{found.others} other instance(s) of the account share these reservations, and are "
            "counted first."
        )
    return "\n".join([*said, *_LEFT_OUT])


def attention(found: Coverage) -> tuple[str, ...]:
    """What someone should look at: unused, running out, unknown."""
    said = []
    for each in found.reserved:
        if each.unused:
            said.append(
                f"{each.held.id} is used to {_percent(each.used)}: "
                f"{_usd(each.unused_usd)} a month for nothing"
            )
        if each.expiring:
            said.append(
                f"{each.held.id} ends on {each.held.ends:%Y-%m-%d}, in {each.days_left} days: its "
                "hosts go on at the on-demand price (`fab cost.reserve`)"
            )
    for spare in found.capacity:
        if spare.held.available and spare.held.state == "active":
            said.append(
                f"{spare.held.id} has room for {spare.held.available} more instance(s) that "
                f"nobody runs: {_usd(spare.unused_usd)} a month"
                + (", paid already" if spare.held.block else "")
            )
        if spare.expiring:
            said.append(
                f"{spare.held.id} ends on {spare.held.ends:%Y-%m-%d}, in {spare.days_left} days"
                + (
                    ": AWS terminates what runs in it half an hour before"
                    if spare.held.block
                    else ""
                )
            )
    unknown = {host.host.instance_type for host in found.hosts if host.uncovered is None}
    said += [f"the on-demand price of {kind} is unknown here" for kind in sorted(unknown)]
    return tuple(said)


def _stale(look: Look) -> list[str]:
    """What prices are too old to trust, by their dates."""
    dates = sorted({price.origin.as_of for price in look.prices.values()})
    warnings = (too_old(date, look.at.date()) for date in dates)
    return [f"on-demand {warning}" for warning in warnings if warning]


def _host_row(host: HostCover) -> list[str]:
    by = ", ".join(host.by) or host.reason or "nothing: on-demand price"
    return [
        host.host.id,
        host.host.instance_type,
        host.host.zone,
        host.host.market,
        "-" if host.reason else _percent(host.share),
        "-" if host.reason else _usd(host.uncovered),
        by,
    ]


def _reserved_row(each: ReservedUse) -> list[str]:
    held = each.held
    return [
        held.id,
        f"{held.count} x {held.instance_type}",
        held.zone or "region",
        f"{held.years}y {held.payment}" + ("" if held.state == "active" else f", {held.state}"),
        _percent(each.used),
        _usd(each.unused_usd),
        f"{held.ends:%Y-%m-%d} ({each.days_left} days)",
    ]


def _capacity_row(each: CapacityUse) -> list[str]:
    held = each.held
    ends = (
        "when cancelled" if held.ends is None else f"{held.ends:%Y-%m-%d} ({each.days_left} days)"
    )
    return [
        held.id,
        f"{held.total} x {held.instance_type}" + (" (block)" if held.block else ""),
        held.zone,
        f"{held.total - held.available} of {held.total}",
        _usd(each.unused_usd),
        ends if held.state == "active" else f"{ends}, {held.state}",
    ]


def _host_document(host: HostCover) -> dict[str, Any]:
    return {
        "name": host.host.id,
        "instance_type": host.host.instance_type,
        "zone": host.host.zone,
        "bought_as": host.host.market,
        "covered_share": _share(host.share),
        "covered_by": list(host.by),
        "uncovered_usd_per_month": _money(host.uncovered),
        "reason": host.reason,
        "capacity_reservation": host.host.reservation or None,
    }


def _reserved_document(each: ReservedUse) -> dict[str, Any]:
    held = each.held
    return {
        "id": held.id,
        "instance_type": held.instance_type,
        "count": held.count,
        "zone": held.zone or None,
        "term_years": held.years,
        "payment": str(held.payment),
        "state": held.state,
        "used_share": _share(each.used),
        "unused_usd_per_month": _money(each.unused_usd),
        "ends": held.ends.isoformat(),
        "days_left": each.days_left,
        "unused": each.unused,
        "expiring": each.expiring,
    }


def _capacity_document(each: CapacityUse) -> dict[str, Any]:
    held = each.held
    return {
        "id": held.id,
        "instance_type": held.instance_type,
        "zone": held.zone,
        "total": held.total,
        "available": held.available,
        "capacity_block": held.block,
        "state": held.state,
        "unused_usd_per_month": _money(each.unused_usd),
        "ends": held.ends.isoformat() if held.ends else None,
        "days_left": each.days_left,
        "expiring": each.expiring,
    }


def _dated(look: Look) -> str:
    if not look.prices:
        return ""
    dates = sorted({price.origin.as_of for price in look.prices.values()})
    memory = any(price.origin.status is Status.MEMORY for price in look.prices.values())
    return f" of {', '.join(dates)}" + (" (~ unverified)" if memory else "")


def _percent(share: Fraction) -> str:
    return f"{float(share):.0%}"


def _share(share: Fraction) -> float:
    return round(float(share), 4)


def _usd(usd: Decimal | None) -> str:
    return "unknown" if usd is None else f"${cents(usd):,}"


def _money(usd: Decimal | None) -> str | None:
    return None if usd is None else text(cents(usd))
