"""The break-even curve as geometry."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.planning.cost.break_even import cross
from provision.report.html.axis import LogAxis
from provision.report.html.chart import NARROW, WIDE, Drawing, Label, Size, draw
from provision.report.html.rivals import chart, rivals, spoken, verdict
from tests.report.cost_samples import APIS, BREAK_EVEN, FLEET

AXIS = LogAxis(100, 10_000, 50, 250)
LETTER = 6.0  # pixels, of a 12-pixel letter at the least


def test_a_decade_is_as_wide_as_the_next() -> None:
    """Logarithmic, and held within its ends."""
    assert [AXIS.at(v) for v in (100, 1000, 10_000, 1, 1e9)] == [50, 150, 250, 50, 250]
    assert AXIS.ticks() == [100, 200, 500, 1000, 2000, 5000, 10_000]
    assert LogAxis(1, 1e6, 0, 1).ticks() == [10.0**n for n in range(7)]


@given(st.floats(1, 1e9), st.floats(1.1, 1e6))
def test_ticks_stand_on_the_axis(low: float, times: float) -> None:
    """Between the ends, rising, however short or long it is."""
    axis = LogAxis(low, low * times, 0, 100)
    ticks = axis.ticks()
    assert ticks == sorted(set(ticks))
    assert all(axis.low <= tick * (1 + 1e-6) and tick <= axis.high * (1 + 1e-6) for tick in ticks)


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_everything_is_inside_the_drawing(size: Size) -> None:
    """No point, label or line reaches over the edge: nothing is cut off."""
    drawn = draw(chart(BREAK_EVEN), size)
    for stroke in drawn.strokes:
        for pair in stroke.d.replace("M", " ").replace("L", " ").split("  "):
            x, y = (float(part) for part in pair.split())
            assert drawn.size.left <= x <= size.width - drawn.size.right
            assert drawn.size.top <= y <= size.height - drawn.size.bottom
    for label in labels(drawn):
        left, right = extent(label)
        assert left >= 0, label
        assert right <= size.width, label
        assert 0 < label.y < size.height, label


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_labels_do_not_cover_each_other(size: Size) -> None:
    """Nine crossings close together are all readable."""
    crossings = [
        cross(FLEET, replace(APIS[0], name=f"api-{n}", input_usd=Decimal(2 + n) / 2))
        for n in range(9)
    ]
    drawn = draw(chart(replace(BREAK_EVEN, crossings=tuple(crossings))), size)
    ticks = (*drawn.x_ticks, *drawn.y_ticks)
    placed = [label for label in labels(drawn) if label not in ticks]
    assert len(placed) == 21
    covered = [(a.text, b.text) for a in placed for b in placed if a is not b and covers(a, b)]
    assert covered == []


def test_an_api_crosses_the_fleet_where_the_dot_is() -> None:
    """At the break-even a request of the API times their number is the price of the fleet."""
    drawn = {mark.name: mark for mark in chart(BREAK_EVEN).marks}
    assert sorted(drawn) == ["claude-haiku-4-5", "gpt-4o", "gpt-4o-mini"]
    assert drawn["gpt-4o"].requests == 561_659
    for mark in drawn.values():
        assert mark.usd == pytest.approx(float(FLEET.price.monthly()), rel=1e-4)


def test_the_fleet_stops_at_what_it_carries() -> None:
    """Drawn to the last request that it carries; dashed, it grows by hosts."""
    standing, growing, *hosted = chart(BREAK_EVEN).curves
    assert standing.points[-1] == (float(FLEET.full_load), float(FLEET.price.monthly()))
    assert (growing.dashed, [curve.tone for curve in hosted]) == (True, [1, 2, 3, 4, 5])
    steps = [usd for _, usd in growing.points]
    assert steps == sorted(steps)
    assert growing.points[0] == (7_752_600.0, float(FLEET.price.monthly()))


def test_a_fallback_is_paid_beside_the_fleet() -> None:
    """With a share of the requests answered elsewhere the fleet's line rises, and dots stay on."""
    fleet = replace(FLEET, fallback_share=Decimal("0.1"))
    found = replace(BREAK_EVEN, fleet=fleet, crossings=(cross(fleet, APIS[0]),))
    drawn = chart(found)
    (low, first), (full, last) = drawn.curves[0].points
    slope = (last - first) / (full - low)
    assert slope == pytest.approx(0.000275)
    mark = drawn.marks[0]
    assert mark.usd == pytest.approx(first + (mark.requests - low) * slope, rel=1e-4)


def test_verdicts() -> None:
    """Pays, never pays, pays only when it grows: in words and for who can't see the curve."""
    small = replace(FLEET, price=replace(FLEET.price, extra=Decimal(4000), hosts=1))
    mini = cross(small, APIS[2])
    assert [verdict(one) for one in BREAK_EVEN.crossings] == [
        "from 562k, 4\u00a0% of what it carries",
        "from 1.29M, 8\u00a0% of what it carries",
        "from 9.36M, 60\u00a0% of what it carries; not with the hosts that its busiest hour needs",
        "never, even full hosts cost more a request",
        "never, even full hosts cost more a request",
    ]
    price = replace(FLEET.price, host_monthly=Decimal("462.82"), extra=Decimal(200), hosts=1)
    assert verdict(cross(replace(FLEET, price=price), APIS[2])) == (
        "from 4.02M, 52\u00a0% of what it carries; with the 2 hosts of its busiest hour from 6.82M"
    )
    assert verdict(mini) == "never, the crossing lies beyond what it carries"
    grown = cross(replace(small, peak_factor=Decimal(1)), APIS[2])
    assert verdict(grown) == "not as it stands; from 59.8M with 8 hosts instead of 1"
    assert spoken(BREAK_EVEN).startswith(
        "The fleet costs $1,544.56 a month at any traffic and carries 15.5M requests. gpt-4o: from"
    )


def test_a_row_of_the_table() -> None:
    """A month at the asked traffic both ways; what is unverified carries its mark."""
    first, fourth = (rivals(BREAK_EVEN, 1_000_000)[n] for n in (0, 3))
    assert (first.api_usd, first.fleet_usd) == (Decimal(2750), Decimal("1544.56"))
    assert (first.pays_from, first.duty, first.caveat) == ("561,659", "4\u00a0%", "")
    assert (first.sized, first.sized_hosts) == ("561,659", 2)
    assert (fourth.pays_from, fourth.duty, fourth.unverified) == ("never", "", "~")
    assert (fourth.sized, fourth.sized_hosts) == ("never", None)


def labels(drawn: Drawing) -> list[Label]:
    flags = [label for label in (drawn.limit_label, drawn.now_label) if label]
    dots = [dot.label for dot in drawn.dots]
    return [*drawn.x_ticks, *drawn.y_ticks, *drawn.names, *dots, *flags]


def extent(label: Label) -> tuple[float, float]:
    width = len(label.text) * LETTER
    left = {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
    return label.x - left, label.x - left + width


def covers(one: Label, other: Label) -> bool:
    (a, b), (c, d) = extent(one), extent(other)
    return a < d and c < b and abs(one.y - other.y) < 12
