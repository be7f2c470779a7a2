"""Processes, files and time of this host: the doors that tests replace."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

from provision.agent.errors import AgentError

TIMED_OUT = 124
NOT_FOUND = 127


@dataclass(frozen=True)
class Completed:
    """What a command said. ``code`` is 124 when it was cut off, 127 when it is not there."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        """It ended with 0."""
        return self.code == 0


Run = Callable[..., Completed]
"""``run(words, timeout_s=..., stdin=...)`` -> Completed; never raises for what the command does."""


class SystemClock:
    """Real time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def run(words: Sequence[str], *, timeout_s: float, stdin: str = "") -> Completed:
    """Run a command to its end, or kill it after *timeout_s*.

    In a session of its own: a Ctrl-C is for this program, which decides about the command.
    """
    try:
        done = subprocess.run(
            list(words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError:
        return Completed(NOT_FOUND, err=f"{words[0]}: not found")
    except subprocess.TimeoutExpired as error:
        return Completed(TIMED_OUT, err=f"no answer within {error.timeout:.0f} s")
    return Completed(done.returncode, done.stdout, done.stderr)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace *path* as a whole, with its *mode* set before the data is in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def write_json(path: Path, value: Any, *, mode: int = 0o644) -> None:
    """Replace *path* by *value* as JSON."""
    write_atomic(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode(), mode=mode)


def read_json(path: Path) -> Any:
    """The JSON of *path*. Raises AgentError when it is missing or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AgentError(f"{path} is missing") from None
    except ValueError as error:
        raise AgentError(f"{path} is not JSON: {error}") from None
