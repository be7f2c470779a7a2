"""The instance types beside each other, a row each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from provision.planning.cost.compare import Candidate, Comparison
from provision.planning.cost.fleet_price import ON_DEMAND, SPOT
from provision.report.html.words import MARK


@dataclass(frozen=True, slots=True)
class Row:
    """A type on which the model fits. US dollars; None is unknown.

    Attributes:
        gpus: in words.
        hosts: that the asked traffic needs, *monthly* what they cost on demand.
        per_1m: a million tokens on demand; *steady_per_1m* with the cheapest way to pay that
            nobody can take back (*steady* names it, *steady_mark* marks it when unverified).
        spot_per_1m: the same for spot.
        start_s: seconds until a new host serves.
        here: whether the environment runs it; *best*: whether it has the cheapest token on demand.
    """

    name: str
    gpus: str
    replicas: int
    requests_per_s: Decimal | None
    hosts: int | None
    monthly: Decimal | None
    per_1m: Decimal | None
    steady: str
    steady_mark: str
    steady_per_1m: Decimal | None
    spot_per_1m: Decimal | None
    start_s: float | None
    here: bool
    best: bool


def rows(comparison: Comparison, here: str) -> tuple[Row, ...]:
    """The types that fit, in the order of the comparison; *here* is the environment's type."""
    best = comparison.cheapest(ON_DEMAND)
    return tuple(_row(one, here, one is best) for one in comparison.fitting)


def left_out(comparison: Comparison) -> tuple[str, ...]:
    """Types that stand in no row, and why, a sentence for each reason."""
    region, model = comparison.question.region, comparison.question.model.name
    small = [one.name for one in comparison.candidates if not one.sizing.fits]
    said = [f"{model} does not fit on {', '.join(small)}."] if small else []
    if comparison.unsold:
        said.append(f"Not sold in {region}: {', '.join(comparison.unsold)}.")
    return tuple(said)


def _row(one: Candidate, here: str, best: bool) -> Row:
    instance = one.sizing.instance
    name = _cheapest_kept(one)
    return Row(
        name=one.name,
        gpus=f"{instance.gpus} × {instance.gpu.name}, {instance.gpu.memory_gib:.0f} GiB",
        replicas=one.sizing.replicas_per_host,
        requests_per_s=one.capacity.requests_per_s if one.capacity else None,
        hosts=one.hosts,
        monthly=one.monthly(ON_DEMAND),
        per_1m=one.usd_per_1m(ON_DEMAND),
        steady=name,
        steady_mark=MARK if name and one.prices[name].from_memory else "",
        steady_per_1m=one.usd_per_1m(name),
        spot_per_1m=one.usd_per_1m(SPOT),
        start_s=one.start.total_s if one.start else None,
        here=one.name == here,
        best=best,
    )


def _cheapest_kept(one: Candidate) -> str:
    """The commitment with the lowest price per hour, "" when none is known."""
    committed = [price for price in one.prices.values() if price.committed]
    return min(committed, key=lambda price: price.usd_per_hour).pricing if committed else ""
