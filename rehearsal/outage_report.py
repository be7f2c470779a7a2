"""An outage as a table and as JSON."""

from __future__ import annotations

from typing import Any

from rehearsal.outage import Outage
from rehearsal.steady_client import CUT, LOST, Tally

_TIERS = ("primary", "hosted", "stale")


def document(outage: Outage) -> dict[str, Any]:
    """The fields that scripts depend on."""
    return {
        "spill_s": outage.spill_s,
        "trip_s": outage.trip_s,
        "return_s": outage.return_s,
        "lost": outage.lost,
        "cut": outage.cut,
        "moves": [{"seconds": one.seconds, "share": one.share} for one in outage.moves],
        "phases": [{"name": name, **_counts(counted)} for name, counted in outage.phases],
        "unanswered": list(outage.unanswered),
    }


def lines(outage: Outage) -> list[str]:
    """Who answered in which phase, and the times of the three layers."""
    width = max((len(name) for name, _ in outage.phases), default=0)
    heads = "".join(f"{head:>9}" for head in ("asked", *_TIERS, LOST, CUT, "worst"))
    rows = [f"  {name:<{width}}{_row(counted)}" for name, counted in outage.phases]
    moves = ", ".join(f"{one.share} % at {one.seconds:.0f} s" for one in outage.moves)
    return [
        f"  {'the outage':<{width}}{heads}",
        *rows,
        "",
        f"one engine gone: a request was passed on after {_s(outage.spill_s)}",
        f"all engines gone: the switch had moved all traffic after {_s(outage.trip_s)}",
        f"engines started again: the fleet had all traffic after {_s(outage.return_s)}",
        f"the fleet's share: {moves or 'it never changed'}",
        *(f"  {one}" for one in outage.unanswered),
    ]


def _row(counted: Tally) -> str:
    numbers = [counted.asked, *(counted.by.get(name, 0) for name in (*_TIERS, LOST, CUT))]
    return "".join(f"{number:>9}" for number in numbers) + f"{counted.worst_s:>7.1f} s"


def _counts(counted: Tally) -> dict[str, Any]:
    return {"asked": counted.asked, "by": dict(counted.by), "worst_s": counted.worst_s}


def _s(seconds: float | None) -> str:
    return "an unknown time" if seconds is None else f"{seconds:.1f} s"
