"""The hosted APIs beside the fleet: a row of the table each, and the curve of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from provision.catalog.prices.price import Status
from provision.planning.cost.break_even import BreakEven, Crossing, Never
from provision.report.html.chart import Chart, Curve, Mark, Point
from provision.report.html.words import MARK, count, share, usd

TONES = 6  # colours of the style sheet beside the fleet's own
_DEPTH = 20  # how far below the fleet's price the drawing goes
_BEYOND = 3  # times what the fleet carries
_FINE = 24  # from so many hosts on, steps of one are too fine to be seen


@dataclass(frozen=True, slots=True)
class Rival:
    """A hosted model against the fleet.

    Attributes:
        caveat: what the figures do not say: why it never pays, or not as the fleet stands.
        pays_from: the same as a figure, "never" where there is none.
        duty: the crossing's share of what the fleet carries, "" where there is none.
        sized: the crossing when there are as many hosts as the busiest hour needs, "never" where
            there is none, and how many those are.
        api_usd: a month of the API at the assumed traffic; *fleet_usd* is the fleet's.
        unverified: the mark of a price from memory, "" otherwise.
    """

    name: str
    tone: int
    per_request: Decimal
    pays_from: str
    duty: str
    sized: str
    sized_hosts: int | None
    caveat: str
    api_usd: Decimal
    fleet_usd: Decimal
    unverified: str


def rivals(break_even: BreakEven, requests: int) -> tuple[Rival, ...]:
    """A row an API, as asked, with a month of *requests* served both ways."""
    return tuple(_rival(tone, one, requests) for tone, one in _toned(break_even.crossings))


def _rival(tone: int, crossing: Crossing, requests: int) -> Rival:
    month = crossing.at(requests)
    return Rival(
        name=crossing.api.name,
        tone=tone,
        per_request=crossing.usd_per_request,
        pays_from="never" if crossing.break_even is None else f"{crossing.break_even:,}",
        duty="" if crossing.duty is None else share(crossing.duty, 1),
        sized="never" if crossing.sized_break_even is None else f"{crossing.sized_break_even:,}",
        sized_hosts=crossing.sized_hosts,
        caveat=verdict(crossing) if crossing.break_even is None else "",
        api_usd=month.api_usd,
        fleet_usd=month.fleet_usd,
        unverified=MARK if crossing.api.origin.status is Status.MEMORY else "",
    )


def verdict(crossing: Crossing) -> str:
    """When the fleet costs less than the API, in words, without a full stop."""
    if crossing.break_even is not None:
        carried = share(crossing.duty or 0, 1)
        said = f"from {count(crossing.break_even)}, {carried} of what it carries"
        ready = crossing.sized_break_even == crossing.break_even
        return said if ready else f"{said}; {_peak(crossing)}"
    if crossing.sized_break_even is not None:
        return (
            f"not as it stands; from {count(crossing.sized_break_even)} with"
            f" {crossing.sized_hosts} hosts instead of {crossing.fleet.price.hosts}"
        )
    if crossing.never is Never.API_CHEAPER:
        return "never, even full hosts cost more a request"
    return "never, the crossing lies beyond what it carries"


def _peak(crossing: Crossing) -> str:
    """The same when there are as many hosts as the busiest hour needs."""
    if crossing.sized_break_even is None:
        return "not with the hosts that its busiest hour needs"
    later = count(crossing.sized_break_even)
    return f"with the {crossing.sized_hosts} hosts of its busiest hour from {later}"


def chart(break_even: BreakEven) -> Chart:
    """Both ways to serve over the traffic that :meth:`BreakEven.volumes` finds worth showing, and
    some beyond what the fleet carries."""
    volumes, first, fleet = break_even.volumes(), break_even.crossings[0], break_even.fleet
    low, high = volumes[0], max(volumes[-1], fleet.full_load * _BEYOND)
    least = float(fleet.price.monthly()) / _DEPTH
    hosted = (
        Curve(one.api.name, _straight(float(one.usd_per_request), low, high, least), tone)
        for tone, one in _toned(break_even.crossings)
    )
    return Chart(
        curves=(
            Curve("this fleet", _standing(first, low), 0),
            Curve("with the hosts it then needs", _growing(first, low, high), 0, dashed=True),
            *hosted,
        ),
        marks=tuple(_marks(break_even.crossings)),
        limit=float(fleet.full_load),
        now=None if break_even.asked is None else float(break_even.asked),
    )


def spoken(break_even: BreakEven) -> str:
    """The curve for someone who does not see it."""
    fleet = break_even.fleet
    carried = (
        f"The fleet costs {usd(fleet.price.monthly())} a month at any traffic and carries"
        f" {count(fleet.full_load)} requests."
    )
    return " ".join([carried, *(f"{c.api.name}: {verdict(c)}." for c in break_even.crossings)])


def _toned(crossings: Sequence[Crossing]) -> list[tuple[int, Crossing]]:
    return [(1 + place % TONES, one) for place, one in enumerate(crossings)]


def _marks(crossings: Sequence[Crossing]) -> list[Mark]:
    """A dot where an API meets the fleet as it stands, else where it meets the one that grows."""
    found = []
    for tone, one in _toned(crossings):
        at = one.break_even or one.sized_break_even
        if at is not None:
            usd_there = float(one.usd_per_request * at)
            found.append(Mark(one.api.name, float(at), usd_there, tone))
    return found


def _straight(usd_each: float, low: int, high: int, least: float) -> tuple[Point, ...]:
    """An API's price, from where it comes into sight at *least* dollars a month."""
    start = max(float(low), least / usd_each)
    return ((start, start * usd_each), (float(high), high * usd_each))


def _standing(crossing: Crossing, low: int) -> tuple[Point, ...]:
    """The fleet as it is, to the last request that it carries."""
    fleet = crossing.fleet
    behind = crossing.usd_per_fallback * fleet.fallback_share
    ends = (low, fleet.full_load)
    return tuple((float(at), float(fleet.price.monthly() + behind * at)) for at in ends)


def _growing(crossing: Crossing, low: int, high: int) -> tuple[Point, ...]:
    """A host more whenever the busiest hour needs it."""
    fleet = crossing.fleet
    points: list[Point] = []
    each, most = fleet.price.hosts, fleet.hosts_for(high)
    while each < most:
        full = max(low, int(fleet.per_host * each))
        before, after = crossing.at(full), crossing.at(full + 1)
        points += [(float(full), float(before.fleet_usd)), (float(full), float(after.fleet_usd))]
        each += max(1, each // _FINE)
    return (*points, (float(high), float(crossing.at(high).fleet_usd)))
