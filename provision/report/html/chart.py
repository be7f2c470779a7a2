"""The break-even curve as geometry: what stands at which pixel, so that the template only writes.

Both axes are logarithmic: an API's price rises as a straight line, a fleet's as steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from provision.report.html.axis import LogAxis, short

Point = tuple[float, float]

_CHARACTER = 8.0  # width of a bold character of 12 pixels, on the generous side
_LINE = 15.0
_FIRST_FLAG = 16.0
_LONGEST = 24  # characters of a name


@dataclass(frozen=True, slots=True)
class Curve:
    """US dollars a month over requests a month. Tone 0 is the fleet's, APIs count from 1.

    A *dashed* one has no name in the drawing: the legend explains it.
    """

    name: str
    points: tuple[Point, ...]
    tone: int
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the API called *name* begins to cost more than the fleet."""

    name: str
    requests: float
    usd: float
    tone: int


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn. *limit* is what the fleet carries, *now* the traffic that was asked about."""

    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...]
    limit: float
    now: float | None


@dataclass(frozen=True, slots=True)
class Size:
    """Of a drawing, in pixels, with the room for what is written around it.

    Names stand at the ends of their curves: outside where there is room, else above the curve.
    """

    name: str
    width: float
    height: float
    left: float = 52
    right: float = 14
    top: float = 40
    bottom: float = 46
    named_outside: bool = False


WIDE = Size("wide", 760, 400, named_outside=True)
NARROW = Size("narrow", 358, 416, left=44, top=56)


@dataclass(frozen=True, slots=True)
class Label:
    """Text at a place; *anchor* as SVG has it (start, middle, end)."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    tone: int = 0


@dataclass(frozen=True, slots=True)
class Stroke:
    """A curve as the ``d`` of a path."""

    d: str
    tone: int
    dashed: bool


@dataclass(frozen=True, slots=True)
class Dot:
    """A crossing with the label beside it."""

    x: float
    y: float
    label: Label
    title: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything with its pixels. *beyond* is where the part that the fleet can't carry begins."""

    size: Size
    x_ticks: tuple[Label, ...]
    y_ticks: tuple[Label, ...]
    strokes: tuple[Stroke, ...]
    dots: tuple[Dot, ...]
    names: tuple[Label, ...]
    beyond: float | None
    limit_label: Label | None
    now: float | None
    now_label: Label | None


def draw(chart: Chart, size: Size) -> Drawing:
    """Lay *chart* out. Curves share the widest stretch of requests that any of them has."""
    size = _with_room(chart.curves, size)
    points = [point for curve in chart.curves for point in curve.points]
    x = LogAxis(*_ends(x for x, _ in points), size.left, size.width - size.right)
    y = LogAxis(*_ends(y for _, y in points), size.height - size.bottom, size.top)
    limit = x.at(chart.limit) if x.holds(chart.limit) else None
    now = x.at(chart.now) if chart.now and x.holds(chart.now) else None
    return Drawing(
        size=size,
        x_ticks=tuple(Label(x.at(v), y.start + 18, short(v), "middle") for v in x.ticks()),
        y_ticks=tuple(Label(x.start - 8, y.at(v) + 4, f"${short(v)}", "end") for v in y.ticks()),
        strokes=tuple(Stroke(_path(c.points, x, y), c.tone, c.dashed) for c in chart.curves),
        dots=_dots(chart.marks, x, y),
        names=_names(chart.curves, x, y, size),
        beyond=limit,
        limit_label=_flag(limit, f"carries {short(chart.limit)}", _FIRST_FLAG, x),
        now=now,
        now_label=_flag(now, f"assumed {short(chart.now or 0)}", _FIRST_FLAG + _LINE, x),
    )


def _with_room(curves: Sequence[Curve], size: Size) -> Size:
    """*size* with room for the longest name."""
    if not size.named_outside:
        return size
    longest = max(len(_shortened(curve.name)) for curve in curves if curve.tone)
    return replace(size, right=longest * _CHARACTER + 12)


def _shortened(name: str) -> str:
    """Long names lose their middle: provider and size stand at the ends."""
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[: half - 1]}…{name[-half:]}"


def _ends(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    return min(known), max(known)


def _path(points: Sequence[Point], x: LogAxis, y: LogAxis) -> str:
    """Straight lines through the points."""
    return " ".join(
        f"{'L' if index else 'M'}{x.at(px):g} {y.at(py):g}" for index, (px, py) in enumerate(points)
    )


def _dots(marks: Sequence[Mark], x: LogAxis, y: LogAxis) -> tuple[Dot, ...]:
    """Marks from left to right, each with its label below to the right, where no curve is; a label
    that would cover one before it goes lower."""
    taken: list[tuple[float, float]] = []
    found = []
    for mark in sorted(marks, key=lambda one: one.requests):
        at, level, text = x.at(mark.requests), y.at(mark.usd), short(mark.requests)
        left, height = at + 7, level + 17
        while any(end > left - 3 and abs(height - line) < _LINE for end, line in taken):
            height += _LINE
        taken.append((left + len(text) * _CHARACTER, height))
        label = Label(left, height, text, "start", mark.tone)
        found.append(Dot(at, level, label, f"{mark.name}: {mark.requests:,.0f} requests"))
    return tuple(found)


def _names(curves: Sequence[Curve], x: LogAxis, y: LogAxis, size: Size) -> tuple[Label, ...]:
    """The fleet's first, at its beginning; others at their ends, moved apart if they overlap."""
    beside, above = (8.0, 4.0), (-2.0, -9.0)
    right, down = beside if size.named_outside else above
    anchor = "start" if size.named_outside else "end"
    hosted = sorted((y.at(c.points[-1][1]), c.name, c.tone) for c in curves if c.tone)
    found = [
        Label(x.start + 6, y.at(curve.points[0][1]) - 9, curve.name)
        for curve in curves
        if not curve.tone and not curve.dashed
    ]
    level = y.end - _LINE
    for height, name, tone in hosted:
        level = max(height, level + _LINE)
        found.append(Label(x.end + right, level + down, _shortened(name), anchor, tone))
    return tuple(found)


def _flag(at: float | None, text: str, height: float, x: LogAxis) -> Label | None:
    """A label for a vertical line, on the side where there is room."""
    if at is None:
        return None
    room = x.end - at > len(text) * _CHARACTER
    return Label(at + 5 if room else at - 5, height, text, "start" if room else "end")
