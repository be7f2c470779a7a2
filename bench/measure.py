"""Whole processes, measured; and tables of what came out."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Taken:
    """One process: wall and processor seconds, its most memory at once, and what it printed."""

    seconds: float
    processor_s: float
    peak_mib: float
    output: str


def whole_process(
    *words: str | Path, folder: Path = ROOT, environ: Mapping[str, str] | None = None
) -> Taken:
    """Run a program from its start to its end. One that fails ends the measurement."""
    command = [str(word) for word in words]
    # A file, not a pipe: what the program leaves running (Ansible's ssh) would hold a pipe open.
    with tempfile.TemporaryFile("w+") as said:
        begun = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}\n{output[-3000:]}")
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def median(measure: Callable[[], Taken], runs: int) -> Taken:
    """The run in the middle of an odd number of *runs*, by its seconds."""
    taken = sorted((measure() for _ in range(runs)), key=lambda one: one.seconds)
    return taken[len(taken) // 2]


def median_seconds(work: Callable[[], object], runs: int) -> float:
    """Median seconds of something in this process."""
    taken = []
    for _ in range(runs):
        begun = time.monotonic()
        work()
        taken.append(time.monotonic() - begun)
    return statistics.median(taken)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under heads, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = []
    for row in (heads, *rows):
        first, *others = (
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join((first, *others)).rstrip())
    return "\n".join(lines)


def verdict(kept: bool) -> str:
    """A word for a goal."""
    return "yes" if kept else "NO"
