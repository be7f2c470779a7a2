"""What the checks found, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from provision.planning.finding import Finding, State
from provision.report.table import table

_MARKS = {State.OK: "ok", State.FAILED: "FAILED", State.UNKNOWN: "unknown"}

# Where -> what was found there.
Findings = Mapping[str, Sequence[Finding]]


def text(findings: Findings) -> str:
    """Every check; below what failed, or has no answer, the command to run next."""
    lines: list[str] = []
    for where, found in findings.items():
        rows = table([(_MARKS[one.state], one.check, one.cause) for one in found])
        lines += [where]
        for one, row in zip(found, rows, strict=True):
            lines.append(f"  {row}")
            if one.command and one.state is not State.OK:
                lines.append(f"  {'':7}  run: {one.command}")
        lines.append("")
    return "\n".join([*lines, _verdict(findings)])


def document(findings: Findings) -> dict[str, Any]:
    """The same for programs."""
    return {
        "ok": good(findings),
        "checked": [
            {
                "name": where,
                "checks": [
                    {
                        "check": one.check,
                        "state": str(one.state),
                        "cause": one.cause,
                        "command": one.command,
                    }
                    for one in found
                ],
            }
            for where, found in findings.items()
        ],
    }


def good(findings: Findings) -> bool:
    """Whether nothing failed. What nobody can say is no failure."""
    return not any(one.state is State.FAILED for found in findings.values() for one in found)


def _verdict(findings: Findings) -> str:
    every = [one.state for found in findings.values() for one in found]
    broken, open_ = every.count(State.FAILED), every.count(State.UNKNOWN)
    said = [f"{len(every)} checks", f"{broken} failed" if broken else "none failed"]
    return ", ".join([*said, f"{open_} without an answer"] if open_ else said)
