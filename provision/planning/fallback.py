"""What a person wants of the switch, and what is known of it now: pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from provision.errors import UsageError
from provision.facts.spend import HostedSpend

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0}
LONGEST_S = 7 * 86_400.0


class Mode(StrEnum):
    """What a person can want; the words are those of the switch."""

    AUTO = "auto"
    ON = "force-fallback"
    OFF = "force-primary"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants what, why, until when (seconds since the epoch; None: until somebody else does)."""

    mode: Mode
    by: str
    reason: str
    expires_at: float | None = None

    def to_json(self) -> str:
        """The parameter's text, as the switch reads it."""
        until = None if self.expires_at is None else _stamp(self.expires_at)
        body = {"mode": self.mode, "by": self.by, "reason": self.reason, "expires_at": until}
        return json.dumps(body)

    def holds(self, now: float) -> bool:
        """It is in force: it wants something, and has not run out."""
        return self.mode is not Mode.AUTO and (self.expires_at is None or now < self.expires_at)


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def parse_wish(text: str) -> Wish | None:
    """The wish of a text, None when it is none: the switch then does as it thinks right."""
    try:
        said = json.loads(text)
        until = said.get("expires_at")
        expires = until if until is None else datetime.fromisoformat(str(until)).timestamp()
        return Wish(Mode(said["mode"]), str(said.get("by")), str(said.get("reason")), expires)
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def duration_s(said: str, *, flag: str) -> float:
    """``90m``, ``2h`` or ``1d`` in seconds. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,5})([mhd])", said)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < seconds <= LONGEST_S:
        raise UsageError(f"{flag} {said!r} is no time", hint="like 90m, 2h or 1d; 7d at most")
    return seconds


@dataclass(frozen=True, slots=True)
class Spend:
    """What hosted answers cost, in US dollars; None is unknown, and a cap of None is none."""

    today: Decimal | None = None
    month: Decimal | None = None
    daily_cap: Decimal | None = None
    monthly_cap: Decimal | None = None


def spend_of(hosted: HostedSpend, *, daily: float | None, monthly: float | None) -> Spend:
    """What was spent, under the caps. What is reserved counts: it may be spent in a moment."""
    return Spend(
        today=hosted.day_spent_usd + hosted.day_reserved_usd,
        month=hosted.month_spent_usd + hosted.month_reserved_usd,
        daily_cap=None if daily is None else Decimal(str(daily)),
        monthly_cap=None if monthly is None else Decimal(str(monthly)),
    )


@dataclass(frozen=True, slots=True)
class FallbackStatus:
    """Everything that is known of the fallback; None is unknown.

    Attributes:
        share: our own hosts' percent of the traffic.
        wish: what a person wants, None when nobody does or it has run out.
        line: the switch's own decision of this moment, None when it could not be asked.
        error: why not.
    """

    share: int | None
    wish: Wish | None
    line: Mapping[str, Any] | None
    error: str = ""
    spend: Spend | None = None

    @property
    def state(self) -> str | None:
        """The switch's own word for where it stands."""
        return str(self.line["mode"]["was"]) if self.line else None
