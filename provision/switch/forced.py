"""What a person's intent does, whatever the signals say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from provision.switch.modes import ModeStep
from provision.switch.moves import returned
from provision.switch.step import Look, Pages, Step, told_by, until
from provision.switch.values import Mode, Run, State, Wish


def _to_the_fallback(state: State, look: Look) -> Step:
    """Dead or not. Afterwards there is no hold to wait for."""
    intent, pages = look.signals.intent, Pages()
    if look.seen.fallback_dead:
        pages = (("both", f"forced to a fallback that is of no use: {look.seen.unusable}"),)
    since = state.since if state.share == 0 and state.mode is Mode.FALLBACK else look.now
    away = replace(state, mode=Mode.FALLBACK, share=0, since=since, hold_until=0.0, run=Run())
    return Step(away, told_by(intent), until(intent), pages)


def _to_the_primary(state: State, look: Look) -> Step:
    intent, pages = look.signals.intent, Pages()
    if look.seen.dead:
        pages = (("forced", f"forced to a fleet that is dead: {', '.join(look.seen.witnesses)}"),)
    back = state if state.mode is Mode.PRIMARY else returned(state, look.now)
    return Step(back, told_by(intent), until(intent), pages)


def _as_it_is(state: State, look: Look) -> Step:
    intent, pages = look.signals.intent, Pages()
    if look.seen.dead and state.share > 0:
        pages = (("kept", f"the fleet is dead and keeps its traffic: {told_by(intent)}"),)
    return Step(state, told_by(intent), until(intent), pages)


BY_WISH: Mapping[Wish, ModeStep] = MappingProxyType(
    {
        Wish.FORCE_FALLBACK: _to_the_fallback,
        Wish.FORCE_PRIMARY: _to_the_primary,
        Wish.FREEZE: _as_it_is,
    }
)
