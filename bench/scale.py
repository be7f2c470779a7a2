"""How the wall time and the memory of one deploy grow from 8 hosts to 64.

python -m bench.scale            (as root)
"""

from __future__ import annotations

import json
import sys

from bench.floor import bare_ssh
from bench.hosts import Fleet, fleet_of
from bench.measure import ROOT, Taken, median, table, verdict, whole_process

FEW, MANY = 8, 64
RUNS = 3
MOST_TIMES_LONGER, MOST_MIB = 4.0, 300.0
RELEASES = "/opt/llm-fleet"


def ours(fleet: Fleet) -> Taken:
    """One whole process over all hosts of *fleet*."""
    return whole_process(sys.executable, ROOT / "bench/work/ours.py", fleet.save())


def first(fleet: Fleet) -> Taken:
    """The same on hosts that hold nothing of it."""
    fleet.clean(RELEASES)
    return ours(fleet)


def main() -> None:
    """Print the table."""
    with fleet_of(MANY) as fleet:
        rows = []
        for name, measure in (("first application", first), ("nothing to do", ours)):
            few, many = (
                median(lambda n=count, m=measure: m(fleet.first(n)), RUNS) for count in (FEW, MANY)
            )
            rows.append(_row(name, few, many))
        few, many = (
            median(lambda n=count: bare_ssh(fleet.first(n)), RUNS) for count in (FEW, MANY)
        )
        rows.append(_floor(few, many))
    heads = (
        "",
        f"{FEW} hosts",
        f"{MANY} hosts",
        "times",
        "at most",
        "own processor time",
        "peak",
        "below",
        "kept",
    )
    print(table(heads, rows))


def _row(name: str, few: Taken, many: Taken) -> tuple[str, ...]:
    said = json.loads(many.output.splitlines()[-1])
    times = many.seconds / few.seconds
    kept = said["ok"] and times <= MOST_TIMES_LONGER and many.peak_mib < MOST_MIB
    return (
        f"{name} ({said['commands'] / MANY:.0f} commands per host)",
        *(f"{few.seconds:.2f} s", f"{many.seconds:.2f} s"),
        *(f"{times:.1f}x", f"{MOST_TIMES_LONGER:.0f}x"),
        f"{few.processor_s:.2f} -> {many.processor_s:.2f} s",
        *(f"{many.peak_mib:.0f} MiB", f"{MOST_MIB:.0f} MiB"),
        verdict(kept),
    )


def _floor(few: Taken, many: Taken) -> tuple[str, ...]:
    return (
        "ssh HOST true, all at once",
        *(f"{few.seconds:.2f} s", f"{many.seconds:.2f} s"),
        *(f"{many.seconds / few.seconds:.1f}x", ""),
        f"{few.processor_s:.2f} -> {many.processor_s:.2f} s",
        *("", "", ""),
    )


if __name__ == "__main__":
    main()
