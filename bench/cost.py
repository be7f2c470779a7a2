"""The cost commands as a person types them: whole processes, beside an empty Python of the same
minute. Where others keep the machine busy even an empty Python waits; then the processor's time is
held against the goal instead of the wall's, and the table says so.

python -m bench.cost
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import median, table, verdict, whole_process

RUNS = 5
BUSY = 1.5  # times its processor time that an empty Python takes
# Without them the two quick commands are quick; nothing about prices needs them.
HEAVY = ("boto3", "botocore", "httpx", "jinja2", "pulumi", "pulumi_aws", "moto", "pydantic")
_RUN_AND_TELL = """
import json, sys
from fabric.main import program
program.run(["fab", *sys.argv[1:]], exit=False)
print(json.dumps(sorted(sys.modules)))
"""


@dataclass(frozen=True, slots=True)
class Goal:
    """A command line, and the seconds that it may take; *lean*: it imports nothing heavy."""

    words: tuple[str, ...]
    most_s: float
    lean: bool


GOALS = (
    Goal(
        (
            *("cost.break-even", "--api", "gpt-4o", "--input-tokens", "700"),
            *("--output-tokens", "100", "--instance", "g5.xlarge"),
            *("--pricing", "reserved-1y-no-upfront", "--extra-monthly", "270", "--json"),
        ),
        0.7,
        True,
    ),
    Goal(("cost.compare", "--model", "mistral-7b", "--json"), 0.7, True),
    Goal(("cost.preview", "--env", "prod", "--json"), 4.0, False),
    Goal(("cost.report", "--env", "prod"), 4.0, False),
)


@dataclass(frozen=True, slots=True)
class Beside:
    """Empty Pythons before and after a command: how long others kept them waiting."""

    processor_s: float
    waits: float

    @property
    def busy(self) -> bool:
        """Whether the wall's time says more about others than about the command."""
        return self.waits > BUSY


def main() -> None:
    """Print the table. Exit code 1 when a goal was missed."""
    with TemporaryDirectory() as folder:
        rows = [_row(goal, _written_to(goal.words, Path(folder))) for goal in GOALS]
    heads = ("wall", "processor", "times", "empty waits", "goal", "heavy", "kept")
    print(table((f"median of {RUNS}", *heads), rows))
    print("times: of the processor's time for an empty Python, in the same minute")
    print(f"empty waits: its wall by its processor's time; from {BUSY} on kept is by processor")
    print(f"looked for, where nothing heavy is needed: {', '.join(HEAVY)}")
    sys.exit(any("NO" in row for row in rows))


def _row(goal: Goal, words: tuple[str, ...]) -> tuple[str, ...]:
    fab = Path(sys.executable).with_name("fab")
    before = _beside()
    taken = median(lambda: whole_process(fab, *words), RUNS)
    beside = max(before, _beside(), key=lambda one: one.waits)
    heavy = _heavy(words) if goal.lean else []
    spent = taken.processor_s if beside.busy else taken.seconds
    return (
        f"fab {words[0]}",
        f"{taken.seconds:.2f} s",
        f"{taken.processor_s:.2f} s",
        f"{taken.processor_s / beside.processor_s:.0f}x",
        f"{beside.waits:.1f}x",
        f"{goal.most_s} s",
        (", ".join(heavy) or "none") if goal.lean else "",
        verdict(spent < goal.most_s and not heavy),
    )


def _beside() -> Beside:
    empty = median(lambda: whole_process(sys.executable, "-c", "pass"), 2 * RUNS + 1)
    return Beside(empty.processor_s, empty.seconds / empty.processor_s)


def _written_to(words: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    return (*words, "--out", str(folder / "cost.html")) if words[0] == "cost.report" else words


def _heavy(words: tuple[str, ...]) -> list[str]:
    told = whole_process(sys.executable, "-c", _RUN_AND_TELL, *words).output.splitlines()[-1]
    modules = json.loads(told)
    return [name for name in HEAVY if name in modules]


if __name__ == "__main__":
    main()
