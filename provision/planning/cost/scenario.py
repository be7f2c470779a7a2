"""A fleet as somebody imagines it, and what comes of it against hosted models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from provision.catalog.instances import instance_type
from provision.catalog.model import Model
from provision.catalog.prices.age import deprecation, price_date, too_old
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.price import HostedModel, Origin, Status
from provision.catalog.prices.table import UNDATED
from provision.config.environment import EngineSettings
from provision.errors import CatalogError
from provision.planning.benchmark import Benchmark
from provision.planning.cost.break_even import PEAK_FACTOR, BreakEven, Fleet, cross
from provision.planning.cost.capacity import Capacity, capacity, given, long_enough
from provision.planning.cost.fleet_price import ON_DEMAND, FleetPrice, HostPrice, host_price
from provision.planning.cost.money import HOURS_PER_MONTH
from provision.planning.cost.throughput import Mix
from provision.planning.cost.usage import SECONDS_PER_HOUR
from provision.planning.sizing import require_fit, size

_BY_PRICE = re.compile(r"(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)")  # $ per million tokens, in and out
_GIVEN = "as given"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is imagined. What replaces what:

    Attributes:
        usd_per_hour: of a host, instead of the price book's.
        fleet_monthly: of all hosts together, instead of a price per hour.
        requests_per_s: of a host, instead of what was measured or the roofline says.
        kept: what `fab benchmark` measured in the environment.
        requests: a month, None: nobody said.
        where: ``us-east-1, the default``: the region and why that one.
    """

    model: Model
    instance: str
    region: str
    engine: EngineSettings
    mix: Mix
    hosts: int = 1
    pricing: str = ON_DEMAND
    hours: Decimal = HOURS_PER_MONTH
    peak_factor: Decimal = PEAK_FACTOR
    extra: Decimal = Decimal(0)
    extra_said: str = "all that is neither hosts nor people"
    engineering: Decimal = Decimal(0)
    overhead: Decimal = Decimal(0)
    fallback_share: Decimal = Decimal(0)
    fallback_api: str | None = None
    usd_per_hour: Decimal | None = None
    fleet_monthly: Decimal | None = None
    requests_per_s: Decimal | None = None
    kept: tuple[Benchmark, ...] = ()
    requests: int | None = None


def weigh(scenario: Scenario, apis: Sequence[str], book: PriceBook, *, today: date) -> BreakEven:
    """The fleet of *scenario* against *apis*: names of the price book, or ``3/15`` for a price.

    Raises CatalogError for an unknown name, a type not sold in the region or a price that nobody
    knows, SizingError when the model does not fit, UsageError for a request that is too long.
    """
    hosted = [_hosted(name, book) for name in apis]
    fallback = _hosted(scenario.fallback_api, book) if scenario.fallback_api else None
    host = _host(scenario, book)
    fleet = Fleet(
        price=_fleet_price(scenario, host),
        capacity=capacity_of(scenario),
        mix=scenario.mix,
        seconds=scenario.hours * SECONDS_PER_HOUR,
        peak_factor=scenario.peak_factor,
        fallback_share=scenario.fallback_share,
    )
    used = [*hosted, *([fallback] if fallback and scenario.fallback_share else [])]
    origins = [one.origin for one in used] + ([host.origin] if host else [])
    return BreakEven(
        fleet=fleet,
        crossings=tuple(cross(fleet, api, fallback) for api in hosted),
        asked=scenario.requests,
        assumptions=_assumptions(scenario, fleet, fallback),
        warnings=tuple(_warnings(scenario, host, used, today)),
        price_date=price_date(one for one in origins if one.source != _GIVEN),
    )


