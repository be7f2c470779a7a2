"""Lambda as the rehearsal has it: a function's own archive, run in processes that stay warm."""

from __future__ import annotations

import hashlib
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.made_up import VARIABLES
from rehearsal.processes import ENVIRONMENT

RUNTIME = Path(__file__).with_name("function_runtime.py")
GRACE_S = 5.0  # beyond its own limit, which the function is told


@dataclass(frozen=True, slots=True)
class Function:
    """A function as it was uploaded."""

    name: str
    handler: str
    archive: bytes
    variables: Mapping[str, str]
    timeout_s: float
    region: str

    @property
    def digest(self) -> str:
        """Changes with everything that a warm process knows."""
        told = json.dumps([self.name, self.handler, sorted(self.variables.items())])
        return hashlib.sha256(self.archive + told.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to: JSON, and whether the function itself failed."""

    payload: str
    failed: bool = False


@dataclass(slots=True)
class Functions:
    """Calls of functions, each in a process of its own; *log* gets (function, line) of each line.

    *folder* keeps the archives.
    """

    folder: Path
    log: Callable[[str, str], None]
    _idle: dict[str, list[_Warm]] = field(default_factory=dict)
    _all: list[_Warm] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def call(self, function: Function, event: Any) -> Answer:
        """Call it and wait. A call too many starts another process, as on AWS."""
        warm = self._take(function)
        try:
            said = warm.call(event, function.timeout_s)
        except (OSError, ValueError) as error:
            warm.end()
            return _failure(f"the function's process ended: {error}", "Runtime.ExitError")
        if said is None:
            warm.end()
            text = f"Task timed out after {function.timeout_s:.2f} seconds"
            return _failure(text, "Sandbox.Timedout")
        self._give_back(function, warm)
        if "error" in said:
            return Answer(json.dumps(said["error"]), failed=True)
        return Answer(json.dumps(said["payload"]))

    def stop(self) -> None:
        """End every process."""
        with self._lock:
            self._ended = True
            everyone, self._all = self._all, []
        for warm in everyone:
            warm.end()

    def _take(self, function: Function) -> _Warm:
        with self._lock:
            idle = self._idle.get(function.digest, [])
            if idle:
                return idle.pop()
            if self._ended:
                raise RuntimeError("the rehearsal ends")
            self.folder.mkdir(parents=True, exist_ok=True)
            archive = self.folder / f"{function.name}-{function.digest}.zip"
            archive.write_bytes(function.archive)
            warm = _Warm(function, archive, self.log)
            self._all.append(warm)
            return warm

    def _give_back(self, function: Function, warm: _Warm) -> None:
        with self._lock:
            self._idle.setdefault(function.digest, []).append(warm)


class _Warm:
    """One process that answers one call after the other."""

    def __init__(self, function: Function, archive: Path, log: Callable[[str, str], None]) -> None:
        self._reading, writing = os.pipe()
        self._rest = b""
        # As Lambda gives them; the credentials are the room's.
        given = {
            "PATH": ENVIRONMENT["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            **VARIABLES,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(RUNTIME), str(writing), str(archive), function.handler],
            env={**given, **function.variables},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            text=True,
        )
        os.close(writing)
        self._listening = threading.Thread(
            target=self._pass_on, args=(function.name, log), daemon=True
        )
        self._listening.start()

    def call(self, event: Any, timeout_s: float) -> dict[str, Any] | None:
        """What it says; None when it says nothing in time. Raises OSError when it ended."""
        if self._process.stdin is None:
            raise OSError("it has no input")
        print(json.dumps({"event": event, "timeout_s": timeout_s}), file=self._process.stdin)
        self._process.stdin.flush()
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._reading], [], [], timeout_s + GRACE_S)
            if not ready:
                return None
            block = os.read(self._reading, 65_536)
            if not block:
                raise OSError("no answer")
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        self._listening.join()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        with suppress(OSError):
            os.close(self._reading)

    def _pass_on(self, name: str, log: Callable[[str, str], None]) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as lines:
                for line in lines:
                    log(name, line.rstrip("\n"))


def _failure(message: str, kind: str) -> Answer:
    return Answer(json.dumps({"errorMessage": message, "errorType": kind}), failed=True)
