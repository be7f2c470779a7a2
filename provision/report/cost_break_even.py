"""What ``fab cost.break-even`` says."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from provision.planning.cost.break_even import BreakEven, Crossing, Fleet, Never, Volume
from provision.planning.cost.money import cents
from provision.planning.cost.money import text as exact
from provision.report.cost_curve import curve, lettered
from provision.report.html.axis import short
from provision.report.table import table

UNVERIFIED = "~"


def document(break_even: BreakEven) -> dict[str, Any]:
    """For ``--json``: the first API's answer, and under ``side_by_side`` every one's.

    Money is a decimal string, a share a number; docs/break-even.md lists the fields.
    """
    fleet = break_even.fleet
    return {
        **_crossing(break_even.crossings[0], break_even.asked),
        "side_by_side": [_crossing(one, break_even.asked) for one in break_even.crossings],
        "fleet_usd_per_month": exact(cents(fleet.price.monthly())),
        "fleet": _fleet(fleet),
        "capacity_requests_per_month": fleet.full_load,
        "capacity_requests_per_s_host": exact(fleet.capacity.requests_per_s),
        "capacity_source": fleet.capacity.known.value,
        "peak_factor": exact(fleet.peak_factor),
        "price_date": break_even.price_date,
        "assumptions": dict(break_even.assumptions),
        "warnings": list(break_even.warnings),
        "volumes": [
            _volume(break_even.crossings[0].at(requests)) for requests in break_even.volumes()
        ],
    }


def text(break_even: BreakEven) -> str:
    """The fleet, every API against it, both by volume, the curve, and what it all stands on."""
    sections = [
        _fleet_lines(break_even.fleet),
        _crossing_lines(break_even.crossings),
        _asked_lines(break_even),
        _volume_lines(break_even),
        curve(break_even),
        ["assumptions", *table([(f"  {k}", v) for k, v in break_even.assumptions.items()])],
        ["warnings", *(f"  - {line}" for line in break_even.warnings)]
        if break_even.warnings
        else [],
        _source_lines(break_even),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _crossing(one: Crossing, asked: int | None) -> dict[str, Any]:
    tokens = one.fleet.mix.tokens
    sized = one.sized_break_even
    return {
        "api": one.api.name,
        "usd_per_request_api": exact(one.usd_per_request),
        "break_even_requests_per_month": one.break_even,
        "break_even_tokens_per_month": None if one.break_even is None else one.break_even * tokens,
        "crossing_requests_per_month": one.crossing,
        "reachable": one.reachable,
        "never": one.never.value if one.never else None,
        "duty_at_break_even": None if one.duty is None else round(float(one.duty), 4),
        "hosts_at_break_even": one.hosts,
        "replicas_at_break_even": one.replicas,
        "sized_for_peaks": None
        if sized is None
        else {
            "break_even_requests_per_month": sized,
            "hosts": one.sized_hosts,
            "always_cheaper_from_requests_per_month": one.settled,
        },
        "at_volume": None if asked is None else _volume(one.at(asked)),
    }


def _fleet(fleet: Fleet) -> dict[str, Any]:
    price, host = fleet.price, fleet.price.host
    return {
        "name": price.name,
        "hosts": price.hosts,
        "usd_per_host_hour": None if host is None else exact(host.usd_per_hour),
        "usd_per_host_month": exact(cents(price.per_host)),
        "upfront_usd": None if host is None else exact(host.upfront * price.hosts),
        "extra_usd_per_month": exact(price.extra),
        "engineering_usd_per_month": exact(price.engineering),
    }


def _volume(volume: Volume) -> dict[str, Any]:
    return {
        "requests_per_month": volume.requests,
        "api_usd_per_month": exact(cents(volume.api_usd)),
        "fleet_usd_per_month": exact(cents(volume.fleet_usd)),
        "hosts": volume.hosts,
        "replicas": volume.replicas,
        "duty": round(float(volume.duty), 4),
        "fleet_is_cheaper": volume.fleet_is_cheaper,
    }


def _fleet_lines(fleet: Fleet) -> list[str]:
    price = fleet.price
    rows = [(f"  {_hosts(price.hosts)}", _usd(price.per_host * price.hosts), _hourly(fleet))]
    rows += [("  extra", _usd(price.extra), "")] if price.extra else []
    rows += [("  engineering", _usd(price.engineering), "")] if price.engineering else []
    return [
        f"{_hosts(price.hosts)}, {price.name}: {_usd(price.monthly())} $ a month, busy or idle",
        *table(rows, right=(1,)),
        f"  {'carries'} {fleet.full_load:,} requests a month of {fleet.mix} tokens when never idle "
        f"({fleet.capacity.requests_per_s:.2f} requests/s a host)",
        f"  {fleet.capacity.said}",
    ]


def _hourly(fleet: Fleet) -> str:
    price, host = fleet.price, fleet.price.host
    hours = fleet.seconds / 3600
    more = f" + {_percent(price.overhead)}" if price.overhead else ""
    if host is None:
        return f"as given{more}"
    mark = UNVERIFIED if host.from_memory else ""
    said = f"{mark}{exact(host.usd_per_hour)} $/h x {hours.normalize():f} h{more}"
    if host.low is not None and host.high is not None:
        return f"{said}; {exact(host.low)} to {exact(host.high)} over the zones"
    return f"{said}, {_usd(host.upfront * price.hosts)} $ of it at once" if host.upfront else said


def _crossing_lines(crossings: Sequence[Crossing]) -> list[str]:
    header = ("", "API", "$/request", "pays from", "duty", "with the hosts of the busiest hour")
    rows = [(letter, *_row(one)) for letter, one in lettered(crossings)]
    return table(rows, header=header, right=(2, 3, 4))


def _row(one: Crossing) -> tuple[str, ...]:
    pays = "never" if one.break_even is None else f"{one.break_even:,}"
    duty = "" if one.duty is None else _percent(one.duty)
    return (one.api.name, exact(one.usd_per_request), pays, duty, _sized(one))


def _sized(one: Crossing) -> str:
    hosts = one.fleet.price.hosts
    if one.sized_break_even is not None:
        said = f"{one.sized_break_even:,} on {_hosts(one.sized_hosts or 0)}"
        later = one.settled if one.settled and one.settled > one.sized_break_even else None
        return f"{said}, for good from {later:,}" if later else said
    if one.never is Never.API_CHEAPER:
        return "never: a request costs more than the API's even on hosts that are never idle"
    if one.never is Never.BEYOND_CAPACITY and one.crossing:
        return f"never: {one.crossing:,} is beyond what {_hosts(hosts)} can carry; more don't pay"
    return "never: a host that its busiest hour fills costs more than the API"


def _asked_lines(break_even: BreakEven) -> list[str]:
    if break_even.asked is None:
        return []
    lines = [f"at {break_even.asked:,} requests a month"]
    for one in break_even.crossings:
        month = one.at(break_even.asked)
        less = "the fleet" if month.fleet_is_cheaper else one.api.name
        lines.append(
            f"  {one.api.name} {_usd(month.api_usd)} $, the fleet {_usd(month.fleet_usd)} $ "
            f"({_hosts(month.hosts)}, {_percent(month.duty)} busy): {less} is cheaper by "
            f"{_usd(abs(month.api_usd - month.fleet_usd))} $"
        )
    return lines


def _volume_lines(break_even: BreakEven) -> list[str]:
    letters = [letter for letter, _ in lettered(break_even.crossings)]
    header = ("requests", "tokens", "hosts", "duty", "fleet $", *(f"{one} $" for one in letters))
    rows = []
    for requests in break_even.volumes():
        month = break_even.crossings[0].at(requests)
        fleet = (f"{month.hosts:,}", _percent(month.duty), _usd(month.fleet_usd))
        apis = [_usd(one.at(requests).api_usd) for one in break_even.crossings]
        volume = (f"{requests:,}", short(requests * break_even.fleet.mix.tokens))
        rows.append((*volume, *fleet, *apis, _cheapest(break_even, requests)))
    return table(rows, header=(*header, "least"), right=range(len(header)))


def _cheapest(break_even: BreakEven, requests: int) -> str:
    """The letter of the cheapest API, or the fleet."""
    months = [(one.at(requests), letter) for letter, one in lettered(break_even.crossings)]
    month, letter = min(months, key=lambda pair: pair[0].api_usd)
    return "fleet" if month.fleet_is_cheaper else letter


def _source_lines(break_even: BreakEven) -> list[str]:
    host = break_even.fleet.price.host
    origins = [one.api.origin for one in break_even.crossings]
    origins += [host.origin] if host else []
    said = dict.fromkeys(f"{origin.source} ({origin.as_of})" for origin in origins)
    return [f"prices of {break_even.price_date}: {'; '.join(said)}"]


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count:,} hosts"


def _usd(value: Decimal) -> str:
    return f"{cents(value):,}"


def _percent(value: Decimal) -> str:
    per_cent = value * 100
    return f"{per_cent:.0f} %" if per_cent >= 1 else f"{per_cent:.1f} %"
