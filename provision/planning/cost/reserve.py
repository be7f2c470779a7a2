"""Reservations that can be had: what each costs, when it pays, and whether it may be bought. Pure.

An offer is for all instances together. Money is exact; tables round it to the cent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from provision.catalog.prices.price import Payment, Plan
from provision.errors import Refused, UsageError
from provision.facts.reservations import BlockOffering, Kind, ReservedOffering
from provision.planning.cost.money import HOURS_PER_MONTH, cents

HOURS_PER_YEAR = 12 * HOURS_PER_MONTH  # 8,760
SECONDS_PER_HOUR = 3600
ON_DEMAND_CAPACITY = "on-demand-"
_SINGLE_DAYS, _BLOCK_DAYS = 14, 182


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to commit, for *count* instances together.

    Attributes:
        id: what ``--confirm`` takes.
        name: as pricing models are called everywhere: ``reserved-1y-no-upfront``, ...
        hours: of the term; None when it lasts until someone cancels it.
        cash_now: US dollars paid at once.
        hourly: US dollars for every hour of the term, used or not.
        on_demand_hourly: US dollars an hour for the same instances on demand; None when unknown.
        zone: where it holds; "" for a whole region.
    """

    id: str
    kind: Kind
    name: str
    instance_type: str
    count: int
    hours: Decimal | None
    cash_now: Decimal
    hourly: Decimal
    on_demand_hourly: Decimal | None
    zone: str = ""
    starts: datetime | None = None
    ends: datetime | None = None

    @property
    def monthly(self) -> Decimal:
        """US dollars a month beside the cash."""
        return self.hourly * HOURS_PER_MONTH

    @property
    def months(self) -> Decimal | None:
        """Of the term, 730 hours each."""
        return None if self.hours is None else self.hours / HOURS_PER_MONTH

    @property
    def commitment(self) -> Decimal | None:
        """US dollars until the term ends; None when it can be cancelled at any time."""
        return None if self.hours is None else self.cash_now + self.hourly * self.hours

    @property
    def amortised(self) -> Decimal:
        """US dollars a month with the cash spread over the term."""
        if self.commitment is None or self.hours is None:
            return self.monthly
        return self.commitment * HOURS_PER_MONTH / self.hours

    @property
    def on_demand_monthly(self) -> Decimal | None:
        """US dollars a month for the same instances on demand."""
        return None if self.on_demand_hourly is None else self.on_demand_hourly * HOURS_PER_MONTH

    @property
    def saving(self) -> Decimal | None:
        """US dollars a month less than on demand, amortised; below 0 it costs more."""
        there = self.on_demand_monthly
        return None if there is None else there - self.amortised

    @property
    def break_even_hours(self) -> Decimal | None:
        """Hours after which on-demand instances would have cost as much as the whole commitment:
        who stops before had better not have committed.

        None when that never happens within the term, when there is no term, or when the on-demand
        price is unknown.
        """
        if self.commitment is None or self.hours is None or not self.on_demand_hourly:
            return None
        if self.commitment > self.on_demand_hourly * self.hours:
            return None
        return self.commitment / self.on_demand_hourly

    @property
    def break_even_month(self) -> int | None:
        """The month of the term in which that happens; None as above."""
        if self.commitment is None or not self.on_demand_hourly or self.break_even_hours is None:
            return None
        month = self.commitment / (self.on_demand_hourly * HOURS_PER_MONTH)
        return max(1, int(month.to_integral_value(ROUND_CEILING)))

    @property
    def cash_ahead_month(self) -> int | None:
        """The month at whose end less cash has left the account than on demand; None as above."""
        if self.break_even_month is None or self.on_demand_hourly is None:
            return None
        if self.cash_now == 0:
            return 1
        saved = self.on_demand_hourly - self.hourly
        if saved <= 0:
            return None
        month = self.cash_now / (saved * HOURS_PER_MONTH)
        return max(1, int(month.to_integral_value(ROUND_CEILING)))

    @property
    def limited(self) -> Decimal:
        """What a limit price is held against: the commitment, or a month where there is none."""
        return self.monthly if self.commitment is None else self.commitment


def reserved_offers(
    offerings: Iterable[ReservedOffering], *, count: int, on_demand: Decimal | None
) -> tuple[Offer, ...]:
    """Reserved Instances for *count* hosts, short terms first, little cash first."""
    order = list(Payment)
    ranked = sorted(offerings, key=lambda o: (o.years, order.index(o.payment), o.upfront, o.id))
    return tuple(_reserved(each, count, on_demand) for each in ranked)


