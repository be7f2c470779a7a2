"""The bill of what the Pulumi program declares."""

from __future__ import annotations

from collections.abc import Mapping

from provision.catalog.prices.age import price_date
from provision.planning.cost.assumptions import LEFT_OUT, assumptions
from provision.planning.cost.bill import Bill, Line, Unbilled
from provision.planning.cost.month import Month, Pricer
from provision.planning.cost.options import options
from provision.planning.cost.resources import (
    balancing,
    compute,
    gateway,
    metrics,
    monitoring,
    network,
    objects,
    secrets,
    switch,
    volumes,
)
from provision.planning.cost.resources.free import FREE
from provision.planning.cost.resources.hosted import fallback

PRICED: Mapping[str, Pricer] = {
    **compute.PRICED,
    **volumes.PRICED,
    **network.PRICED,
    **balancing.PRICED,
    **metrics.PRICED,
    **monitoring.PRICED,
    **objects.PRICED,
    **secrets.PRICED,
    **gateway.PRICED,
    **switch.PRICED,
}


def invoice(month: Month) -> Bill:
    """Every resource of *month* as lines, as free with a reason, or as unpriced with a reason.

    Raises CatalogError for a fallback API that the price book does not know.
    """
    said: list[Line | Unbilled] = []
    free: list[Unbilled] = []
    for each in month.resources:
        if each.type in PRICED:
            said += PRICED[each.type](each, month)
        elif each.type in FREE:
            free.append(Unbilled(each.name, each.type, FREE[each.type]))
        else:
            said.append(Unbilled(each.name, each.type, "no formula for this type yet"))
    said += fallback(month)
    lines = tuple(one for one in said if isinstance(one, Line))
    without = tuple(one for one in said if isinstance(one, Unbilled))
    return Bill(
        environment=month.environment.name,
        region=month.region,
        lines=lines,
        free=tuple(free),
        unpriced=(*without, *_unknown(lines)),
        options=options(month, lines),
        assumptions=assumptions(month),
        left_out=LEFT_OUT,
        price_date=price_date(line.price.origin for line in lines if line.price),
    )


def _unknown(lines: tuple[Line, ...]) -> tuple[Unbilled, ...]:
    return tuple(
        Unbilled(line.resource, line.type, f"{line.name}: {line.note}")
        for line in lines
        if line.price is None
    )
