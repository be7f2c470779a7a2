"""What ``fab history`` says: who did what, when, from which release to which, how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provision.planning import journal
from provision.planning.journal import Ending, Run, seconds_between
from provision.report.table import names, seconds, table

_HEADER = ("epoch", "when (UTC)", "who", "task", "from", "to", "hosts", "took", "ended")


def text(runs: Sequence[Run]) -> str:
    """One line a run."""
    if not runs:
        return "nothing was changed here yet"
    return "\n".join(table([_row(run) for run in runs], header=_HEADER, right=(0, 6, 7)))


def document(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The whole records, each step with its times; ``ending`` is null while a run goes on."""
    return [journal.document(run) for run in runs]


def ending(run: Run) -> str:
    """How a run ended, and why."""
    if run.ending is None:
        return "still runs"
    by = f" by {run.closed_by}" if run.ending is Ending.BROKEN else ""
    half = [f"{entry.host or 'environment'}: {entry.step}" for entry in run.unfinished]
    back = "all is as before" if run.returned else ""
    why = [run.error or "", back, f"half done: {names(half, limit=2)}" if half else ""]
    return ": ".join([f"{run.ending}{by}", *("; ".join(filter(None, why)),)]).removesuffix(": ")


def _row(run: Run) -> tuple[str, ...]:
    took = seconds(seconds_between(run.begun, run.ended)) if run.ended else ""
    return (
        str(run.epoch),
        run.begun.removesuffix("+00:00").replace("T", " "),
        run.who.name,
        run.what.task,
        names(run.what.before, limit=2) or ("nothing" if run.what.release else "-"),
        run.what.release or "-",
        str(len(run.hosts)),
        took,
        ending(run),
    )
