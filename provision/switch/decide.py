"""What to do: a state, one look's signals, a policy and the time in, a decision out. Pure.

Decided twice at the same moment, the second decision changes nothing. Traffic leaves the fleet on
two independent witnesses; it comes back on tokens that the switch asked for itself, never because
an alarm went OK: without traffic, alarms do that by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from provision.switch.forced import BY_WISH
from provision.switch.judge import judge, learnt
from provision.switch.modes import BY_MODE
from provision.switch.policy import Policy
from provision.switch.step import Look, Pages, Step
from provision.switch.values import Signals, State

_MOST_STEPS = 6  # no chain of modes within one look is longer


@dataclass(frozen=True, slots=True)
class Decision:
    """What the switch does now, and why.

    Attributes:
        before: the state that was found.
        state: the state from now on; its share is the weight to write.
        reason: why, in words.
        next_step: what comes next, and when.
        pages: what a person is to be told now, beside the transition itself.
    """

    before: State
    state: State
    reason: str
    next_step: str
    pages: tuple[str, ...] = ()

    @property
    def moves(self) -> bool:
        """The weights change."""
        return self.state.share != self.before.share

    @property
    def transition(self) -> bool:
        """The weights or the mode change: people hear of it."""
        return self.moves or self.state.mode is not self.before.mode

    @property
    def tripped(self) -> bool:
        """The switch took all traffic off the fleet, on the signals and not on an intent."""
        newest = self.state.trips[-1:]
        return self.moves and self.state.share == 0 and newest != self.before.trips[-1:]


def decide(state: State, signals: Signals, policy: Policy, now: float) -> Decision:
    """Decide. *state* has the weights as the rule has them (:mod:`provision.switch.hints`)."""
    known = replace(state, proof=learnt(state.proof, signals.fallback))
    look = Look(signals, judge(known, signals, policy, now), policy, now)
    forced = BY_WISH.get(signals.intent.wish)
    step = forced(known, look) if forced else _until_stable(known, look)
    pages, paged = _due(step.pages, state, policy, now)
    return Decision(state, replace(step.state, paged=paged), step.reason, step.next_step, pages)


def _until_stable(state: State, look: Look) -> Step:
    """One mode hands over to the next until one keeps it; the first that moved says why."""
    pages, reason = Pages(), ""
    for _ in range(_MOST_STEPS):
        step = BY_MODE[state.mode](state, look)
        pages += step.pages
        if (step.state.mode, step.state.share) == (state.mode, state.share):
            break
        state, reason = step.state, reason or step.reason
    return Step(step.state, reason or step.reason, step.next_step, pages)


def _due(
    pages: Pages, state: State, policy: Policy, now: float
) -> tuple[tuple[str, ...], dict[str, float]]:
    """The pages that were not sent lately, and the memory of those that were."""
    recent = {name: at for name, at in state.paged.items() if now - at < policy.page_again_s}
    new = {name: text for name, text in pages if name not in recent}
    return tuple(new.values()), {**recent, **dict.fromkeys(new, now)}
