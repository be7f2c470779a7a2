"""From how much traffic on a fleet of our own is cheaper than someone's API, and whether the fleet
can carry that much at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from provision.catalog.prices.price import HostedModel
from provision.planning.cost.capacity import Capacity
from provision.planning.cost.fleet_price import FleetPrice
from provision.planning.cost.throughput import Mix

PEAK_FACTOR = Decimal(2)  # the busiest hour against the average: a duty of 50 %


class Never(StrEnum):
    """Why there is no break-even."""

    BEYOND_CAPACITY = "beyond-capacity"  # the fleet can't carry the traffic at which it would pay
    API_CHEAPER = "api-cheaper-at-any-load"  # even full hosts cost more a request than the API


@dataclass(frozen=True, slots=True)
class Fleet:
    """Hosts that grow with the traffic, never below the number that the fleet has.

    Attributes:
        seconds: of the month in which the hosts run.
        peak_factor: the busiest hour against the average; hosts are counted for the busiest one.
        fallback_share: of all requests, answered by an API while the fleet is down or full. The
            fleet is sized for all of them all the same.
    """

    price: FleetPrice
    capacity: Capacity
    mix: Mix
    seconds: Decimal
    peak_factor: Decimal = PEAK_FACTOR
    fallback_share: Decimal = Decimal(0)

    @property
    def full_load(self) -> int:
        """Requests a month that its hosts carry when they are never idle."""
        return self.capacity.per_month(self.seconds, self.price.hosts)

    @property
    def per_host(self) -> Decimal:
        """Requests a month that a host carries when the busiest hour fills it."""
        return self.capacity.requests_per_s * self.seconds / self.peak_factor

    def hosts_for(self, requests: Decimal | int) -> int:
        """Hosts that so many requests a month need."""
        return max(self.price.hosts, _up(Decimal(requests) / self.per_host))

    def duty(self, requests: Decimal | int) -> Decimal:
        """The share of its time that a host works, on average over those that are needed."""
        carried = self.capacity.requests_per_s * self.seconds * self.hosts_for(requests)
        return Decimal(requests) / carried

    def monthly(self, requests: Decimal | int) -> Decimal:
        """US dollars for the hosts that are needed, without what a fallback's API takes."""
        return self.price.monthly(self.hosts_for(requests))


@dataclass(frozen=True, slots=True)
class Volume:
    """One month's traffic, served both ways. US dollars."""

    requests: int
    api_usd: Decimal
    fleet_usd: Decimal
    hosts: int
    replicas: int
    duty: Decimal

    @property
    def fleet_is_cheaper(self) -> bool:
        """Whether the fleet costs less."""
        return self.fleet_usd < self.api_usd


@dataclass(frozen=True, slots=True)
class Crossing:
    """One API against the fleet.

    Attributes:
        usd_per_request: of the API.
        usd_per_fallback: what the fleet pays for a request that a fallback answers.
        crossing: requests a month at which the fleet as stated costs as much as the API, whether
            it can carry them or not; None when the API is cheaper at any load.
        break_even: the same when the fleet carries it at full load, else None: never.
        never: why, None when there is a break-even.
        sized_break_even: the same for a fleet that has the hosts its busiest hour needs, and grows
            where one host more pays; None: never.
        settled: requests a month from which on the growing fleet is always cheaper; between the
            break-even and here a host more may cost more than the API. None when there is none.
    """

    api: HostedModel
    fallback: HostedModel
    fleet: Fleet
    usd_per_request: Decimal
    usd_per_fallback: Decimal
    crossing: int | None
    break_even: int | None
    never: Never | None
    sized_break_even: int | None
    settled: int | None

    @property
    def reachable(self) -> bool:
        """Whether the fleet as stated carries the traffic at which it pays."""
        return self.break_even is not None

    @property
    def duty(self) -> Decimal | None:
        """The share of its time that the fleet as stated works at the break-even."""
        return None if self.break_even is None else Decimal(self.break_even) / self.fleet.full_load

    @property
    def hosts(self) -> int | None:
        """Hosts that the busiest hour needs at the break-even."""
        return None if self.break_even is None else self.fleet.hosts_for(self.break_even)

    @property
    def replicas(self) -> int | None:
        """Engines on those hosts."""
        return None if self.hosts is None else self.hosts * self.fleet.capacity.replicas

    @property
    def sized_hosts(self) -> int | None:
        """Hosts at the break-even of the fleet that is sized for its busiest hour."""
        return (
            None if self.sized_break_even is None else self.fleet.hosts_for(self.sized_break_even)
        )

    def at(self, requests: int) -> Volume:
        """*requests* a month, served both ways."""
        hosts = self.fleet.hosts_for(requests)
        fallback = self.usd_per_fallback * self.fleet.fallback_share * requests
        return Volume(
            requests=requests,
            api_usd=self.usd_per_request * requests,
            fleet_usd=self.fleet.price.monthly(hosts) + fallback,
            hosts=hosts,
            replicas=hosts * self.fleet.capacity.replicas,
            duty=self.fleet.duty(requests),
        )


