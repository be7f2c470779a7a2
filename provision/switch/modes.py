"""What each mode does with what is seen. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from provision.switch import judge as judging
from provision.switch.moves import all_back, climb, freed, rescue, shed, trip
from provision.switch.step import Look, Step, doubts, hold_text, run_text
from provision.switch.values import Mode, Run, State, stamp


class ModeStep(Protocol):
    """One mode: keeps the state, or moves on."""

    def __call__(self, state: State, look: Look) -> Step:
        """Decide."""


def _primary(state: State, look: Look) -> Step:
    seen = look.seen
    if seen.dead:
        return _unless_blocked(trip(state, look, "the fleet is dead"), state, look)
    if seen.overloaded:
        return _unless_blocked(shed(state, look), state, look)
    reason = doubts(look) or "the fleet serves"
    if state.proof.misses < look.policy.hosted_misses:
        return Step(state, reason, "watch the fleet")
    blocked = ("no way out", f"the way out is blocked: {seen.unusable}")
    return Step(state, reason, "watch the fleet", (blocked,))


def _partial(state: State, look: Look) -> Step:
    seen, policy = look.seen, look.policy
    if seen.fallback_dead:
        return rescue(state, look)
    if seen.dead:
        return _unless_blocked(trip(state, look, "the fleet is dead"), state, look)
    state = replace(state, run=judging.counted(state.run, look.signals.primary, policy))
    if look.now < state.hold_until:
        return Step(state, "shedding: the hold has not ended", hold_text(state))
    if seen.waiting or seen.busy:
        return Step(state, "shedding: the engines have no room for more yet", "wait for room")
    if not judging.long_enough(state.run, policy):
        return Step(state, "shedding: the fleet has to prove itself", run_text(state, policy))
    return all_back(state, look, "the overload is over")


def _fallback(state: State, look: Look) -> Step:
    if look.seen.fallback_dead:
        return _on_a_dead_fallback(state, look)
    if look.now < state.hold_until:
        return Step(state, "away: the hold has not ended", hold_text(state))
    asking = replace(state, mode=Mode.HALF_OPEN, since=look.now, run=Run())
    return Step(asking, "the hold has ended: asking the fleet", run_text(asking, look.policy))


def _half_open(state: State, look: Look) -> Step:
    if look.seen.fallback_dead:
        return _on_a_dead_fallback(state, look)
    state = replace(state, run=judging.counted(state.run, look.signals.primary, look.policy))
    if look.seen.own_good and judging.long_enough(state.run, look.policy):
        return climb(state, look, f"{state.run.count} good tokens in a row")
    return Step(state, "away: asking the fleet", run_text(state, look.policy))


def _ramp(state: State, look: Look) -> Step:
    seen = look.seen
    if seen.fallback_dead:
        return _on_a_dead_fallback(state, look) if seen.own_dead else rescue(state, look)
    # On the way back the switch's own word is enough: the fallback is right there.
    if seen.own_dead or seen.overloaded:
        what = "the fleet failed on the way back"
        return _unless_blocked(trip(state, look, what), state, look)
    ends = state.since + look.policy.ramp_step_s
    if look.now < ends:
        return Step(state, "on the way back", f"the next step at {stamp(ends)}")
    if not seen.own_good:
        return Step(state, "on the way back: the last tokens were not good", "wait for good ones")
    return climb(state, look, f"{state.share} % went well for {look.now - state.since:.0f} s")


def _frozen(state: State, look: Look) -> Step:
    if look.signals.intent.version != state.intent_version:
        return freed(state, look)
    if look.seen.fallback_dead and look.seen.own_good:
        return rescue(state, look)
    text = f"{len(state.trips)} trips within a day: frozen until a person looks"
    return Step(state, text, "an intent (`fab fallback.auto`) frees it", (("frozen", text),))


BY_MODE: Mapping[Mode, ModeStep] = MappingProxyType(
    {
        Mode.PRIMARY: _primary,
        Mode.PARTIAL: _partial,
        Mode.FALLBACK: _fallback,
        Mode.HALF_OPEN: _half_open,
        Mode.RAMP: _ramp,
        Mode.FROZEN: _frozen,
    }
)


def _unless_blocked(step: Step, state: State, look: Look) -> Step:
    """*step*, if there is somewhere to go.

    If not, the load balancer sends to all hosts, broken or not: as good as it gets.
    """
    if not look.seen.unusable:
        return step
    text = f"{step.reason}; the fallback can't take over: {look.seen.unusable}"
    return Step(state, text, "move as soon as the fallback can take over", (("blocked", text),))


def _on_a_dead_fallback(state: State, look: Look) -> Step:
    if look.seen.own_good:
        return rescue(state, look)
    text = f"the fleet and the fallback are dead: {look.seen.unusable}"
    return Step(state, text, "whichever answers first gets the traffic", (("both", text),))
