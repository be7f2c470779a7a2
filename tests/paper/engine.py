"""An engine on paper: how it starts, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from provision.agent.supervise import Phase


class Fate(Enum):
    """What becomes of the engines of a release."""

    FINE = "fine"
    DIES = "dies"  # at once, and again whenever Docker starts it
    HANGS = "hangs"  # loads for ever
    NONSENSE = "nonsense"  # loads, and fails each warm-up
    SHORT_LIVED = "short-lived"  # dies some seconds after it took traffic


LOAD_S, WARM_UP_S = 10.0, 3.0
READY_TIMEOUT_S = 1200.0
GIVEN_UP_S = 18.0  # three deaths, five seconds of life each
SHORT_LIFE_S = 12.0


@dataclass
class Engine:
    """One container with an engine. Its phases follow from the time alone."""

    release: str
    started_at: float
    fate: Fate = Fate.FINE
    restarts: int = 0

    def phase(self, now: float) -> Phase:
        """What the agent makes of it."""
        age = now - self.started_at
        if self.fate is Fate.DIES:
            return Phase.CRASH_LOOP if age >= GIVEN_UP_S else Phase.STARTING
        if self.fate in (Fate.HANGS, Fate.NONSENSE):
            early = Phase.STARTING if self.fate is Fate.HANGS else Phase.WARMING
            return early if age < READY_TIMEOUT_S else Phase.HUNG
        if age < LOAD_S:
            return Phase.STARTING
        return Phase.WARMING if age < LOAD_S + WARM_UP_S else Phase.READY

    def warm(self, now: float) -> bool:
        """It may be asked: whoever asks before gets no answer."""
        if self.fate is Fate.FINE:  # asked for each request
            return now - self.started_at >= LOAD_S + WARM_UP_S
        return self.phase(now) is Phase.READY

    def reason(self, now: float) -> str:
        """Why it is not ready, as the agent says it."""
        phase = self.phase(now)
        if phase is Phase.CRASH_LOOP:
            return "the engine exited 3 times within 600 s and is stopped now"
        if phase is Phase.HUNG:
            return f"not ready within {READY_TIMEOUT_S:.0f} s"
        if phase is Phase.WARMING and self.fate is Fate.NONSENSE:
            return "the answer is nonsense: nothing but 16 times '!'"
        return "warming up" if phase is Phase.WARMING else ""