def capacity_of(scenario: Scenario) -> Capacity:
    """What a host of *scenario* carries: as given, else as measured, else by the roofline.

    Raises SizingError, UsageError, and CatalogError when nothing is known of the GPU.
    """
    if scenario.requests_per_s is not None:
        return given(scenario.requests_per_s)
    settings = long_enough(scenario.engine, scenario.model, scenario.mix)
    sizing = require_fit(size(scenario.model, instance_type(scenario.instance), settings))
    found = capacity(sizing, settings, scenario.mix, scenario.kept)
    if found is None:
        raise CatalogError(
            f"nobody knows how fast {sizing.instance.gpu.name} is",
            hint="--capacity takes the requests a second of a host",
        )
    return found


def _hosted(name: str, book: PriceBook) -> HostedModel:
    """The model called *name*, or a nameless one at ``<input>/<output>`` $ per million tokens."""
    found = _BY_PRICE.fullmatch(name)
    if found is None:
        return book.hosted_model(name)
    return HostedModel(
        name=name,
        provider=_GIVEN,
        input_usd=Decimal(found[1]),
        output_usd=Decimal(found[2]),
        cached_input_usd=None,
        deprecated_on=None,
        origin=Origin(_GIVEN, UNDATED, Status.OVERRIDE),
    )


def _host(scenario: Scenario, book: PriceBook) -> HostPrice | None:
    """None when only the price of the whole fleet is known."""
    if scenario.fleet_monthly is not None:
        return None
    if scenario.usd_per_hour is not None:
        origin = Origin(_GIVEN, UNDATED, Status.OVERRIDE)
        return HostPrice(scenario.pricing, scenario.usd_per_hour, origin)
    return host_price(book, scenario.instance, scenario.region, scenario.pricing)


def _fleet_price(scenario: Scenario, host: HostPrice | None) -> FleetPrice:
    if host is not None:
        name, monthly = f"{scenario.instance}, {host.pricing}", host.monthly(scenario.hours)
    else:
        name = scenario.instance
        monthly = (scenario.fleet_monthly or Decimal(0)) / scenario.hosts
    return FleetPrice(
        name=name,
        hosts=scenario.hosts,
        host_monthly=monthly,
        overhead=scenario.overhead,
        extra=scenario.extra,
        engineering=scenario.engineering,
        host=host,
    )


def _assumptions(scenario: Scenario, fleet: Fleet, fallback: HostedModel | None) -> dict[str, str]:
    said = {
        "model": scenario.model.name,
        "region": scenario.region,
        "month": f"{scenario.hours.normalize():f} hours",
        "request": f"{scenario.mix.input_tokens} prompt and {scenario.mix.output_tokens} answer"
        " tokens, none of them from a cache",
        "capacity": fleet.capacity.said,
        "peak": f"the busiest hour brings {scenario.peak_factor} times the average; hosts are"
        " counted for it",
        "extra": f"{scenario.extra} $ a month for {scenario.extra_said}",
        "engineering": f"{scenario.engineering} $ a month for people's time",
    }
    if scenario.overhead:
        said["overhead"] = f"{_percent(scenario.overhead)} on the hosts' price"
    if scenario.fallback_share:
        behind = fallback.name if fallback else "the API that is compared"
        said["fallback"] = (
            f"{_percent(scenario.fallback_share)} of the requests are answered by {behind}, on top"
            " of the fleet, which costs the same meanwhile"
        )
    return said


def _warnings(
    scenario: Scenario, host: HostPrice | None, hosted: Sequence[HostedModel], today: date
) -> Iterator[str]:
    yield from filter(None, (deprecation(one, today) for one in dict.fromkeys(hosted)))
    allowed, tokens = scenario.engine.max_model_len, scenario.mix.tokens
    if tokens > allowed:
        yield f"a request of {tokens:,} tokens needs engine.max_model_len {tokens}; it is {allowed}"
    if host is None:
        return
    if host.from_memory:
        yield f"nobody has verified the price for {host.pricing}: {host.origin.source}"
    if old := too_old(host.origin.as_of, today):
        yield f"{host.pricing}: {old}"


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"
