"""The moves of the switch: from one state to the next, each with its reason. Pure."""

from __future__ import annotations

from dataclasses import replace

from provision.switch.step import Look, Step, evidence
from provision.switch.values import ALL, Mode, Run, State

DAY_S = 86_400.0


def trip(state: State, look: Look, what: str) -> Step:
    """All traffic to the fallback; too often in a day, and a person has to look."""
    now, policy = look.now, look.policy
    trips = (*(trip for trip in state.trips if trip > now - DAY_S), now)
    hold_s = _hold_s(state, look)
    frozen = len(trips) >= policy.trips_a_day
    away = replace(
        state,
        mode=Mode.FROZEN if frozen else Mode.FALLBACK,
        share=0,
        since=now,
        hold_s=hold_s,
        hold_until=now + hold_s,
        trips=trips,
        run=Run(),
        intent_version=look.signals.intent.version if frozen else None,
    )
    return Step(away, f"{what}: {evidence(look)}")


def shed(state: State, look: Look) -> Step:
    """A part of the traffic to the fallback."""
    hold_s = _hold_s(state, look)
    shedding = replace(
        state,
        mode=Mode.PARTIAL,
        share=look.policy.partial_share,
        since=look.now,
        hold_s=hold_s,
        hold_until=look.now + hold_s,
        run=Run(),
    )
    return Step(shedding, f"the fleet is overloaded: {evidence(look)}")


def climb(state: State, look: Look, reason: str) -> Step:
    """The next step of the ramp above the present share; after the last one the fleet has all."""
    higher = [step for step in look.policy.ramp if step > state.share]
    if not higher:
        return all_back(state, look, reason)
    climbed = replace(state, mode=Mode.RAMP, share=higher[0], since=look.now, run=Run())
    return Step(climbed, f"on the way back: {reason}")


def all_back(state: State, look: Look, reason: str) -> Step:
    """All traffic to the fleet."""
    return Step(returned(state, look.now), f"the fleet has all traffic again: {reason}")


def returned(state: State, now: float) -> State:
    """The state in which the fleet has all traffic."""
    return replace(
        state,
        mode=Mode.PRIMARY,
        share=ALL,
        since=now,
        hold_until=0.0,
        back_at=now if state.share < ALL else state.back_at,
        run=Run(),
        intent_version=None,
    )


def rescue(state: State, look: Look) -> Step:
    """What goes to the fallback is lost, so the fleet gets all, hold or not."""
    text = f"the fallback is dead, so the fleet gets all traffic: {look.seen.unusable}"
    return Step(returned(state, look.now), text)


def freed(state: State, look: Look) -> Step:
    """A person looked: the fleet is asked at once, with a clean record."""
    free = replace(
        state,
        mode=Mode.FALLBACK,
        since=look.now,
        hold_until=0.0,
        trips=(),
        intent_version=None,
    )
    return Step(free, "a person wrote an intent: no longer frozen")


def _hold_s(state: State, look: Look) -> float:
    """Twice the last hold when the fleet fails again soon after it came back."""
    policy = look.policy
    if state.mode is Mode.PARTIAL:
        return state.hold_s  # the same trouble, grown worse
    again = state.back_at is not None and look.now - state.back_at <= policy.retrip_window_s
    if state.mode is Mode.RAMP or again:
        return min(policy.hold_cap_s, max(policy.hold_s, 2 * state.hold_s))
    return policy.hold_s
