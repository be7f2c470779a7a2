"""Which running hosts a reservation pays for, and which reservations pay for nothing. Pure.

AWS decides hour by hour which instance of the account gets a discount. Here: first the
reservations of one zone, then the regional ones, from the smallest instance to the largest as AWS
documents it, and between equals other people's instances before the environment's: what is called
covered is covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from provision.facts.reservations import PLATFORM, Capacity, Reserved, Running
from provision.planning.cost.money import HOURS_PER_MONTH

SOON = timedelta(days=60)
# Reservations of these families hold for their own size only; AWS names them one by one. Newer
# families with GPUs are taken to be like them until it says otherwise: the careful side.
_INFLEXIBLE = {
    *("g4ad", "g4dn", "g5", "g5g", "g6", "g6e", "g6f", "gr6", "gr6f"),
    *("hpc7a", "p5", "inf1", "inf2", "u7i-6tb", "u7i-8tb"),
}
_TAKEN_TO_BE_INFLEXIBLE = {"g7", "g7e", "p5e", "p5en", "p6-b200", "p6-b300"}
_SMALL = {
    "nano": Fraction(1, 4),
    "micro": Fraction(1, 2),
    "small": Fraction(1),
    "medium": Fraction(2),
    "large": Fraction(4),
    "xlarge": Fraction(8),
}
_PER_XLARGE = 8

Rate = Callable[[str], Decimal | None]  # instance type -> US dollars an hour on demand


@dataclass(frozen=True, slots=True)
class HostCover:
    """One host. *share* of it is paid by *by*; *uncovered* is US dollars a month for the rest.

    *uncovered* is None when the on-demand price is unknown. *reason* says why no reservation can
    apply, "" where one can.
    """

    host: Running
    share: Fraction
    by: tuple[str, ...]
    uncovered: Decimal | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReservedUse:
    """Reserved Instances: the *used* share, and US dollars a month paid for nothing."""

    held: Reserved
    used: Fraction
    unused_usd: Decimal
    days_left: int
    expiring: bool

    @property
    def unused(self) -> bool:
        """Whether some of it is paid for nothing."""
        return self.used < 1 and self.held.state == "active"


@dataclass(frozen=True, slots=True)
class CapacityUse:
    """Capacity: *unused_usd* a month is None when unknown, 0 for a block: it is paid already."""

    held: Capacity
    unused_usd: Decimal | None
    days_left: int | None
    expiring: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """The environment's hosts against what the account holds in its region.

    *others* counts instances that are not the environment's and take part in sharing.
    """

    hosts: tuple[HostCover, ...]
    reserved: tuple[ReservedUse, ...]
    capacity: tuple[CapacityUse, ...]
    others: int

    @property
    def uncovered(self) -> Decimal | None:
        """US dollars a month at on-demand prices; None when a price is unknown."""
        return _total(host.uncovered for host in self.hosts)

    @property
    def unused(self) -> Decimal | None:
        """US dollars a month for reservations and capacity that nothing uses; None as above."""
        held = [each.unused_usd for each in self.reserved]
        return _total([*held, *(each.unused_usd for each in self.capacity)])


def flexible(instance_type: str) -> bool:
    """Whether regional Linux reservations of the type apply to other sizes of its family."""
    family = _split(instance_type)[0]
    return family not in _INFLEXIBLE | _TAKEN_TO_BE_INFLEXIBLE and bool(normalised(instance_type))


def normalised(instance_type: str) -> Fraction | None:
    """AWS's normalisation factor of the size; None for one that has none (metal)."""
    size = _split(instance_type)[1]
    if size in _SMALL:
        return _SMALL[size]
    number = size.removesuffix("xlarge")
    if size.endswith("xlarge") and number.isdecimal():
        return Fraction(int(number) * _PER_XLARGE)
    return None


def cover(
    environment: str,
    family_of: str,
    *,
    running: Sequence[Running],
    reserved: Sequence[Reserved],
    capacity: Sequence[Capacity],
    rate: Rate,
    now: datetime,
) -> Coverage:
    """How the hosts of *environment* are covered at *now*.

    Reservations shown are those of its hosts' families and of the family of the type *family_of*,
    which it would launch. *rate* answers None for a price that nobody knows.
    """
    ours = sorted((r for r in running if r.environment == environment), key=lambda r: r.id)
    families = {_split(kind)[0] for kind in (family_of, *(r.instance_type for r in ours))}
    near = [r for r in running if _split(r.instance_type)[0] in families]
    held = [each for each in reserved if _split(each.instance_type)[0] in families]
    sharing = _Sharing(environment)
    sharing.share([r for r in near if not _unfit(r)], [h for h in held if h.state == "active"])
    return Coverage(
        hosts=tuple(_host(host, sharing, rate) for host in ours),
        reserved=tuple(_reserved_use(each, sharing, now) for each in sorted(held, key=_by_end)),
        capacity=tuple(
            _capacity_use(each, rate, now)
            for each in sorted(capacity, key=lambda c: c.id)
            if _split(each.instance_type)[0] in families
        ),
        others=sum(1 for r in near if r.environment != environment and not _unfit(r)),
    )


