"""Hosts: their hours, however they are bought, and their system disks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provision.catalog.prices.price import Price
from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.money import HOURS_PER_MONTH
from provision.planning.cost.month import Group, Month, Pricer, line
from provision.planning.cost.resources.volumes import gp3


def group(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """``hosts x hours`` of the instance type, and the disks of its launch template."""
    for each in month.groups:
        if each.resource == resource:
            yield _instances(each, month)
            yield from _disks(each, month)
            yield from _monitoring(each, month)


def hourly(group_: Group, month: Month) -> Price | None:
    """What an hour of one host costs as the launch template buys it: spot at the median."""
    place = (group_.instance_type, month.region)
    if group_.market == "capacity-block":
        return month.book.capacity_blocks.get(group_.instance_type)
    if group_.market == "spot":
        spot = month.book.spot.get(place)
        return Price(spot.median, "hour", spot.origin) if spot else None
    return month.book.on_demand.get(place)


def _instances(group_: Group, month: Month) -> Line:
    price = hourly(group_, month)
    missing = f"no {group_.market} price for {group_.instance_type} in {month.region} is known"
    return line(
        group_.resource,
        f"{group_.instance_type}, {group_.market}",
        "hour",
        group_.hosts * month.usage.hours,
        price,
        instance=True,
        note=missing if price is None else _said(group_),
    )


def _disks(group_: Group, month: Month) -> Iterator[Line]:
    """Disks go with their instance, so they are paid for the hours that it runs."""
    share = month.usage.hours / HOURS_PER_MONTH
    for mapping in group_.template.inputs.get("blockDeviceMappings", ()):
        disk = mapping["ebs"]
        yield from gp3(
            group_.resource,
            month,
            "root volumes" if len(group_.template.inputs["blockDeviceMappings"]) == 1 else "disks",
            count=group_.hosts * share,
            gib=int(disk["volumeSize"]),
            iops=int(disk.get("iops", 0)),
            mibps=int(disk.get("throughput", 0)),
        )


def _monitoring(group_: Group, month: Month) -> Iterator[Line]:
    if group_.template.inputs.get("monitoring", {}).get("enabled"):
        item = "cloudwatch.detailed_monitoring.instance_month"
        count = group_.hosts
        yield month.line(group_.resource, "detailed monitoring", "instance-month", count, item)


def _said(group_: Group) -> str:
    hosts = "1 host" if group_.hosts == 1 else f"{group_.hosts} hosts"
    return f"{hosts}{_NOTES.get(group_.market, '')}"


_NOTES = {"spot": ", median of the zones", "capacity-block": ", paid before it begins"}

PRICED: Mapping[str, Pricer] = {"aws:autoscaling/group:Group": group}
