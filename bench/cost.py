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

from bench.measure import Taken, median, table, verdict, whole_process

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


def main() -> None:
    """Print the table. Exit code 1 when a goal was missed."""
    empty = median(lambda: whole_process(sys.executable, "-c", "pass"), 4 * RUNS + 1)
    waits = empty.seconds / empty.processor_s
    with TemporaryDirectory() as folder:
        rows = [_row(goal, _written_to(goal.words, Path(folder)), empty) for goal in GOALS]
    print(table((f"median of {RUNS}", "wall", "processor", "times", "goal", "heavy", "kept"), rows))
    print(f"times: of the processor's time for an empty Python, {empty.processor_s * 1000:.0f} ms")
    if waits > BUSY:
        print(f"busy: an empty Python took {waits:.1f} times that; kept is by processor time")
    print(f"looked for, where nothing heavy is needed: {', '.join(HEAVY)}")
    sys.exit(any("NO" in row for row in rows))


def _row(goal: Goal, words: tuple[str, ...], empty: Taken) -> tuple[str, ...]:
    fab = Path(sys.executable).with_name("fab")
    taken = median(lambda: whole_process(fab, *words), RUNS)
    heavy = _heavy(words) if goal.lean else []
    busy = empty.seconds / empty.processor_s > BUSY
    spent = taken.processor_s if busy else taken.seconds
    return (
        f"fab {words[0]}",
        f"{taken.seconds:.2f} s",
        f"{taken.processor_s:.2f} s",
        f"{taken.processor_s / empty.processor_s:.0f}x",
        f"{goal.most_s} s",
        (", ".join(heavy) or "none") if goal.lean else "",
        verdict(spent < goal.most_s and not heavy),
    )


def _written_to(words: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    return (*words, "--out", str(folder / "cost.html")) if words[0] == "cost.report" else words


def _heavy(words: tuple[str, ...]) -> list[str]:
    told = whole_process(sys.executable, "-c", _RUN_AND_TELL, *words).output.splitlines()[-1]
    modules = json.loads(told)
    return [name for name in HEAVY if name in modules]


if __name__ == "__main__":
    main()