def block_offers(
    offerings: Iterable[BlockOffering], *, on_demand: Decimal | None
) -> tuple[Offer, ...]:
    """Capacity Blocks, the soonest first, then the cheapest."""
    ranked = sorted(offerings, key=lambda o: (o.starts, o.upfront, o.id))
    return tuple(_block(each, on_demand) for each in ranked)


def capacity_offers(
    instance_type: str, zones: Iterable[str], *, count: int, on_demand: Decimal | None
) -> tuple[Offer, ...]:
    """An on-demand capacity reservation in each zone; none while nobody knows its price."""
    if on_demand is None:
        return ()
    return tuple(
        Offer(
            id=f"{ON_DEMAND_CAPACITY}{zone}",
            kind=Kind.CAPACITY,
            name=str(Kind.CAPACITY),
            instance_type=instance_type,
            count=count,
            hours=None,
            cash_now=Decimal(0),
            hourly=on_demand * count,
            on_demand_hourly=on_demand * count,
            zone=zone,
        )
        for zone in sorted(zones)
    )


def has_blocks(instance_type: str) -> bool:
    """Whether AWS sells Capacity Blocks of the type: of its training families only."""
    return instance_type.startswith(("p", "trn"))


def block_hours(days: int) -> int:
    """Hours of a Capacity Block of *days*. Raises UsageError for a length that is not sold."""
    if not (1 <= days <= _SINGLE_DAYS or (days % 7 == 0 and 0 < days <= _BLOCK_DAYS)):
        raise UsageError(
            f"no Capacity Block lasts {days} days",
            hint=f"1 to {_SINGLE_DAYS} days, or whole weeks up to {_BLOCK_DAYS} days",
        )
    return days * 24


def pick(offers: Sequence[Offer], id_: str) -> Offer:
    """The offer called *id_*. Raises Refused when AWS does not offer it (any more)."""
    for offer in offers:
        if offer.id == id_:
            return offer
    raise Refused(
        f"offering {id_} is gone, or was never offered for this environment: nothing was bought",
        hint="run the command without --confirm and choose again",
    )


def require_limit(offer: Offer, limit: Decimal) -> None:
    """Raise Refused when *offer* costs more than *limit* US dollars in all."""
    if offer.limited > limit:
        what = "a month of it" if offer.commitment is None else "the commitment"
        raise Refused(
            f"{what} costs {_shown(offer.limited)}, above the limit price of {_shown(limit)}: "
            "nothing was bought",
            hint="look at the price again; only then raise --limit-price",
        )


def require_same(confirmed: Offer, now: Offer) -> None:
    """Raise Refused when AWS offers something else by now than was *confirmed*."""
    if confirmed != now:
        moved = (
            f"cost {_shown(confirmed.limited)}, costs {_shown(now.limited)}"
            if confirmed.limited != now.limited
            else "its terms changed"
        )
        raise Refused(
            f"offering {confirmed.id} moved before it was bought ({moved}): nothing was bought",
            hint="run the command without --confirm and choose again",
        )


def _reserved(offering: ReservedOffering, count: int, on_demand: Decimal | None) -> Offer:
    return Offer(
        id=offering.id,
        kind=Kind.RESERVED,
        name=f"{Plan.RESERVED}-{offering.years}y-{offering.payment}",
        instance_type=offering.instance_type,
        count=count,
        hours=offering.years * HOURS_PER_YEAR,
        cash_now=offering.upfront * count,
        hourly=offering.hourly * count,
        on_demand_hourly=None if on_demand is None else on_demand * count,
    )


def _block(offering: BlockOffering, on_demand: Decimal | None) -> Offer:
    seconds = Decimal(str((offering.ends - offering.starts).total_seconds()))
    return Offer(
        id=offering.id,
        kind=Kind.CAPACITY_BLOCK,
        name=str(Kind.CAPACITY_BLOCK),
        instance_type=offering.instance_type,
        count=offering.count,
        hours=seconds / SECONDS_PER_HOUR,
        cash_now=offering.upfront,
        hourly=Decimal(0),
        on_demand_hourly=None if on_demand is None else on_demand * offering.count,
        zone=offering.zone,
        starts=offering.starts,
        ends=offering.ends,
    )


def _shown(usd: Decimal) -> str:
    return f"${cents(usd):,}"
