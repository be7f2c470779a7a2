"""Starts and reaps processes, as process 1 of a host must."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Child:
    """A process of a service; ``exit`` is its wait status once it has ended."""

    pid: int
    exit: asyncio.Future[int]


class Nursery:
    """All children of process 1: those that it started, and orphans that the kernel hands it."""

    def __init__(self) -> None:
        self._children: dict[int, tuple[Child, subprocess.Popen[bytes]]] = {}

    def spawn(self, argv: list[str], *, env: Mapping[str, str], cwd: str, log: Path) -> Child:
        """Start *argv* in a session of its own; what it says goes to *log*.

        Raises OSError when there is no such program.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            popen = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(popen.pid, asyncio.get_running_loop().create_future())
        self._children[popen.pid] = (child, popen)
        return child

    def reap(self) -> None:
        """Collect every process that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._children:
                child, popen = self._children.pop(pid)
                popen.returncode = os.waitstatus_to_exitcode(status)
                if not child.exit.done():
                    child.exit.set_result(status)


def session(leader: int) -> list[int]:
    """Ids of all processes in the session of *leader*."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader:
                    members.append(int(entry.name))
    return members


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process; one that is gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
