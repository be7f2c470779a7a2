"""What `make soak` says while it runs, and at its end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.lab.fleet.front_logs import FrontLogs
from tests.lab.fleet.load import Load


def line(name: str, came: Load, logs: FrontLogs) -> str:
    """The four numbers that everybody looks for."""
    ids = {one.id for one in came.taken}
    return (
        f"{name}: {len(came.taken)} requests, {len(came.lost)} lost, {len(came.cut)} cut,"
        f" {logs.duplicated(ids)} duplicated"
    )


@contextmanager
def progress(came: Load, every_s: float = 15.0) -> Iterator[None]:
    """Say how far the load is, on the terminal."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(every_s):
            say(f"  {came}")

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def say(text: str) -> None:
    """To the person who waits: `make soak` captures nothing."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def table(rows: Sequence[tuple[str, Load]]) -> list[str]:
    """p50 and p99 of several spans of time."""
    lines = []
    for name, came in rows:
        p50, p99 = came.percentiles()
        lines.append(f"{name}: {len(came.taken)} requests, p50 {p50:.2f} s, p99 {p99:.2f} s")
    return lines
