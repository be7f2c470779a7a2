"""AWS takes this host away: what the host does about it, in which order, until when. Pure.

Out of traffic, emptied, stopped politely, and then the Auto Scaling group is told that it may go
on. It is what a rollout does with a host, but nobody brings this one back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from enum import Enum
from typing import Optional

SPOT = "spot notice"
GROUP = "the Auto Scaling group ends it"
TAKEN = "Terminated"  # the group's word for where the host is going

SETTLE_S = 10.0  # a load balancer that was told still sends for some seconds
UNTOLD_S = 30.0  # one that could not be told sends until its checks have failed
SPOT_S = 120.0
_LAST_S = 10.0


class Act(str, Enum):
    """What is to be done next."""

    LEAVE_TRAFFIC = "leave traffic"
    SETTLE = "wait until nothing is sent any more"
    EMPTY = "empty the engines"
    STOP = "stop the engines"
    TELL = "let the group go on"
    REST = "wait for the end"


@dataclass(frozen=True)
class Farewell:
    """How far it is. It is kept on disk: an agent that starts anew goes on where it was.

    *until* is when the host will be gone at the latest. *hooked*: the group holds the end back
    until it is told to go on. Times are seconds since the epoch, None for what has not happened.
    """

    why: str
    since: float
    until: float
    hooked: bool = False
    out_at: Optional[float] = None
    empty_at: Optional[float] = None
    stopped_at: Optional[float] = None
    told_at: Optional[float] = None

    def words(self, now: float) -> str:
        """For people: ``leaving: spot notice, 90 s left``."""
        left = self.until - now
        return f"leaving: {self.why}, {left:.0f} s left" if left > 0 else f"leaving: {self.why}"


def notice(
    farewell: Optional[Farewell],
    *,
    spot: Optional[str],
    target: Optional[str],
    heartbeat_s: float,
    now: float,
) -> Optional[Farewell]:
    """What follows from a look at the metadata: *spot* is the text of the spot notice, *target* the
    lifecycle state to which the group takes this host.

    A farewell that began is never taken back; a second notice can only make its time shorter.
    """
    if spot is not None:
        farewell = _begun(farewell, SPOT, _end_of(spot, now), now)
    if target == TAKEN:
        farewell = _begun(farewell, GROUP, now + heartbeat_s, now)
        farewell = farewell if farewell.hooked else replace(farewell, hooked=True)
    return farewell


def next_act(farewell: Farewell, now: float) -> Act:
    """What is to be done now. What went wrong is tried again, and never keeps the rest waiting."""
    if farewell.stopped_at is None and now < farewell.until:
        act = _before_the_stop(farewell, now)
        if act is not None:
            return act
    if farewell.hooked and farewell.told_at is None:
        return Act.TELL
    return Act.REST


def done(farewell: Farewell, act: Act, now: float) -> Farewell:
    """The farewell after *act* succeeded."""
    if act is Act.LEAVE_TRAFFIC:
        return replace(farewell, out_at=now)
    if act is Act.EMPTY:
        return replace(farewell, empty_at=now)
    if act is Act.STOP:
        return replace(farewell, stopped_at=now)
    return replace(farewell, told_at=now) if act is Act.TELL else farewell


def empty_for_s(farewell: Farewell, now: float) -> float:
    """How long the engines may still be waited for: a quarter of the time is for stopping them."""
    return max(0.0, _stop_at(farewell) - now)


def grace_s(farewell: Farewell, wanted_s: float, now: float) -> float:
    """How long a container may take to end: *wanted_s*, or what is left.

    The front, which ends first, may need all of it: an engine that has nothing to do any more
    takes its workers down in what remains, and loses nothing when it can't.
    """
    return max(1.0, min(wanted_s, farewell.until - now - _LAST_S))


def _begun(farewell: Optional[Farewell], why: str, until: float, now: float) -> Farewell:
    if farewell is None:
        return Farewell(why, since=now, until=until)
    if why == farewell.why or (farewell.hooked and why == GROUP):
        return farewell  # the same notice, read again
    return replace(farewell, until=min(farewell.until, until))


def _before_the_stop(farewell: Farewell, now: float) -> Optional[Act]:
    if farewell.out_at is None and now < farewell.since + UNTOLD_S:
        return Act.LEAVE_TRAFFIC
    quiet_at = farewell.since + UNTOLD_S if farewell.out_at is None else farewell.out_at + SETTLE_S
    if now < min(quiet_at, _stop_at(farewell)):
        return Act.SETTLE
    if farewell.empty_at is None and now < _stop_at(farewell):
        return Act.EMPTY
    return Act.STOP


def _stop_at(farewell: Farewell) -> float:
    return farewell.until - (farewell.until - farewell.since) / 4


def _end_of(text: str, now: float) -> float:
    """The time in a spot notice; two minutes from now when that can't be: unreadable, or a clock
    that is wrong, by which the host would be gone already."""
    try:
        said = str(json.loads(text)["time"]).replace("Z", "+00:00")
        moment = datetime.fromisoformat(said)
    except (ValueError, KeyError, TypeError):
        return now + SPOT_S
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    left = aware.timestamp() - now
    return now + (left if 0.0 < left <= 2 * SPOT_S else SPOT_S)
