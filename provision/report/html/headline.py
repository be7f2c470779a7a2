"""The three things that a reader wants first: what it costs, when it pays, what it carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from provision.planning.cost.break_even import BreakEven, Crossing, Fleet
from provision.planning.cost.preview import Preview
from provision.report.html.bill import cheapest_commitment
from provision.report.html.rivals import verdict
from provision.report.html.words import MARK, UNKNOWN, count, exact_usd, pricing, share, whole_usd


@dataclass(frozen=True, slots=True)
class Fact:
    """A title, a figure with its unit, and what to know about it."""

    title: str
    value: str
    unit: str
    sentences: tuple[str, ...]


def cost(preview: Preview) -> Fact:
    """As the environment buys, one request of it, and the cheapest commitment that is known."""
    bill, stated = preview.bill, preview.stated
    said = []
    if stated.usd_per_request is not None:
        one = exact_usd(stated.usd_per_request)
        said.append(f"{one} a request at the assumed {count(stated.requests)}.")
    best = cheapest_commitment(bill.options)
    if best and best.amortised is not None:
        cash = f", {whole_usd(best.upfront)} of it paid in advance" if best.upfront else ""
        price = f"{'' if best.verified else MARK}{whole_usd(best.amortised)}"
        how = _lower(pricing(best.name))
        said.append(f"{price} with the cheapest known commitment ({how}){cash}.")
    else:
        said.append("No price of a commitment is known for it.")
    least = "over " if bill.unpriced else ""
    return Fact("What it costs", f"{least}{whole_usd(bill.total)}", "a month", tuple(said))


def pays(break_even: BreakEven | None) -> Fact:
    """Where the fleet crosses the API that it crosses first, and how the others stand."""
    title = "When it pays"
    if break_even is None:
        return Fact(title, UNKNOWN, "", ("Nobody knows what the fleet carries.",))
    now = _now(break_even)
    reached = [one for one in break_even.crossings if one.break_even is not None]
    if not reached:
        return Fact(title, "never", "as it stands", (*now, *_verdicts(break_even.crossings)))
    first = min(reached, key=lambda one: one.break_even or 0)
    ordered = [first, *(one for one in break_even.crossings if one is not first)]
    said = (*now, *_verdicts(ordered))
    return Fact(title, f"from {count(first.break_even)}", "requests a month", said)


def carries(break_even: BreakEven | None, said_why: str) -> Fact:
    """What the hosts answer in a month, and how busy the assumed traffic keeps them; *said_why*
    tells why nobody knows when there is no break-even."""
    title = "What it carries"
    if break_even is None:
        return Fact(title, UNKNOWN, "", (f"{_upper(said_why)}.",))
    fleet, asked = break_even.fleet, break_even.asked
    said = [f"{_upper(fleet.capacity.said)}."]
    if asked is not None:
        said.insert(0, _busy(fleet, asked))
    return Fact(title, count(fleet.full_load), "requests a month, never idle", tuple(said))


def _now(break_even: BreakEven) -> tuple[str, ...]:
    """The assumed traffic both ways, against the API that was named first."""
    asked, first = break_even.asked, break_even.crossings[0]
    if asked is None:
        return ()
    month = first.at(asked)
    api, fleet = whole_usd(month.api_usd), whole_usd(month.fleet_usd)
    return (
        f"At the assumed {count(asked)} {first.api.name} costs {api} a month, this fleet {fleet}.",
    )


def _busy(fleet: Fleet, asked: int) -> str:
    """Whether the hosts are enough for the traffic's busiest hour."""
    needed, hosts = fleet.hosts_for(asked), fleet.price.hosts
    busy = f"The assumed {count(asked)} keep it {share(asked, fleet.full_load)} busy on average"
    if needed > hosts:
        return f"{busy}: its busiest hour needs {needed} hosts, there are {hosts}."
    return f"{busy}, and its busiest hour fits."


def _verdicts(crossings: Sequence[Crossing]) -> tuple[str, ...]:
    return tuple(f"{one.api.name}: {verdict(one)}." for one in crossings)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
