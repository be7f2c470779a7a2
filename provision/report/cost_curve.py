"""The break-even curve for a terminal: an API's price rises as a line, a fleet's as steps.

Both axes are logarithmic. Positions are characters and therefore floats; no money is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from provision.planning.cost.break_even import BreakEven, Crossing
from provision.report.html.axis import LogAxis, short

WIDTH, HEIGHT = 64, 16
FLEET, CROSSED, FULL = "━", "╳", "▲"
_RISE = "┃"
_DEPTH = 40  # how far below the fleet's price the drawing goes

Cells = dict[tuple[int, int], str]  # (column, row from below) -> what is drawn there


def curve(break_even: BreakEven) -> list[str]:
    """The drawing with its axes and what each sign means."""
    plot = _Plot.of(break_even)
    cells: Cells = {}
    for letter, crossing in lettered(break_even.crossings):
        cells |= dict(plot.line(crossing, letter))
    cells |= dict(plot.steps())
    cells |= dict(plot.crossings())
    return ["$ a month", *plot.rows(cells), *plot.foot(), "", *legend(break_even.crossings)]


def lettered(crossings: Sequence[Crossing]) -> list[tuple[str, Crossing]]:
    """Each API with the letter that stands for it in drawing and tables."""
    return list(zip(ascii_lowercase, crossings, strict=False))


def legend(crossings: Sequence[Crossing]) -> list[str]:
    """What the signs of the drawing mean."""
    hosts = crossings[0].fleet.price.hosts
    stated = "1 host" if hosts == 1 else f"{hosts} hosts"
    return [
        f"{FLEET} the fleet with the hosts its busiest hour needs; "
        f"{CROSSED} from here on it is cheaper; {FULL} {stated} at 100 % duty",
        "; ".join(f"{letter} {one.api.name}" for letter, one in lettered(crossings)),
    ]


@dataclass(frozen=True, slots=True)
class _Plot:
    break_even: BreakEven
    x: LogAxis
    y: LogAxis

    @classmethod
    def of(cls, break_even: BreakEven) -> _Plot:
        volumes = break_even.volumes()
        most = max(float(c.at(volumes[-1]).api_usd) for c in break_even.crossings)
        base = float(break_even.fleet.price.monthly())
        top = float(break_even.fleet.monthly(volumes[-1]))
        low, high = base / _DEPTH, max(min(most, top * _DEPTH), top, base * 2)
        return cls(
            break_even,
            LogAxis(volumes[0], volumes[-1], 0, WIDTH - 1),
            LogAxis(low, high, 0, HEIGHT - 1),
        )

    def line(self, crossing: Crossing, letter: str) -> Iterator[tuple[tuple[int, int], str]]:
        """An API's cost, where it stands between the ends."""
        for column in range(WIDTH):
            usd = float(crossing.usd_per_request) * self.requests(column)
            if self.y.holds(usd):
                yield (column, self.row(usd)), letter

    def steps(self) -> Iterator[tuple[tuple[int, int], str]]:
        """The fleet's cost; a step that is higher than a line is drawn through."""
        before: int | None = None
        first = self.break_even.crossings[0]
        for column in range(WIDTH):
            row = self.row(float(first.at(round(self.requests(column))).fleet_usd))
            for between in range((row if before is None else before) + 1, row):
                yield (column, between), _RISE
            yield (column, row), FLEET
            before = row

    def crossings(self) -> Iterator[tuple[tuple[int, int], str]]:
        for one in self.break_even.crossings:
            if one.sized_break_even is not None:
                usd = float(one.at(one.sized_break_even).fleet_usd)
                yield (self.column(one.sized_break_even), self.row(usd)), CROSSED

    def rows(self, cells: Cells) -> Iterator[str]:
        """The drawing, from above, with the dollars beside it."""
        ticks = {self.row(value): value for value in self.y.ticks()}
        for row in reversed(range(HEIGHT)):
            label = f"{short(ticks[row])}" if row in ticks else ""
            drawn = "".join(cells.get((column, row), " ") for column in range(WIDTH))
            yield f"{label:>6} {'┤' if label else '│'}{drawn}".rstrip()

    def foot(self) -> Iterator[str]:
        """The lower axis: volumes, and what the fleet as stated carries at full load."""
        ticks = {self.column(value): short(value) for value in self.x.ticks()}
        full = self.break_even.fleet.full_load
        line = ["┴" if column in ticks else "─" for column in range(WIDTH)]
        if self.x.holds(full):
            line[self.column(full)] = FULL
        yield f"{'':>6} └{''.join(line)}"
        words = [" "] * (WIDTH + 8)
        for column, label in ticks.items():
            words[column : column + len(label)] = label
        yield f"{'':>8}{''.join(words)}".rstrip() + "  requests a month"

    def requests(self, column: int) -> float:
        """The volume of a column: the inverse of :meth:`column`."""
        return float(self.x.low * (self.x.high / self.x.low) ** (column / (WIDTH - 1)))

    def column(self, requests: float) -> int:
        return round(self.x.at(requests))

    def row(self, usd: float) -> int:
        return round(self.y.at(usd))
