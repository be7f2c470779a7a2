"""`fab --list` as a person types it: a whole process, and what it imports.

python -m bench.fab_list
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.measure import median, table, verdict, whole_process

RUNS = 9
MOST_S = 0.7
# What takes long to import and no list of tasks needs.
HEAVY = (
    *("boto3", "botocore", "httpx", "jinja2", "litellm", "moto", "pulumi", "pulumi_aws", "torch"),
    *("transformers", "vllm"),
)
_LIST_AND_TELL = """
import json, sys
from fabric.main import program
program.run(["fab", "--list"], exit=False)
print(json.dumps(sorted(sys.modules)))
"""


def main() -> None:
    """Print the table."""
    fab = Path(sys.executable).with_name("fab")
    taken = median(lambda: whole_process(fab, "--list"), RUNS)
    told = whole_process(sys.executable, "-c", _LIST_AND_TELL).output.splitlines()[-1]
    modules = json.loads(told)
    heavy = [name for name in HEAVY if name in modules]
    print(
        table(
            (f"median of {RUNS}", "", "goal", "kept"),
            [
                (
                    "fab --list",
                    f"{taken.seconds:.2f} s",
                    f"{MOST_S} s",
                    verdict(taken.seconds < MOST_S),
                ),
                ("peak memory", f"{taken.peak_mib:.0f} MiB", "", ""),
                ("modules imported", f"{len(modules)}", "", ""),
                ("heavy ones among them", ", ".join(heavy) or "none", "none", verdict(not heavy)),
            ],
        )
    )
    print(f"looked for: {', '.join(HEAVY)}")


if __name__ == "__main__":
    main()
