"""What the host program says: one JSON object a line, on stdout and in this boot's event file."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Protocol, TextIO

_PROGRESS_STEP = 0.05


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Events:
    """A stream of events, and how long each named phase took.

    A reader that went away (the operator's SSH session died) never stops the work.
    """

    def __init__(self, clock: Clock, *, stream: Optional[TextIO], file: Optional[Path]) -> None:
        self._clock = clock
        self._stream = stream
        self._file = file
        self._lock = threading.Lock()
        self.phases: Dict[str, float] = {}

    def emit(self, event: str, **fields: Any) -> None:
        """Say that *event* happened."""
        line = json.dumps({"event": event, "t": round(self._clock.now(), 3), **fields})
        with self._lock:
            if self._stream is not None:
                with suppress(OSError, ValueError):
                    self._stream.write(line + "\n")
                    self._stream.flush()
            if self._file is not None:
                with suppress(OSError):
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                    with self._file.open("a", encoding="utf-8") as file:
                        file.write(line + "\n")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Say when the phase *name* begins and ends, and keep its seconds in :attr:`phases`."""
        self.emit("phase", phase=name, state="begun")
        begun = self._clock.monotonic()
        yield
        seconds = round(self._clock.monotonic() - begun, 3)
        self.phases[name] = seconds
        self.emit("phase", phase=name, state="done", seconds=seconds)


class Percent:
    """Says how far a transfer is, in steps of five percent."""

    def __init__(self, events: Events, *, phase: str = "weights") -> None:
        self._events, self._phase = events, phase
        self._said = 0.0

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        """Take note; say it when the step is large enough."""
        share = done_bytes / total_bytes if total_bytes else 1.0
        if share - self._said >= _PROGRESS_STEP or (share >= 1.0 > self._said):
            self._said = share
            self._events.emit(
                "progress", phase=self._phase, done_bytes=done_bytes, total_bytes=total_bytes
            )
