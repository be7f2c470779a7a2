"""A person's intent: one SSM parameter, which nobody but a person (and a rollout) writes.

``{"mode": "force-fallback", "by": "ann", "reason": "new GPUs", "expires_at": "2026-11-21T12:00Z"}``
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from provision.switch.values import Intent, Wish, stamp


def parse(text: str | None, version: int | None, now: float) -> Intent:
    """What is in force *now*. What can't be read, or has run out, is auto with a problem."""
    if text is None:
        return Intent()
    auto = Intent(version=version)
    try:
        said = json.loads(text)
        wish = Wish(said["mode"])
        expires_at = _moment(said.get("expires_at"))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError) as error:
        return replace(auto, problem=f"the intent can't be read, so it is auto: {error!r}")
    by, reason = str(said.get("by") or "unknown"), str(said.get("reason") or "unknown")
    if expires_at is not None and expires_at <= now:
        return replace(
            auto, problem=f"{wish} of {by} ran out at {stamp(expires_at)}, so it is auto"
        )
    return Intent(wish, by, reason, expires_at, version)


def _moment(said: Any) -> float | None:
    """Seconds since the epoch, or ISO 8601 with a zone. Raises ValueError or TypeError."""
    if said is None:
        return None
    if isinstance(said, bool):
        raise TypeError("expires_at is neither a time nor a number")
    if isinstance(said, int | float):
        datetime.fromtimestamp(said).astimezone()  # out of a calendar's range is malformed
        return float(said)
    moment = datetime.fromisoformat(said)
    if moment.tzinfo is None:
        raise ValueError("expires_at has no zone: end it with Z")
    return moment.timestamp()
