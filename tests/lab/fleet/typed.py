"""A `fab` command while it runs: what it says line by line, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from provision.config.load import REHEARSAL
from tests.lab.fleet.standing import FAB, Done, Fleet, bare

Hear = Callable[[str], None]


@dataclass
class Typed:
    """A running command. Its progress (stderr) is read all the time."""

    process: subprocess.Popen[str]
    hear: Hear
    lines: list[str] = field(default_factory=list)
    _said: threading.Condition = field(default_factory=threading.Condition)
    _out: list[str] = field(default_factory=list)
    _ended: bool = False

    def until(self, text: str, seconds: float = 120) -> None:
        """Wait until a line of progress holds *text*."""

        def heard() -> bool:
            return self._ended or any(text in line for line in self.lines)

        with self._said:
            self._said.wait_for(heard, seconds)
            assert any(text in line for line in self.lines), f"never said {text!r}: {self}"

    def end(self, seconds: float = 300) -> Done:
        """Wait until it ends."""
        code = self.process.wait(seconds)
        for thread in self._threads:
            thread.join()
        return Done(code, "".join(self._out), "".join(self.lines))

    def kill(self) -> None:
        """As the kernel does it, with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def start(self) -> None:
        """Begin to read."""
        self._threads = [threading.Thread(target=t) for t in (self._read_out, self._read_lines)]
        for thread in self._threads:
            thread.start()

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        self._out.append(self.process.stdout.read())

    def _read_lines(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.hear(line)
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
        with self._said:
            self._ended = True
            self._said.notify_all()

    def __str__(self) -> str:
        return "".join(self.lines[-30:])


@contextmanager
def typed(
    fleet: Fleet,
    *words: str,
    program: Sequence[str] = (str(FAB),),
    hear: Hear = lambda _: None,
) -> Iterator[Typed]:
    """A command for the standing rehearsal, in a process group of its own; killed at the end."""
    with subprocess.Popen(
        [*program, *words, "--env", REHEARSAL],
        cwd=fleet.folder,
        env=bare(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        running = Typed(process, hear)
        running.start()
        try:
            yield running
        finally:
            running.kill()
            running.end()
