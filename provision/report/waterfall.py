"""Where the time of a start went: one bar per phase, of the host that took longest."""

from __future__ import annotations

from collections.abc import Mapping

from provision.report.table import seconds, table

_WIDTH = 40


def text(waterfalls: Mapping[str, Mapping[str, float]]) -> str:
    """The slowest host's phases one after the other, and the spread when there are several hosts.

    "" when nothing was started.
    """
    started = {name: phases for name, phases in waterfalls.items() if name and phases}
    if not started:
        return ""
    totals = {name: sum(phases.values()) for name, phases in started.items()}
    slowest = max(totals, key=lambda name: (totals[name], name))
    bars = table(_rows(started[slowest], totals[slowest]), right=(1,))
    lines = [f"start of {slowest}, {seconds(totals[slowest])}", *(f"  {bar}" for bar in bars)]
    if len(started) > 1:
        fastest = min(totals.values())
        lines.append(f"  the slowest of {len(started)} hosts; the fastest took {seconds(fastest)}")
    return "\n".join(lines)


def _rows(phases: Mapping[str, float], total: float) -> list[tuple[str, str, str]]:
    rows = []
    begun = 0.0
    for name, took in phases.items():
        rows.append((name, seconds(took), _bar(begun, took, total)))
        begun += took
    return rows


def _bar(begun: float, took: float, total: float) -> str:
    scale = _WIDTH / total if total else 0.0
    left = min(round(begun * scale), _WIDTH - 1)
    return " " * left + "█" * max(1, round((begun + took) * scale) - left)
