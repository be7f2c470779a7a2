"""Published releases as a table, and the difference of two as text."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from provision.executor.releases import Row
from provision.report.table import table

NONE = "nothing was published yet: fab deploy"
_SHORT = 12


def text(rows: Sequence[Row]) -> str:
    """One line a release."""
    if not rows:
        return NONE
    lines = [
        (row.id, row.model, _short(row.revision), row.image or "unknown", _mark(row))
        for row in rows
    ]
    return "\n".join(table(lines, header=("release", "model", "weights", "image", "")))


def differences(
    old: str, before: Mapping[str, str], new: str, after: Mapping[str, str]
) -> list[str]:
    """Lines of a unified diff over all text files; empty when they say the same."""
    lines: list[str] = []
    for path in sorted({*before, *after}):
        lines += difflib.unified_diff(
            before.get(path, "").splitlines(),
            after.get(path, "").splitlines(),
            fromfile=f"{old}/{path}",
            tofile=f"{new}/{path}",
            lineterm="",
        )
    return lines


def _mark(row: Row) -> str:
    if row.current:
        return "current"
    return "before it" if row.before else ""


def _short(revision: str | None) -> str:
    return "unknown" if revision is None else revision[:_SHORT]
