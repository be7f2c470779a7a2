"""API, own fleet or both?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbooks.frame import emit_json, task
from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.planning.cost.decide import Factor

HELP = {
    "answers": "YAML file with an answer to each of the seven questions",
    "template": "print such a file to fill in, and nothing else",
    "json": "print JSON only",
}


@task(help=HELP)
def decide(
    _context: Any, *, answers: str | None = None, template: bool = False, json: bool = False
) -> None:
    """Score seven answers: API first, hybrid or self-host first, and what would change that."""
    from provision.config.load import read_document
    from provision.planning.cost import answers as forms
    from provision.planning.cost.decide import decide as weigh
    from provision.report import cost_decide as report

    if template:
        print(forms.template())
        return
    if answers is not None:
        scores = forms.parse(read_document(Path(answers)), source=answers)
    else:
        scores = _ask()
    decision = weigh(scores)
    if json:
        emit_json(report.document(decision))
    else:
        print(report.text(decision))


def _ask() -> dict[str, int]:
    """Ask on the terminal. Raises UsageError where nobody is there."""
    from provision.planning.cost.decide import FACTORS

    if not sys.stdin.isatty():
        raise UsageError(
            "nobody is there to answer",
            hint="--answers FILE; `fab cost.decide --template` prints one to fill in",
        )
    return {factor.name: _ask_one(factor) for factor in FACTORS}


def _ask_one(factor: Factor) -> int:
    from provision.planning.cost.answers import choices, score_of

    lines = [f"  {word}: {meaning}" for word, meaning in factor.answers.items()]
    print("\n".join(["", factor.question, *lines]), file=sys.stderr)
    while True:
        print(f"{factor.name}> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise UsageError(f"no answer for {factor.name}", hint=choices(factor))
        score = score_of(factor, line)
        if score is not None:
            return score
        print(f"  say {choices(factor)}", file=sys.stderr)
