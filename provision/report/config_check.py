"""What ``fab config.check`` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from provision.config.check import Checked
from provision.config.timeouts import TimeoutChain, chain
from provision.errors import Problem


def document(checked: Checked, *, chosen: str) -> dict[str, Any]:
    """The ``--json`` document; ``timeouts`` is None where the file can't be read."""
    environment = checked.environment
    return {
        "ok": checked.ok,
        "environment": checked.name,
        "chosen": chosen,
        "file": checked.source,
        "problems": [asdict(problem) for problem in checked.problems],
        "warnings": [asdict(warning) for warning in checked.warnings],
        "timeouts": asdict(chain(environment.engine)) if environment else None,
    }


def text(checked: Checked, *, chosen: str) -> str:
    """The same for a person."""
    lines = [f"{checked.name}, {chosen}: {checked.source}"]
    if checked.environment is not None:
        lines += ["", "timeouts", *_timeouts(chain(checked.environment.engine))]
    lines += _listed("warnings", checked.warnings) + _listed("problems", checked.problems)
    return "\n".join([*lines, "", _verdict(checked)])


def _timeouts(timeouts: TimeoutChain) -> list[str]:
    links = timeouts.links()
    width = max(len(name) for name, _, _ in links)
    return [f"  {name:<{width}}  {seconds:>5} s  {why}" for name, seconds, why in links]


def _listed(title: str, problems: Sequence[Problem]) -> list[str]:
    lines = ["", title] if problems else []
    for problem in problems:
        lines.append(f"  {problem.path}: {problem.message}")
        lines += [f"    {problem.hint}"] if problem.hint else []
    return lines


def _verdict(checked: Checked) -> str:
    count = len(checked.problems)
    return "ok" if checked.ok else f"{count} problem{'s' if count > 1 else ''}"
