"""Progress while a Plan runs: one line an event, hosts in a column of their own."""

from __future__ import annotations

from provision.executor.outcome import Event, Kind
from provision.report.table import seconds

_MARKS = {Kind.BEGAN: "..", Kind.PROGRESS: "  ", Kind.DONE: "ok", Kind.FAILED: "!!"}
_NAME_WIDTH = 19  # an instance id


def line(event: Event) -> str:
    """What to print for *event*."""
    if event.kind is Kind.WAVE:
        return f"== {event.text}"
    if event.kind is Kind.NOTE:
        return f"-- {event.text}"
    name = (event.host or "environment").ljust(_NAME_WIDTH)
    took = f"  {seconds(event.seconds)}" if event.seconds is not None else ""
    return f"{_MARKS[event.kind]} {name}  {event.text}{took}"
