"""The bill as a tree: a resource with its lines, the dearest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from provision.catalog.prices.price import Plan, Status
from provision.planning.cost.bill import Bill, Line, Option
from provision.planning.cost.money import HOURS_PER_MONTH

ZERO = Decimal(0)
ON_DEMAND = "on-demand"
_NAMED_PARTS = 5
REST = "everything else"


@dataclass(frozen=True, slots=True)
class Branch:
    """A resource and what is billed for it."""

    resource: str
    type: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        """US dollars a month: the lines with a price, added up."""
        return sum((line.monthly or ZERO for line in self.lines), ZERO)

    @property
    def known(self) -> Decimal | None:
        """The same; None when no line has a price."""
        return self.total if any(line.price for line in self.lines) else None

    @property
    def incomplete(self) -> bool:
        """Whether some lines have a price and others none, so that the total says too little."""
        return len({line.price is None for line in self.lines}) > 1


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the bar: its name, US dollars a month, and per mille of the whole."""

    name: str
    usd: Decimal
    permille: int


@dataclass(frozen=True, slots=True)
class Way:
    """A way to pay, per hour of the month, and what it saves: below 0 is less than on demand.

    *best* is the cheapest of the commitments whose price is verified.
    """

    option: Option
    hourly: Decimal
    saving: Decimal | None
    best: bool


def tree(lines: Iterable[Line]) -> tuple[Branch, ...]:
    """Lines by resource; resources and lines from the dearest to the cheapest."""
    grouped: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        grouped.setdefault((line.resource, line.type), []).append(line)
    branches = (
        Branch(name, type_, tuple(sorted(some, key=_dearest)))
        for (name, type_), some in grouped.items()
    )
    return tuple(sorted(branches, key=lambda branch: (-branch.total, branch.resource)))


def parts(branches: Iterable[Branch]) -> tuple[Part, ...]:
    """The five dearest names and the rest, as shares of the whole. Nothing of nothing."""
    named: dict[str, Decimal] = {}
    for branch in branches:
        named[branch.resource] = named.get(branch.resource, ZERO) + branch.total
    ordered = sorted(named.items(), key=lambda one: -one[1])
    ordered = [
        *ordered[:_NAMED_PARTS],
        (REST, sum((usd for _, usd in ordered[_NAMED_PARTS:]), ZERO)),
    ]
    whole = sum(named.values(), ZERO)
    return tuple(Part(name, usd, int(usd * 1000 / whole)) for name, usd in ordered if usd)


def ways(options: Sequence[Option]) -> tuple[Way, ...]:
    """The options whose price is known, with what can be compared."""
    usual = next((one.amortised for one in options if one.name == ON_DEMAND), None)
    best = cheapest_commitment(options)
    return tuple(
        Way(
            option=one,
            hourly=one.amortised / HOURS_PER_MONTH,
            saving=one.amortised / usual - 1 if usual and one.name != ON_DEMAND else None,
            best=one is best,
        )
        for one in options
        if one.amortised is not None
    )


def unknown_ways(options: Iterable[Option]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names of the options without a known price, by the reason."""
    names: dict[str, list[str]] = {}
    for one in options:
        if one.amortised is None:
            names.setdefault(one.note, []).append(one.name)
    return tuple((reason, tuple(some)) for reason, some in names.items())


def cheapest_commitment(options: Iterable[Option]) -> Option | None:
    """The reservation or Savings Plan that costs least a month, a verified one where there is one.

    None when no price is known.
    """
    known = [one for one in options if _is_commitment(one) and one.amortised is not None]
    return min(known, key=lambda one: (not one.verified, one.amortised), default=None)


def free_kinds(bill: Bill) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Kinds of resources that cost nothing, by the reason, each kind once."""
    kinds: dict[str, dict[str, None]] = {}
    for one in bill.free:
        kinds.setdefault(one.reason, {})[one.type.rpartition(":")[2]] = None
    return tuple((reason, tuple(sorted(some))) for reason, some in kinds.items())


def unverified(bill: Bill) -> Decimal | None:
    """US dollars a month of the lines whose price nobody has verified; None when there is none."""
    lines = [one for one in bill.lines if one.price and one.price.origin.status is Status.MEMORY]
    return sum((line.monthly or ZERO for line in lines), ZERO) if lines else None


def _is_commitment(option: Option) -> bool:
    return option.name.startswith((Plan.RESERVED, Plan.SAVINGS_PLAN_EC2, Plan.SAVINGS_PLAN_COMPUTE))


def _dearest(line: Line) -> tuple[Decimal, str]:
    return (-(line.monthly or ZERO), line.name)