@dataclass
class _Sharing:
    """Who is paid by what, in shares of an instance."""

    environment: str
    covered: dict[str, Fraction] = field(default_factory=dict)
    by: dict[str, list[str]] = field(default_factory=dict)
    used: dict[str, Fraction] = field(default_factory=dict)  # of the reservation, in instances

    def share(self, running: Sequence[Running], held: Sequence[Reserved]) -> None:
        """Let *held* pay for *running*, as the module says."""
        in_order = sorted(running, key=self._turn)
        for reservation in sorted(held, key=lambda h: (not h.zone, h.id)):
            left = Fraction(reservation.count)
            for instance in in_order:
                worth = _worth(reservation, instance)
                if left and worth:
                    left -= self._pay(reservation, instance, worth, left)
            self.used[reservation.id] = reservation.count - left

    def _pay(
        self, reservation: Reserved, instance: Running, worth: Fraction, left: Fraction
    ) -> Fraction:
        """Pay what is open of *instance*; what that takes of the reservation, in its instances."""
        open_ = 1 - self.covered.get(instance.id, Fraction(0))
        taken = min(left, open_ * worth)
        if taken:
            self.covered[instance.id] = self.covered.get(instance.id, Fraction(0)) + taken / worth
            self.by.setdefault(instance.id, []).append(reservation.id)
        return taken

    def _turn(self, instance: Running) -> tuple[Fraction, bool, str]:
        size = normalised(instance.instance_type) or Fraction(0)
        return (size, instance.environment == self.environment, instance.id)


def _worth(reservation: Reserved, instance: Running) -> Fraction | None:
    """How many of the reservation's instances pay for *instance*; None when they can't."""
    if reservation.platform != PLATFORM or reservation.tenancy != "default":
        return None
    if reservation.zone and reservation.zone != instance.zone:
        return None
    if reservation.instance_type == instance.instance_type:
        return Fraction(1)
    same_family = _split(reservation.instance_type)[0] == _split(instance.instance_type)[0]
    if reservation.zone or not same_family or not flexible(reservation.instance_type):
        return None
    theirs, ours = normalised(instance.instance_type), normalised(reservation.instance_type)
    return theirs / ours if theirs and ours else None


def _unfit(instance: Running) -> str:
    """Why no Reserved Instance can apply to it, or ""."""
    if instance.market == "capacity-block":
        return "in a Capacity Block, paid upfront"
    if instance.market != "on-demand":
        return f"{instance.market}: reservations apply to on-demand hosts only"
    if instance.platform != PLATFORM:
        return f"runs {instance.platform}: Linux/UNIX reservations don't apply"
    if instance.tenancy != "default":
        return f"{instance.tenancy} tenancy: reservations of default tenancy don't apply"
    return ""


def _host(host: Running, sharing: _Sharing, rate: Rate) -> HostCover:
    reason = _unfit(host)
    if reason:
        return HostCover(host, Fraction(0), (), Decimal(0), reason)
    share, price = sharing.covered.get(host.id, Fraction(0)), rate(host.instance_type)
    left = None if price is None else _part(1 - share) * price * HOURS_PER_MONTH
    return HostCover(host, share, tuple(sharing.by.get(host.id, ())), left)


def _reserved_use(held: Reserved, sharing: _Sharing, now: datetime) -> ReservedUse:
    used = sharing.used.get(held.id, Fraction(0)) / held.count
    idle = 1 - used if held.state == "active" else Fraction(0)
    return ReservedUse(
        held=held,
        used=used,
        unused_usd=_part(idle) * held.count * held.effective_hourly * HOURS_PER_MONTH,
        days_left=max(0, (held.ends - now).days),
        expiring=held.ends - now <= SOON,
    )


def _capacity_use(held: Capacity, rate: Rate, now: datetime) -> CapacityUse:
    left = None if held.ends is None else held.ends - now
    price = Decimal(0) if held.block else rate(held.instance_type)
    idle = held.available if held.state == "active" else 0
    unused = Decimal(0) if not idle else None if price is None else idle * price * HOURS_PER_MONTH
    return CapacityUse(
        held=held,
        unused_usd=unused,
        days_left=None if left is None else max(0, left.days),
        expiring=left is not None and left <= SOON,
    )


def _by_end(held: Reserved) -> tuple[datetime, str]:
    return (held.ends, held.id)


def _split(instance_type: str) -> tuple[str, str]:
    family, _, size = instance_type.partition(".")
    return family, size


def _part(share: Fraction) -> Decimal:
    return Decimal(share.numerator) / Decimal(share.denominator)


def _total(parts: Iterable[Decimal | None]) -> Decimal | None:
    known = list(parts)
    if any(part is None for part in known):
        return None
    return sum((part for part in known if part is not None), Decimal(0))
