"""A rollout for which nobody would be left to serve: the fallback carries the traffic meanwhile.

Nothing here moves traffic. The wish is written, the switch moves, and when the wish is over the
switch asks the hosts before it gives anything back. Whoever dies in the middle leaves a wish that
runs out by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from provision.planning.actions import LeaveTraffic
from provision.planning.fallback import Mode, Wish
from provision.planning.levers import PutWish, WaitShare
from provision.planning.plan import Plan, Step, Wave

AWAY_TIMEOUT_S = 180.0
LASTS_S = 2 * 3600.0


def carried(plan: Plan, *, by: str, now: float) -> Plan:
    """*plan*, with all traffic on the fallback from before the first host leaves until its end.

    A plan in which no host leaves traffic stays as it is.
    """
    waves = tuple(_with_departure(plan, by=by, now=now))
    if len(waves) == len(plan.waves):
        return plan
    over = PutWish(Wish(Mode.AUTO, by, f"it is over: {plan.title}"))
    back = Step(None, "end the wish", "the switch asks the hosts, then gives it back", over)
    return replace(
        plan,
        waves=waves,
        notes=(*plan.notes, "the fallback answers meanwhile: hosted answers cost money"),
        afterwards=(*plan.afterwards, back),
        intent=None if plan.intent is None else replace(plan.intent, carried=True),
    )


def is_carried(plan: Plan) -> bool:
    """Whether the fallback has the traffic while *plan* is carried out."""
    return any(isinstance(step.action, PutWish) for step in plan.afterwards)


def _with_departure(plan: Plan, *, by: str, now: float) -> Iterator[Wave]:
    gone = False
    for wave in plan:
        if not gone and any(isinstance(step.action, LeaveTraffic) for step in wave.steps):
            gone = True
            yield _departure(plan.title, by=by, now=now)
        yield wave


def _departure(title: str, *, by: str, now: float) -> Wave:
    wish = PutWish(Wish(Mode.ON, by, title, now + LASTS_S))
    wait = WaitShare(0, AWAY_TIMEOUT_S)
    return Wave(
        "to the fallback",
        (
            Step(None, "wish for the fallback", "nobody else would serve", wish),
            Step(None, "wait until our own hosts get 0 %", "the switch moves it", wait),
        ),
        needs_all=True,
    )
