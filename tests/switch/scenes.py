"""What the switch may see, in short words."""

from __future__ import annotations

from typing import Any

from provision.switch.policy import Policy
from provision.switch.values import (
    Alarm,
    Hosts,
    Intent,
    Mode,
    Outcome,
    Proof,
    Role,
    Signals,
    State,
    Token,
    Wish,
)

NOW = 1_795_230_000.0  # 2026-11-21T03:00:00Z
POLICY = Policy()
WELL = Hosts(healthy=2)
DOWN = Hosts(unhealthy=2)


def tokens(
    *outcomes: Outcome, at: float = NOW, seconds: float = 0.2, detail: str = ""
) -> tuple[Token, ...]:
    """Own tokens of one look; one outcome stands for all of them."""
    said = outcomes * POLICY.witness_tokens if len(outcomes) == 1 else outcomes
    return tuple(Token(outcome, at, seconds, detail) for outcome in said)


def well(at: float = NOW, **others: Any) -> Signals:
    """The fleet serves, and the fallback would."""
    said: dict[str, Any] = {
        "primary": tokens(Outcome.GOOD, at=at),
        "fallback": Token(Outcome.GOOD, at, 0.5),
        "alarms": dict.fromkeys(Role, Alarm.OK),
        "hosts": WELL,
    }
    return Signals(**{**said, **others})


def dead(at: float = NOW, **others: Any) -> Signals:
    """The canaries fail, and so do the switch's own tokens."""
    said: dict[str, Any] = {
        "primary": tokens(Outcome.FAILED, at=at, detail="HTTP 502"),
        "alarms": {Role.CANARY: Alarm.ALARM},
        "hosts": DOWN,
    }
    return well(at, **{**said, **others})


def overloaded(at: float = NOW, **others: Any) -> Signals:
    """Requests wait, and the switch's own tokens wait with them."""
    said: dict[str, Any] = {
        "primary": tokens(Outcome.GOOD, at=at, seconds=4.5),
        "alarms": {Role.QUEUE: Alarm.ALARM, Role.BUSY: Alarm.ALARM},
    }
    return well(at, **{**said, **others})


def hosted(outcome: Outcome, at: float = NOW) -> Token:
    """The fallback's answer."""
    return Token(outcome, at, 0.5)


def wants(wish: Wish, *, version: int = 2, expires_at: float | None = None) -> Intent:
    """A person's intent."""
    return Intent(wish, "ann", "new GPUs", expires_at, version)


def primary(**others: Any) -> State:
    """All traffic on the fleet, for a day."""
    proof = Proof(good_at=NOW - 30, asked_at=NOW - 30)
    said: dict[str, Any] = {"mode": Mode.PRIMARY, "share": 100, "since": NOW - 86_400}
    return State(**{**said, "proof": proof, **others})


def away(mode: Mode = Mode.FALLBACK, **others: Any) -> State:
    """All traffic on the fallback since a moment ago."""
    said: dict[str, Any] = {
        "mode": mode,
        "share": 0,
        "since": NOW - 10,
        "hold_s": 300.0,
        "hold_until": NOW + 290,
        "trips": (NOW - 10,),
    }
    return primary(**{**said, **others})


def ramping(share: int = 25, **others: Any) -> State:
    """On the way back."""
    return away(**{"mode": Mode.RAMP, "share": share, "hold_until": 0.0, **others})
