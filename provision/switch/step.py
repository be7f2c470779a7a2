"""What one mode of the switch decides from, what it says, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass

from provision.switch.judge import Judgement
from provision.switch.policy import Policy
from provision.switch.values import Intent, Signals, State, stamp

Pages = tuple[tuple[str, str], ...]
"""What a person is to be told: under which name it is remembered, and the text."""


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that a mode decides from."""

    signals: Signals
    seen: Judgement
    policy: Policy
    now: float


@dataclass(frozen=True, slots=True)
class Step:
    """One mode's word: the state from now on, why, what comes next, and whom to tell what."""

    state: State
    reason: str
    next_step: str = ""
    pages: Pages = ()


def evidence(look: Look) -> str:
    """Everything that speaks against the fleet."""
    asked = len(look.signals.primary)
    queue = ("requests wait in the engines",) if look.seen.waiting else ()
    return ", ".join((*look.seen.witnesses, *queue, f"{asked} own tokens: {details(look)}"))


def doubts(look: Look) -> str:
    """One witness alone says that something is wrong; "" when none does."""
    seen = look.seen
    if seen.witnesses:
        return f"{', '.join(seen.witnesses)}; the switch's own tokens say else: {details(look)}"
    if seen.own_dead:
        return f"no own token, and nobody else says that the fleet is dead: {details(look)}"
    return ""


def details(look: Look) -> str:
    """What the switch's own tokens brought, each kind of answer once."""
    said = (token.detail or token.outcome for token in look.signals.primary)
    return "; ".join(dict.fromkeys(said)) or "not asked"


def hold_text(state: State) -> str:
    """When the hold ends."""
    return f"the hold of {state.hold_s:.0f} s ends at {stamp(state.hold_until)}"


def run_text(state: State, policy: Policy) -> str:
    """How much of the proof is there."""
    run = state.run
    count = f"{run.count} of {policy.probes} good tokens in a row"
    return f"{count}, over {run.span_s:.0f} of {policy.probes_span_s:.0f} s"


def told_by(intent: Intent) -> str:
    """Who wants it, and why."""
    return f"{intent.wish} by {intent.by}: {intent.reason}"


def until(intent: Intent) -> str:
    """How long an intent is in force."""
    if intent.expires_at is None:
        return "until somebody writes another intent"
    return f"until {stamp(intent.expires_at)}"
