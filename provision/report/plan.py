"""A Plan as text and as JSON."""

from __future__ import annotations

from typing import Any

from provision.planning.plan import Plan, Wave
from provision.report.table import names, table

NOTHING = "nothing to do"
_ENVIRONMENT = "environment"


def text(plan: Plan) -> str:
    """What will be done, where and why; hosts with the same step share a line."""
    lines = [plan.title]
    for wave in plan:
        if wave.steps:
            lines += ["", wave.title, *(f"  {line}" for line in table(_rows(wave)))]
    lines += [""] if plan.notes else []
    lines += [f"note: {note}" for note in plan.notes]
    lines += [] if plan else ["", NOTHING]
    return "\n".join(lines)


def document(plan: Plan) -> dict[str, Any]:
    """The same for programs."""
    return {
        "title": plan.title,
        "waves": [
            {
                "title": wave.title,
                "steps": [
                    {
                        "host": step.host.name if step.host else None,
                        "summary": step.summary,
                        "reason": step.reason,
                    }
                    for step in wave.steps
                ],
            }
            for wave in plan
        ],
        "notes": list(plan.notes),
        "left_out": dict(plan.left_out),
    }


def _rows(wave: Wave) -> list[tuple[str, str, str]]:
    hosts: dict[tuple[str, str], list[str]] = {}
    for step in wave.steps:
        where = step.host.name if step.host else _ENVIRONMENT
        hosts.setdefault((step.summary, step.reason), []).append(where)
    return [(names(where), what, why) for (what, why), where in hosts.items()]
