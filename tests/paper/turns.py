"""People at work at the same time, each of whom goes on only when it is told to."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from tests.paper.desk import Desk, Said
from tests.paper.doors import Killed, Process

_STUCK_S = 300.0  # of real time: a test that waits for ever says so


@dataclass
class Turn:
    """One task, typed at *desk*, in a thread of its own that stops before each of its calls.

    ``at`` is the call before which it stands, "" when it does not; ``said`` is what came of it,
    None while it works and when it was killed.
    """

    desk: Desk
    task: str
    flags: dict[str, Any]
    process: Process = field(init=False)
    at: str = ""
    said: Said | None = None
    bug: BaseException | None = None
    _allowed: float = 0
    _ended: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.process = self.desk.process(gate=self._gate, gated_looks=("target_health",))
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        self._settle()

    @property
    def ended(self) -> bool:
        """It has ended, one way or the other."""
        return self._ended

    def go(self, calls: float = 1) -> None:
        """Let it make so many calls more, or end before."""
        with self._changed:
            self._allowed += calls
            self._changed.notify_all()
        self._settle()

    def is_killed(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.go(float("inf"))

    def _settle(self) -> None:
        with self._changed:
            still = self._changed.wait_for(
                lambda: self._ended or (self.at and self._allowed < 1), timeout=_STUCK_S
            )
        assert still, f"{self.task} does not come to an end"
        if self.bug is not None:
            raise self.bug

    def _gate(self, what: str) -> None:
        with self._changed:
            self.at = what
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._allowed >= 1)
            self._allowed -= 1
            self.at = ""

    def _work(self) -> None:
        try:
            self.said = self.desk.fab(self.task, process=self.process, **self.flags)
        except Killed:
            pass
        except BaseException as bug:  # whoever waits for this thread raises it
            self.bug = bug
        finally:
            self.process.kill()
            with self._changed:
                self._ended = True
                self._changed.notify_all()
