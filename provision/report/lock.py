"""What ``fab lock.status`` says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from provision.planning.journal import Run, seconds_between, stamp
from provision.planning.lock import Lock, Seen, State
from provision.report.history import ending
from provision.report.table import seconds

_SHOWN = 5


def text(seen: Seen, *, environment: str) -> str:
    """Who holds it, for what, since when, how far; or what the last run was."""
    if seen.lock is None:
        return f"free: nobody has worked on {environment} yet"
    return "\n".join(_lines(seen, seen.lock, environment))


def document(seen: Seen) -> dict[str, Any]:
    """The same for programs; what is about a run is null when there was none."""
    run = seen.lock.run if seen.lock else None
    return {
        "state": str(seen.state),
        "epoch": run.epoch if run else 0,
        "owner": run.who.name if run else None,
        "identity": run.who.identity if run else None,
        "task": run.what.task if run else None,
        "purpose": run.what.purpose if run else None,
        "since": run.begun if run else None,
        "age_s": _age(seen, run) if run else None,
        "idle_s": round(seen.idle_s, 1) if run else None,
        "frees_in_s": round(seen.frees_in_s, 1),
        "ending": run.ending if run else None,
        "unfinished": [asdict(entry) for entry in run.unfinished] if run else [],
    }


def _lines(seen: Seen, lock: Lock, environment: str) -> Iterator[str]:
    run = lock.run
    if not run.open:
        yield "free"
        yield f"  last      {run.what.purpose}"
        yield f"  by        {run.who}, epoch {run.epoch}, {run.begun}"
        yield f"  ended     {ending(run)}"
        return
    idle = seconds(seen.idle_s)
    if seen.state is State.HELD:
        yield f"held by {run.who}, epoch {run.epoch}"
    else:
        yield f"free: {run.who} died, epoch {run.epoch}"
    yield f"  for       {run.what.purpose}"
    yield f"  since     {run.begun} ({seconds(_age(seen, run))})"
    if seen.state is State.HELD:
        frees = seconds(seen.frees_in_s)
        yield f"  heard of  {idle} ago; if it is dead, the lock frees itself in {frees}"
    else:
        yield f"  heard of  {idle} ago: whoever changes something next closes its run"
    yield from _unfinished(run, "now" if seen.state is State.HELD else "half done")
    if seen.state is State.HELD:
        yield f"  to end it fab lock.break --env {environment}"


def _unfinished(run: Run, title: str) -> Iterator[str]:
    for number, entry in enumerate(run.unfinished[:_SHOWN]):
        label = title if number == 0 else ""
        yield f"  {label:<9} {entry.host or 'environment'}: {entry.step} (since {entry.begun})"
    more = len(run.unfinished) - _SHOWN
    if more > 0:
        yield f"  {'':<9} and {more} more"


def _age(seen: Seen, run: Run) -> float:
    return max(0.0, seconds_between(run.begun, stamp(seen.at)))
