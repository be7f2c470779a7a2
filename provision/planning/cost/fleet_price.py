"""What hosts cost a month, by the way they are paid for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from provision.catalog.lookup import unknown
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.hour import on_demand_hour
from provision.catalog.prices.price import Origin, Payment, Plan, Status
from provision.errors import CatalogError
from provision.planning.cost.money import HOURS_PER_MONTH

ON_DEMAND = "on-demand"
SPOT = "spot"
CAPACITY_BLOCK = "capacity-block"
PRICINGS = (
    ON_DEMAND,
    SPOT,
    *(f"{plan}-{years}y-{payment}" for plan in Plan for years in (1, 3) for payment in Payment),
    CAPACITY_BLOCK,
)
_WHOLE_MONTH = 28 * 24  # hours from which on hosts are said to run all month


@dataclass(frozen=True, slots=True)
class HostPrice:
    """One host paid one way, US dollars per hour.

    A commitment's upfront part is spread over its term; *upfront* is what is paid at once. Spot
    has the cheapest and the dearest zone beside the median.
    """

    pricing: str
    usd_per_hour: Decimal
    origin: Origin
    upfront: Decimal = Decimal(0)
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def committed(self) -> bool:
        """Whether it is paid for whether it runs or not."""
        return self.pricing.startswith(tuple(Plan))

    @property
    def from_memory(self) -> bool:
        """Whether nobody has verified the price."""
        return self.origin.status is Status.MEMORY

    def monthly(self, hours: Decimal = HOURS_PER_MONTH) -> Decimal:
        """US dollars, exact, for a month in which the host runs *hours*."""
        idle_is_paid = self.committed and hours < _WHOLE_MONTH
        return self.usd_per_hour * (HOURS_PER_MONTH if idle_is_paid else hours)


@dataclass(frozen=True, slots=True)
class FleetPrice:
    """What a fleet costs a month, whether it serves or not. US dollars.

    Attributes:
        name: of the hosts and how they are paid (``g5.xlarge, on-demand``).
        host_monthly: one host.
        overhead: share of the hosts' price that is added to it (the "20 %" of many estimates).
        extra: all that is neither hosts nor people: storage, network, load balancer.
        engineering: people's time.
        host: how *host_monthly* comes about, None: nobody said.
    """

    name: str
    hosts: int
    host_monthly: Decimal
    overhead: Decimal = Decimal(0)
    extra: Decimal = Decimal(0)
    engineering: Decimal = Decimal(0)
    host: HostPrice | None = None

    @property
    def per_host(self) -> Decimal:
        """What one more host adds."""
        return self.host_monthly * (1 + self.overhead)

    @property
    def fixed(self) -> Decimal:
        """What does not grow with the hosts."""
        return self.extra + self.engineering

    def monthly(self, hosts: int | None = None) -> Decimal:
        """The fleet of *hosts* (None: as many as it has)."""
        return self.per_host * (self.hosts if hosts is None else hosts) + self.fixed


def host_prices(book: PriceBook, instance_type: str, region: str) -> Mapping[str, HostPrice]:
    """Every way to pay for a host whose price is known, in the order of PRICINGS.

    Raises CatalogError for a type that is unknown or not sold in the region.
    """
    place = (instance_type, region)
    known: dict[str, HostPrice] = {}
    if price := on_demand_hour(book, instance_type, region):
        known[ON_DEMAND] = HostPrice(ON_DEMAND, price.usd, price.origin)
    if spot := book.spot.get(place):
        known[SPOT] = HostPrice(SPOT, spot.median, spot.origin, low=spot.low, high=spot.high)
    for one in book.commitments.get(place, ()):
        known[one.name] = HostPrice(one.name, one.effective_hourly, one.origin, upfront=one.upfront)
    if block := book.capacity_blocks.get(instance_type):
        known[CAPACITY_BLOCK] = HostPrice(CAPACITY_BLOCK, block.usd, block.origin)
    return {name: known[name] for name in PRICINGS if name in known}


def host_price(book: PriceBook, instance_type: str, region: str, pricing: str) -> HostPrice:
    """The price of a host paid as *pricing*.

    Raises CatalogError for a way that does not exist, and for a price that nobody knows: it would
    have to be 0 or a guess.
    """
    if pricing not in PRICINGS:
        raise unknown("pricing", pricing, PRICINGS)
    known = host_prices(book, instance_type, region)
    if pricing not in known:
        raise CatalogError(
            f"no price of {instance_type} in {region} as {pricing} is known",
            hint=f"known: {', '.join(known) or 'none'}; `fab cost.refresh` asks AWS, "
            "prices/overrides.csv takes yours, --usd-per-hour tries one out",
        )
    return known[pricing]
