"""One look: read where the switch stands, ask for tokens, read the witnesses, decide, act.

Everything is read anew in every look (level, not edge), and right before anything is written the
rule and the parameters are read again: whoever was overtaken by another run writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from provision.switch import hints
from provision.switch import intent as intents
from provision.switch.decide import Decision, decide
from provision.switch.errors import SwitchError
from provision.switch.policy import Policy
from provision.switch.rule import Rule
from provision.switch.values import ALL, Alarm, Mode, Outcome, Signals, State, Token, stamp
from provision.switch.world import Alarms, Notes, World

T = TypeVar("T")


class Applied(StrEnum):
    """What became of a decision."""

    NOTHING = "nothing to do"
    DONE = "done"
    OVERTAKEN = "overtaken"  # another run, or a person, was quicker
    FAILED = "failed"  # AWS refused: nothing was written
    DRY_RUN = "dry run"


@dataclass(frozen=True, slots=True)
class Found:
    """Where the switch stood when a look began."""

    rule: Rule
    notes: Notes
    state: State
    problem: str


@dataclass(frozen=True, slots=True)
class Looked:
    """A look that came to its end. *errors* did not keep it from deciding, but somebody must mend
    them, so the run fails with them."""

    decision: Decision
    signals: Signals
    alarms: Alarms
    applied: Applied
    problems: tuple[str, ...]
    errors: tuple[str, ...]


def begin(world: World, policy: Policy, now: float) -> Found:
    """Read the weights and what is remembered. Raises SwitchError: without these nobody decides."""
    rule, notes = world.rule(), world.notes()
    state, problem = hints.rebuilt(rule.share, notes.hints, policy, now)
    return Found(rule, notes, state, problem)


def finish(
    world: World,
    found: Found,
    tokens: tuple[Token, ...],
    proof: Token | None,
    policy: Policy,
    *,
    now: float,
    dry: bool = False,
) -> Looked:
    """Read the witnesses, decide, and act (not when *dry*)."""
    trouble: list[str] = []
    alarms = _or_trouble(world.alarms, trouble) or Alarms({})
    trouble += [f"there is no alarm {name}: `pulumi up` makes it again" for name in alarms.gone]
    intent = intents.parse(found.notes.intent, found.notes.intent_version, now)
    signals = Signals(
        intent=intent,
        primary=tokens,
        fallback=proof,
        alarms=alarms.roles,
        hosts=_or_trouble(world.hosts, trouble),
        spent_usd=_or_trouble(lambda: world.spent_usd(stamp(now)[:10]), trouble),
    )
    trouble += _mute(tokens)
    decision = decide(found.state, signals, policy, now)
    applied = Applied.DRY_RUN if dry else _apply(world, found, decision, trouble)
    problems = [found.problem, intent.problem, *trouble]
    said = tuple(problem for problem in problems if problem)
    return Looked(decision, signals, alarms, applied, said, tuple(trouble))


def worth_watching(looked: Looked) -> bool:
    """Something is not as it should be."""
    signals = looked.signals
    return (
        looked.decision.state.share < ALL
        or looked.applied is Applied.OVERTAKEN
        or signals.hosts is None
        or signals.hosts.unhealthy > 0
        or Alarm.ALARM in signals.alarms.values()
        or any(token.outcome is not Outcome.GOOD for token in signals.primary)
    )


def _or_trouble(read: Callable[[], T], trouble: list[str]) -> T | None:
    try:
        return read()
    except SwitchError as error:
        trouble.append(str(error))
        return None


def _mute(tokens: tuple[Token, ...]) -> list[str]:
    """A switch that can't ask can't trip: that must be known before it is needed."""
    unclear = {token.detail for token in tokens if token.outcome is Outcome.UNCLEAR}
    return [f"the switch can't ask the primary: {detail}" for detail in sorted(unclear)]


def _apply(world: World, found: Found, decision: Decision, trouble: list[str]) -> Applied:
    """Weights first: they are the truth, and what else fails is made anew from them."""
    if not _differs(found, decision):
        return Applied.NOTHING
    try:
        if _moved_on(world, found):
            return Applied.OVERTAKEN
        if decision.moves:
            world.move(found.rule, decision.state.share)
    except SwitchError as error:
        trouble.append(str(error))
        return Applied.FAILED
    remembered = _remember(world, found, decision.state, trouble)
    if remembered or decision.moves:  # else the next look would tell the same again
        _tell(world, decision, trouble)
    return Applied.DONE


def _remember(world: World, found: Found, state: State, trouble: list[str]) -> bool:
    """Floor the group's size, or let go of it, and write the hints; False if they can't be."""
    text = hints.text_of(_floored(world, state, trouble))
    before = len(trouble)
    if text != found.notes.hints:
        _or_trouble(lambda: world.put_hints(text), trouble)
    return len(trouble) == before


def _differs(found: Found, decision: Decision) -> bool:
    state = decision.state
    same = hints.text_of(state) == found.notes.hints
    floored = (state.floored is not None) is _needs_floor(state)
    return not (same and floored and not decision.moves and not decision.pages)


def _moved_on(world: World, found: Found) -> bool:
    notes = world.notes()
    here = (found.rule.share, found.notes.intent_version, found.notes.hints_version)
    return (world.rule().share, notes.intent_version, notes.hints_version) != here


def _needs_floor(state: State) -> bool:
    """The fleet has hardly any traffic. In an overload it has too much: it may grow then."""
    return state.share < ALL and state.mode is not Mode.PARTIAL


def _floored(world: World, state: State, trouble: list[str]) -> State:
    """Keep the group from shrinking while its hosts have no traffic, and let go afterwards."""
    processes = state.floored
    if _needs_floor(state) and processes is None:
        return replace(state, floored=_or_trouble(world.floor, trouble))
    if not _needs_floor(state) and processes is not None:
        before = len(trouble)
        _or_trouble(lambda: world.lift(processes), trouble)
        return state if len(trouble) > before else replace(state, floored=None)
    return state


def _tell(world: World, decision: Decision, trouble: list[str]) -> None:
    before, after = decision.before, decision.state
    if decision.transition:
        subject = f"llm-fleet switch: {before.mode} -> {after.mode}, primary {after.share} %"
        text = (
            f"{before.mode} {before.share} % -> {after.mode} {after.share} % of the traffic to the"
            f" fleet.\n\nWhy: {decision.reason}\nNext: {decision.next_step}\n"
        )
        _or_trouble(lambda: world.tell(subject, text), trouble)
    if decision.pages:
        text = "\n".join(decision.pages)
        _or_trouble(lambda: world.tell("llm-fleet switch: look at it", text), trouble)
