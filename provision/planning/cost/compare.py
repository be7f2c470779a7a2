"""Instance types for one model: which fit, what they carry, and what a token costs on each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType

from provision.catalog.instances import InstanceType, instance_type, instance_types
from provision.catalog.model import Model
from provision.catalog.prices.age import price_date, too_old
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.price import MILLION, Origin
from provision.catalog.regions import require_sold, sold_in
from provision.config.environment import EngineSettings, ModelCacheSettings
from provision.planning.benchmark import Benchmark
from provision.planning.cost.break_even import PEAK_FACTOR
from provision.planning.cost.capacity import Capacity, capacity, long_enough
from provision.planning.cost.fleet_price import ON_DEMAND, PRICINGS, HostPrice, host_prices
from provision.planning.cost.money import HOURS_PER_MONTH
from provision.planning.cost.throughput import REACHED, Mix
from provision.planning.cost.usage import SECONDS_PER_HOUR
from provision.planning.sizing import Sizing, size
from provision.planning.start_time import StartTime, estimate


@dataclass(frozen=True, slots=True)
class Question:
    """What a comparison is about.

    Attributes:
        requests: a month, None: only unit prices are asked for.
        hours: of the month.
        peak_factor: the busiest hour against the average; its inverse is the duty at which tokens
            are priced.
    """

    model: Model
    region: str
    engine: EngineSettings
    mix: Mix
    requests: int | None = None
    hours: Decimal = HOURS_PER_MONTH
    peak_factor: Decimal = PEAK_FACTOR

    @property
    def seconds(self) -> Decimal:
        """Of the month."""
        return self.hours * SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Candidate:
    """One instance type. What does not fit has no capacity, no start and no hosts.

    Attributes:
        capacity: of one host; None too when nobody knows the GPU's figures.
        prices: the ways to pay whose price is known.
        hosts: that the asked traffic needs in its busiest hour, None: nothing was asked.
    """

    sizing: Sizing
    capacity: Capacity | None
    prices: Mapping[str, HostPrice]
    start: StartTime | None
    hosts: int | None
    tokens_per_request: int
    peak_factor: Decimal
    hours: Decimal

    @property
    def name(self) -> str:
        """The instance type."""
        return self.sizing.instance.name

    @property
    def tokens_per_s(self) -> Decimal | None:
        """Prompt and answer tokens a second of a full host."""
        if self.capacity is None:
            return None
        return self.capacity.requests_per_s * self.tokens_per_request

    def usd_per_1m(self, pricing: str) -> Decimal | None:
        """US dollars per million tokens at the duty that the peak factor leaves.

        None when the price or the capacity is unknown.
        """
        full = self.usd_per_1m_full(pricing)
        return None if full is None else full * self.peak_factor

    def usd_per_1m_full(self, pricing: str) -> Decimal | None:
        """The same on a host that is never idle."""
        price = self.prices.get(pricing)
        if price is None or not self.tokens_per_s:
            return None
        return price.usd_per_hour / (self.tokens_per_s * SECONDS_PER_HOUR) * MILLION

    def monthly(self, pricing: str) -> Decimal | None:
        """US dollars a month for the hosts that the asked traffic needs."""
        price = self.prices.get(pricing)
        return (
            None if price is None or self.hosts is None else price.monthly(self.hours) * self.hosts
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Types that the region sells, those that fit first and the cheapest of them first.

    Attributes:
        unsold: types of the catalogue that the region does not sell.
        assumptions: what the figures stand on, by name, in words.
    """

    question: Question
    candidates: tuple[Candidate, ...]
    unsold: tuple[str, ...]
    assumptions: Mapping[str, str]
    warnings: tuple[str, ...]
    price_date: str

    @property
    def fitting(self) -> tuple[Candidate, ...]:
        """Those on which the model fits."""
        return tuple(one for one in self.candidates if one.sizing.fits)

    @property
    def pricings(self) -> tuple[str, ...]:
        """Ways to pay of which at least one fitting type has a price."""
        return tuple(p for p in PRICINGS if any(p in one.prices for one in self.fitting))

    def cheapest(self, pricing: str) -> Candidate | None:
        """The type with the least to pay: a month for the asked traffic, else a token."""
        by_price = [(cost, one) for one in self.fitting if (cost := self._cost(one, pricing))]
        return min(by_price, key=lambda pair: (pair[0], pair[1].name), default=(None, None))[1]

    def _cost(self, candidate: Candidate, pricing: str) -> Decimal | None:
        if self.question.requests is None:
            return candidate.usd_per_1m(pricing)
        return candidate.monthly(pricing)


