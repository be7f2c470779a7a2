"""The whole report: a bill with everything around it, as one HTML document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from markupsafe import Markup

from provision.planning.cost.bill import Bill
from provision.planning.cost.break_even import BreakEven
from provision.planning.cost.compare import Comparison
from provision.planning.cost.money import HOURS_PER_MONTH
from provision.planning.cost.preview import Preview
from provision.report.html import bill as bills
from provision.report.html import chart, comparison, headline, rivals, sources
from provision.report.html.template import render
from provision.report.html.words import share

_LACKING = ": it costs more than is shown here, and pays later"
_AGE = re.compile(r"^.*prices are of .*(?=\b[\d,]+ days old)")


@dataclass(frozen=True)
class Report:
    """What the page is made of.

    Attributes:
        break_even: None when nobody knows what the fleet carries.
        comparison: None when nothing could be compared.
        subject: says in words what runs where; *here* is its instance type.
        command: what was typed; *made_on* is the day.
    """

    preview: Preview
    break_even: BreakEven | None
    comparison: Comparison | None
    subject: str
    here: str
    command: str
    made_on: date

    @property
    def bill(self) -> Bill:
        """The environment's."""
        return self.preview.bill


def page(report: Report) -> str:
    """The document. It needs no network and no script, and shows every price with its date."""
    return render(
        "report.html",
        subject=report.subject,
        command=report.command,
        made_on=report.made_on.isoformat(),
        facts=(
            headline.cost(report.preview),
            headline.pays(report.break_even),
            headline.carries(report.break_even, report.preview.carried.said),
        ),
        cautions=_cautions(report),
        per_request=[one for one in (report.preview.stated, report.preview.full_load) if one],
        sources=_sources(report),
        **_bill(report.bill),
        **_break_even(report.break_even),
        **_comparison(report.comparison, report.here),
    )


def _cautions(report: Report) -> list[str]:
    """What a reader must know before quoting a figure. The parts of a report say of the same
    prices that they are old, each in its own words: once is enough."""
    unpriced = len(report.bill.unpriced)
    said = [
        *([f"No price is known for {unpriced} of the bill's items{_LACKING}"] if unpriced else []),
        *report.preview.warnings,
        *(report.break_even.warnings if report.break_even else ()),
        *(report.comparison.warnings if report.comparison else ()),
    ]
    found: dict[str, str] = {}
    for one in said:
        found.setdefault(_AGE.sub("", one), one)
    return list(found.values())


def _sources(report: Report) -> tuple[sources.Source, ...]:
    return sources.sources(
        [
            *sources.of_bill(report.bill),
            *sources.of_break_even(report.break_even),
            *sources.of_comparison(report.comparison, report.here),
        ]
    )


def _bill(bill: Bill) -> Mapping[str, Any]:
    branches = bills.tree(bill.lines)
    return {
        "bill": bill,
        "month_hours": HOURS_PER_MONTH,
        "branches": branches,
        "parts": bills.parts(branches),
        "unverified": bills.unverified(bill),
        "free": bills.free_kinds(bill),
        "ways": bills.ways(bill.options),
        "unknown_ways": bills.unknown_ways(bill.options),
    }


def _break_even(found: BreakEven | None) -> Mapping[str, Any]:
    if found is None:
        return {"rivals": ()}
    stated = found.asked or found.fleet.full_load
    return {
        "rivals": rivals.rivals(found, stated),
        "drawing": _curve(found),
        "fleet_name": found.fleet.price.name,
        "mix": found.fleet.mix,
        "peak": found.fleet.peak_factor,
        "stated": stated,
        "basis": found.assumptions,
    }


def _curve(found: BreakEven) -> Markup:
    """Drawn twice, for a wide screen and for a phone: letters keep their size on both."""
    drawn = rivals.chart(found)
    said = render(
        "curve.svg",
        drawings=[chart.draw(drawn, size) for size in (chart.WIDE, chart.NARROW)],
        title="US dollars a month over requests a month",
        description=rivals.spoken(found),
    )
    return Markup(said)  # noqa: S704  # escaped where it was rendered


def _comparison(found: Comparison | None, here: str) -> Mapping[str, Any]:
    if found is None:
        return {"compared": ()}
    return {
        "compared": comparison.rows(found, here),
        "not_compared": comparison.left_out(found, here),
        "peak_factor": found.question.peak_factor,
        "duty": share(1 / found.question.peak_factor, 1),
        "compared_requests": found.question.requests,
    }
