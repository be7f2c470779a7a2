"""EBS: the cache volumes that hosts create themselves, and their snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.month import Month, Pricer

FREE_IOPS = 3000
FREE_MIBPS = 125
CACHES_GB = Decimal(4)  # compile caches beside the weights, as provision.planning.disk has them


def model_cache(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """One volume a host, whether or not the host runs. The component stands for them."""
    cache = month.environment.model_cache
    yield from gp3(
        resource,
        month,
        "cache volumes",
        count=Decimal(month.hosts),
        gib=cache.size_gib,
        iops=cache.iops,
        mibps=cache.throughput_mibps,
        note="hosts create them when they boot",
    )


def snapshots(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """The first snapshot holds what is written, each of the others what changed since."""
    share = month.usage.snapshot_changed_share
    written = _written(month)
    for schedule in resource.inputs["policyDetails"]["schedules"]:
        kept = int(schedule["retainRule"]["count"])
        yield month.line(
            resource,
            "snapshots",
            "GB-month",
            month.hosts * written * (1 + (kept - 1) * share),
            "ebs.snapshot.gb_month",
            assumed=True,
            note=f"{kept} kept",
        )


def gp3(
    resource: Declared,
    month: Month,
    name: str,
    *,
    count: Decimal,
    gib: int,
    iops: int,
    mibps: int,
    note: str = "",
) -> Iterator[Line]:
    """*count* volumes: their size, and what they have beyond the 3,000 IOPS and 125 MiB/s that
    every gp3 volume comes with."""
    yield month.line(
        resource, f"{name}, gp3", "GB-month", count * gib, "ebs.gp3.gb_month", note=note
    )
    if iops > FREE_IOPS:
        extra = count * (iops - FREE_IOPS)
        item = "ebs.gp3.iops_month"
        yield month.line(resource, f"{name}, IOPS above 3,000", "IOPS-month", extra, item)
    if mibps > FREE_MIBPS:
        extra = count * (mibps - FREE_MIBPS)
        item = "ebs.gp3.mibps_month"
        yield month.line(resource, f"{name}, MiB/s above 125", "MiB/s-month", extra, item)


def _written(month: Month) -> Decimal:
    """GB written to one cache volume; all of it when the model's size is unknown."""
    size = Decimal(month.environment.model_cache.size_gib)
    if month.weights_gb is None:
        return size
    return min(size, month.weights_gb * month.usage.weights_revisions + CACHES_GB)


PRICED: Mapping[str, Pricer] = {
    "llm-fleet:infra:ModelCache": model_cache,
    "aws:dlm/lifecyclePolicy:LifecyclePolicy": snapshots,
}