def compare(
    question: Question,
    book: PriceBook,
    *,
    names: Sequence[str] = (),
    cache: ModelCacheSettings,
    kept: Mapping[str, Sequence[Benchmark]] = MappingProxyType({}),
    today: date,
) -> Comparison:
    """Compare the types called *names* (none: all of the catalogue) under *question*.

    *kept* are benchmarks by instance type. Raises CatalogError for a name that is unknown or not
    sold in the region, UsageError for a request that is longer than the model's context.
    """
    settings = long_enough(question.engine, question.model, question.mix)
    free = replace(settings, tensor_parallel_size=None, replicas_per_host=None)
    asked = replace(question, engine=free)
    for name in names:
        require_sold(instance_type(name).name, question.region)
    wanted = names or tuple(instance_types())
    sold = [instance_type(name) for name in wanted if sold_in(name, question.region)]
    found = in_order(_candidate(one, asked, book, cache, kept.get(one.name, ())) for one in sold)
    return Comparison(
        question=asked,
        candidates=found,
        unsold=tuple(name for name in wanted if not sold_in(name, question.region)),
        assumptions=_assumptions(asked),
        warnings=tuple(_warnings(found, today)),
        price_date=price_date(_origins(found)),
    )


def in_order(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Those that fit first; of them those with the least to pay on demand, a month for the asked
    traffic or else a token. An unknown price comes last."""
    return tuple(sorted(candidates, key=_rank))


def _candidate(
    instance: InstanceType,
    question: Question,
    book: PriceBook,
    cache: ModelCacheSettings,
    kept: Sequence[Benchmark],
) -> Candidate:
    sizing = size(question.model, instance, question.engine, hub_token=True, candidates=())
    carried = capacity(sizing, question.engine, question.mix, kept) if sizing.fits else None
    return Candidate(
        sizing=sizing,
        capacity=carried,
        prices=host_prices(book, instance.name, question.region),
        start=estimate(sizing, cache) if sizing.fits else None,
        hosts=_hosts(carried, question),
        tokens_per_request=question.mix.tokens,
        peak_factor=question.peak_factor,
        hours=question.hours,
    )


def _origins(candidates: Iterable[Candidate]) -> list[Origin]:
    """Where the prices of those that fit come from."""
    fitting = (one for one in candidates if one.sizing.fits)
    return [price.origin for one in fitting for price in one.prices.values()]


def _assumptions(question: Question) -> dict[str, str]:
    mix, peak = question.mix, question.peak_factor
    return {
        "request": f"{mix.input_tokens} prompt and {mix.output_tokens} answer tokens, none of them"
        " from a cache",
        "capacity": f"{REACHED:.2f} of the roofline unless `fab benchmark` measured; over several"
        " GPUs what they say to each other is not counted",
        "duty": f"the busiest hour brings {peak:f} times the average, so a million tokens costs"
        f" {peak:f} times what it would on a host that is never idle",
        "month": f"{question.hours.normalize():f} hours",
    }


def _warnings(candidates: Iterable[Candidate], today: date) -> Iterator[str]:
    fitting = [one for one in candidates if one.sizing.fits]
    dear = [one.name for one in fitting if ON_DEMAND not in one.prices]
    if dear:
        yield f"no on-demand price is known of {', '.join(dear)}"
    known = [one.prices[ON_DEMAND].origin.as_of for one in fitting if ON_DEMAND in one.prices]
    if known and (old := too_old(max(known), today)):
        yield f"on-demand {old}"


def _rank(one: Candidate) -> tuple[bool, bool, Decimal, str]:
    price = one.usd_per_1m(ON_DEMAND) if one.hosts is None else one.monthly(ON_DEMAND)
    return (not one.sizing.fits, price is None, price or Decimal(0), one.name)


def _hosts(carried: Capacity | None, question: Question) -> int | None:
    if carried is None or question.requests is None:
        return None
    each = carried.requests_per_s * question.seconds / question.peak_factor
    return max(1, int((question.requests / each).to_integral_value(rounding=ROUND_CEILING)))
