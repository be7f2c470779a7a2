"""What the switch knows when it decides. Times are seconds since the epoch, by its own clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

ALL = 100  # percent; the primary's share is a whole number of it, the fallback has the rest


class Mode(StrEnum):
    """Where the switch stands."""

    PRIMARY = "primary"  # the fleet has all traffic
    PARTIAL = "partial"  # overload: the fallback carries a part
    FALLBACK = "fallback"  # the fleet is dead: the fallback has all, until the hold ends
    HALF_OPEN = "half-open"  # the same weights, while the fleet is asked whether it serves again
    RAMP = "ramp"  # the fleet gets its traffic back step by step
    FROZEN = "frozen"  # too many trips in a day: a person has to look


AWAY = (Mode.FALLBACK, Mode.HALF_OPEN, Mode.FROZEN)


class Outcome(StrEnum):
    """What came of asking for one token."""

    GOOD = "good"
    FULL = "full"  # the queue is full: alive, and no room
    FAILED = "failed"  # no token
    UNCLEAR = "unclear"  # nobody was asked: a refused key, no way to the load balancer


@dataclass(frozen=True, slots=True)
class Token:
    """One answer to the switch's own question. *at* is when it was asked."""

    outcome: Outcome
    at: float
    seconds: float
    detail: str = ""


class Role(StrEnum):
    """What an alarm stands for. Which alarms play a role is in the settings."""

    CANARY = "canary"  # at least half of the canaries on the hosts fail
    ERRORS = "errors"  # the load balancer counts many 5xx
    QUEUE = "queue"  # requests wait in the engines
    BUSY = "busy"  # no room yet for the traffic that was taken off


class Alarm(StrEnum):
    """The worst state of the alarms of a role."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"
    GONE = "gone"  # there is no such alarm


@dataclass(frozen=True, slots=True)
class Hosts:
    """The primary's targets. *leaving* ones were taken out on purpose and are not counted."""

    healthy: int = 0
    unhealthy: int = 0
    starting: int = 0
    leaving: int = 0


class Wish(StrEnum):
    """What a person wants of the switch."""

    AUTO = "auto"
    FORCE_FALLBACK = "force-fallback"
    FORCE_PRIMARY = "force-primary"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True)
class Intent:
    """What the SSM parameter says. *problem* tells why it counts as auto though it says else.

    *version* is the parameter's, None when there is no parameter.
    """

    wish: Wish = Wish.AUTO
    by: str = ""
    reason: str = ""
    expires_at: float | None = None
    version: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Signals:
    """One look at the world. None, or a role that is missing, means that nobody knows."""

    intent: Intent = field(default_factory=Intent)
    primary: tuple[Token, ...] = ()
    fallback: Token | None = None
    alarms: Mapping[Role, Alarm] = field(default_factory=dict)
    hosts: Hosts | None = None
    spent_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Good tokens of the primary in a row: how many, the first's and the last's moment."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0

    @property
    def span_s(self) -> float:
        """Seconds from the first to the last."""
        return self.last - self.first if self.count else 0.0


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of the fallback: one real hosted token, or failures in a row since."""

    good_at: float | None = None
    asked_at: float | None = None
    misses: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """Where the switch stands. *share* is the primary's percent, as the rule has it.

    Attributes:
        since: when this mode, or this step of the ramp, began.
        hold_until: until then no way back is tried.
        hold_s: how long the last hold was, 0.0 before the first.
        back_at: when the fleet got all of its traffic back last, None if it never was away.
        trips: moments of the last day at which all traffic was taken off the fleet.
        intent_version: of the intent that was in force when the switch froze.
        paged: what a person was told of, and when.
        floored: processes of the Auto Scaling group that the switch suspended, None when the
            group may do as it likes.
    """

    mode: Mode
    share: int
    since: float
    hold_until: float = 0.0
    hold_s: float = 0.0
    back_at: float | None = None
    trips: tuple[float, ...] = ()
    run: Run = field(default_factory=Run)
    proof: Proof = field(default_factory=Proof)
    intent_version: int | None = None
    paged: Mapping[str, float] = field(default_factory=dict)
    floored: tuple[str, ...] | None = None

    @property
    def weights(self) -> tuple[int, int]:
        """The primary's and the fallback's weight."""
        return self.share, ALL - self.share


def stamp(moment: float) -> str:
    """A moment as people and logs read it."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")
