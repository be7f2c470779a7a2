"""A bill before anything exists: lines, what is free, what nobody has a price for, and the ways
to pay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from provision.catalog.prices.price import Price
from provision.planning.cost.money import cents


@dataclass(frozen=True, slots=True)
class Line:
    """So much of something for a month.

    Attributes:
        resource: the resource's name in the Pulumi program (``network-nat``), or of the component
            whose doing it is (hosts create their cache volumes themselves).
        type: the resource's Pulumi type (``aws:ec2/natGateway:NatGateway``).
        name: what is billed, in words (``NAT gateway``, ``data processed``).
        unit: of the quantity and of the price (``hour``, ``GB``).
        price: None when nobody knows it; then *note* says why.
        assumed: the quantity follows from the usage that was assumed, not from the resource.
        instance: it is the instances' own hours: what reserved, spot and plans replace.
    """

    resource: str
    type: str
    name: str
    unit: str
    quantity: Decimal
    price: Price | None
    assumed: bool = False
    instance: bool = False
    note: str = ""

    @property
    def monthly(self) -> Decimal | None:
        """US dollars a month, to the cent; None when the price is unknown."""
        return None if self.price is None else cents(self.quantity * self.price.usd)


@dataclass(frozen=True, slots=True)
class Unbilled:
    """A resource without a line: *reason* says why it is free, or why it has no price."""

    resource: str
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class Option:
    """The whole bill with the instances paid another way. None is unknown, and *note* says why.

    ``amortised`` is ``monthly`` plus the upfront part spread over the term. A spot option has a
    ``low`` and a ``high`` beside the median. *verified* is False when a price in it is not.
    """

    name: str
    monthly: Decimal | None
    upfront: Decimal | None
    amortised: Decimal | None
    low: Decimal | None = None
    high: Decimal | None = None
    note: str = ""
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Bill:
    """One environment for one month.

    ``unpriced`` holds resources that nobody has a price for, and lines whose price is unknown;
    ``left_out`` says in words what no preview can know (support plans, taxes, ...).
    """

    environment: str
    region: str
    lines: tuple[Line, ...]
    free: tuple[Unbilled, ...]
    unpriced: tuple[Unbilled, ...]
    options: tuple[Option, ...]
    assumptions: Mapping[str, str]
    left_out: tuple[str, ...]
    price_date: str

    @property
    def total(self) -> Decimal:
        """The lines with a price, added up: on-demand, to the cent."""
        return sum((line.monthly or Decimal(0) for line in self.lines), Decimal(0))
