"""Commands run here, and processes that are remembered by a file, so that a later run finds them.

A process is known by its id and the tick at which the kernel started it: an id that was given to
another process in the meantime is never signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provision.errors import FleetError


class MachineError(FleetError):
    """Something on this machine did not do what the rehearsal asked of it."""


def run(*words: str | Path, check: bool = True, stdin: str | None = None) -> str:
    """Run a command and return its output. Raises MachineError with its last lines of stderr."""
    command = [str(word) for word in words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if check and done.returncode:
        raise MachineError(
            f"{' '.join(command)}: exit {done.returncode}\n{done.stderr.strip()[-1500:]}"
        )
    return done.stdout


ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
    "PYTHONDONTWRITEBYTECODE": "1",
}


def spawn(*words: str | Path, log: Path, descriptors: Sequence[int] = ()) -> Process:
    """Start a process that outlives this one: own session, bare environment, output in *log*."""
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [str(word) for word in words],
            env=ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=tuple(descriptors),
        )
    process = Process.of(popen.pid)
    popen.returncode = 0  # it is not waited for here, and must not be complained about
    return process


def succeeds(*words: str | Path) -> bool:
    """Whether a command ends with exit code 0."""
    return subprocess.run([str(word) for word in words], capture_output=True).returncode == 0


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine; ``started`` is its start time in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has *pid* now. Raises MachineError when there is none."""
        started = _started(pid)
        if started is None:
            raise MachineError(f"process {pid} is gone")
        return cls(pid, started)

    @classmethod
    def load(cls, file: Path) -> Process | None:
        """The process that :meth:`save` wrote down, None when the file says nothing."""
        try:
            return cls(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, file: Path) -> None:
        """Write it down for a later run."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"pid": self.pid, "started": self.started}))

    def alive(self) -> bool:
        """Whether it still runs (a zombie does not)."""
        return _started(self.pid) == self.started

    def end(self, *, grace_s: float = 0.0) -> None:
        """Ask it to stop, kill it after *grace_s* seconds, and return when it is gone."""
        if grace_s and self._signal(signal.SIGTERM) and self._gone_within(grace_s):
            return
        if self._signal(signal.SIGKILL) and not self._gone_within(10.0):
            raise MachineError(f"process {self.pid} does not die")

    def _signal(self, number: int) -> bool:
        if not self.alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.alive():
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self.pid, os.WNOHANG)
                return True
            time.sleep(0.02)
        return False


def _started(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
