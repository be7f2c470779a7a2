"""The instance types beside each other, a row each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from provision.planning.cost.compare import Candidate, Comparison
from provision.planning.cost.fleet_price import ON_DEMAND, SPOT
from provision.report.html.words import MARK

_ROWS = 8


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
        here: whether the environment runs it; *best*: whether it is the cheapest on demand.
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
    """The cheapest types, and *here*, the environment's own, wherever it stands."""
    best = comparison.cheapest(ON_DEMAND)
    return tuple(_row(one, here, one is best) for one in shown(comparison, here))


def left_out(comparison: Comparison, here: str) -> tuple[str, ...]:
    """Types that stand in no row, and why, a sentence for each reason."""
    region, model = comparison.question.region, comparison.question.model.name
    small = [one.name for one in comparison.candidates if not one.sizing.fits]
    rowed = shown(comparison, here)
    dearer = [one.name for one in _by_cost(comparison) if one not in rowed]
    said = [f"Dearer, or without a known price: {', '.join(dearer)}."] if dearer else []
    said += [f"{model} does not fit on {', '.join(small)}."] if small else []
    if comparison.unsold:
        said.append(f"Not sold in {region}: {', '.join(comparison.unsold)}.")
    return tuple(said)


def shown(comparison: Comparison, here: str) -> list[Candidate]:
    """The types that get a row."""
    ordered = _by_cost(comparison)
    return [one for place, one in enumerate(ordered) if place < _ROWS or one.name == here]


def _by_cost(comparison: Comparison) -> list[Candidate]:
    """By a month for the asked traffic, then by a token; an unknown price comes last."""

    def cost(one: Candidate) -> tuple[bool, Decimal, Decimal]:
        token = one.usd_per_1m(ON_DEMAND)
        return token is None, one.monthly(ON_DEMAND) or Decimal(0), token or Decimal(0)

    return sorted(comparison.fitting, key=cost)


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