@dataclass(frozen=True, slots=True)
class BreakEven:
    """A fleet against one or more APIs, first as asked.

    Attributes:
        asked: requests a month that somebody wants to know about, None: nobody said.
        assumptions: what the answer stands on, by name, in words.
        warnings: what a reader must know before using it.
    """

    fleet: Fleet
    crossings: tuple[Crossing, ...]
    asked: int | None
    assumptions: Mapping[str, str]
    warnings: tuple[str, ...]
    price_date: str

    def volumes(self) -> tuple[int, ...]:
        """Traffic worth showing: 1, 2, 5, 10, ... around the crossings and what a host carries."""
        marks = [one for c in self.crossings for one in (c.crossing, c.sized_break_even) if one]
        marks += [self.fleet.full_load, *([self.asked] if self.asked else [])]
        steps = [d * 10**n for n in range(20) for d in (1, 2, 5)]
        low, high = max(1, min(marks) // 10), max(marks) * 3
        return tuple(step for step in steps if low <= step <= high)


def cross(fleet: Fleet, api: HostedModel, fallback: HostedModel | None = None) -> Crossing:
    """*api* against *fleet*, whose fallback is *fallback* (None: the same API)."""
    behind = fallback or api
    mix = fleet.mix
    per_request = api.per_request(mix.input_tokens, mix.output_tokens)
    per_fallback = behind.per_request(mix.input_tokens, mix.output_tokens)
    saved = per_request - fleet.fallback_share * per_fallback
    crossing = break_even_requests(fleet.price.monthly(), saved)
    carried = crossing is not None and crossing <= fleet.full_load
    sized = _sized(fleet, saved)
    return Crossing(
        api=api,
        fallback=behind,
        fleet=fleet,
        usd_per_request=per_request,
        usd_per_fallback=per_fallback,
        crossing=crossing,
        break_even=crossing if carried else None,
        never=None if carried else _why(fleet, saved),
        sized_break_even=sized,
        settled=_settled(fleet, saved) if sized else None,
    )


def break_even_requests(fleet_usd: Decimal, saved_usd: Decimal) -> int | None:
    """The first whole number of requests at which saving *saved_usd* on each pays *fleet_usd*.

    None when a request saves nothing.
    """
    return _up(fleet_usd / saved_usd) if saved_usd > 0 else None


def _why(fleet: Fleet, saved: Decimal) -> Never:
    """A full host that costs more than it saves never pays, however many there are."""
    full = fleet.capacity.requests_per_s * fleet.seconds * saved
    return Never.BEYOND_CAPACITY if full > fleet.price.per_host else Never.API_CHEAPER


def _sized(fleet: Fleet, saved: Decimal) -> int | None:
    """The first crossing of a fleet that grows. With fewer hosts than there it does not pay even
    when they are full, so the first number of hosts that pays when full holds it."""
    price = fleet.price
    gained = fleet.per_host * saved - price.per_host  # by each host that is full
    if saved <= 0:
        return None
    hosts = price.hosts
    if price.monthly(hosts) > fleet.per_host * saved * hosts:
        if gained <= 0:
            return None
        hosts = max(hosts, _up(price.fixed / gained))
    requests = break_even_requests(price.monthly(hosts), saved)
    while requests is not None and fleet.hosts_for(requests) > hosts:  # a rounding at the edge
        hosts += 1
        requests = break_even_requests(price.monthly(hosts), saved)
    return requests


def _settled(fleet: Fleet, saved: Decimal) -> int | None:
    """From where on each further host pays from its first request.

    A host is added when those before it are full: it pays at once when they have saved its price
    too.
    """
    price = fleet.price
    gained = fleet.per_host * saved - price.per_host
    if gained <= 0:
        return None
    # the last number of full hosts that have not yet earned one more
    short = _up((price.fixed + price.per_host) / gained) - 1
    if short < price.hosts:
        return break_even_requests(price.monthly(price.hosts), saved)
    return break_even_requests(price.monthly(short + 1), saved)


def _up(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_CEILING))
