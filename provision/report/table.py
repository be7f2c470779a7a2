"""Plain aligned tables."""

from __future__ import annotations

from collections.abc import Sequence

_GAP = "  "


def table(
    rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), right: Sequence[int] = ()
) -> list[str]:
    """Lines with aligned columns; those numbered in *right* align to the right.

    The last column is never padded, so that no line ends in blanks.
    """
    lines = [list(header), *map(list, rows)] if header else [list(row) for row in rows]
    if not lines:
        return []
    widths = [max(len(row[column]) for row in lines) for column in range(len(lines[0]))]
    return [_line(row, widths, right) for row in lines]


def number(value: float | int | None, digits: int = 0) -> str:
    """A number with thousands separated, "unknown" for None."""
    return "unknown" if value is None else f"{value:,.{digits}f}"


def seconds(value: float | None) -> str:
    """Seconds for people: ``3.2 s``, ``2 min 5 s``, ``1 h 2 min``."""
    if value is None:
        return "unknown"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def names(hosts: Sequence[str], *, limit: int = 3) -> str:
    """Some host names, and how many more there are."""
    if len(hosts) > limit:
        return f"{hosts[0]} and {len(hosts) - 1} more"
    return ", ".join(hosts)


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return _GAP.join(cells).rstrip()
