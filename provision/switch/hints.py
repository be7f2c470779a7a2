"""What the switch remembers between two looks, beside the weights: one SSM parameter.

The weights are the truth. Hints that were written for other weights, or can't be read, are made
anew from the weights; what they say of time is kept within what can be.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from provision.switch.policy import Policy
from provision.switch.values import ALL, AWAY, Mode, Proof, Run, State

FORMAT = 1
_DAY_S = 86_400.0


def text_of(state: State) -> str:
    """The parameter's text."""
    run, proof = state.run, state.proof
    document = {
        "format": FORMAT,
        "mode": state.mode,
        "share": state.share,
        "since": state.since,
        "hold_until": state.hold_until,
        "hold_s": state.hold_s,
        "back_at": state.back_at,
        "trips": list(state.trips),
        "run": [run.count, run.first, run.last],
        "proof": [proof.good_at, proof.asked_at, proof.misses],
        "intent_version": state.intent_version,
        "paged": dict(state.paged),
        "floored": None if state.floored is None else list(state.floored),
    }
    return json.dumps(document, separators=(",", ":"))


def rebuilt(share: int, text: str | None, policy: Policy, now: float) -> tuple[State, str]:
    """The state that weights and hints show together, and what was wrong with the hints."""
    if text is None:
        return _from_weights(share, policy, now), "" if share == ALL else "there are no hints"
    try:
        told = _parse(text)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return _from_weights(share, policy, now), f"the hints can't be read: {error!r}"
    told = _bounded(told, policy, now)
    if told.share == share:
        return told, ""
    return _moved(told, share, policy, now), (
        f"the hints were written for {told.share} %, the rule has {share} %: the rule wins"
    )


def _moved(told: State, share: int, policy: Policy, now: float) -> State:
    """Somebody moved the weights since: a run that died before it wrote hints, or a person.

    All traffic taken off counts as a trip, lest a run that dies each time never freezes.
    """
    found = _from_weights(share, policy, now)
    hold_s = max(told.hold_s, found.hold_s)
    return replace(
        found,
        hold_s=hold_s,
        hold_until=now + hold_s if found.hold_until else 0.0,
        back_at=now if share == ALL else told.back_at,
        trips=(*told.trips, now) if share == 0 else told.trips,
        proof=told.proof,
        paged=told.paged,
        floored=told.floored,
    )


def _from_weights(share: int, policy: Policy, now: float) -> State:
    """What the weights alone say. Shares that the switch never writes are a step of the ramp."""
    if share == ALL:
        return State(Mode.PRIMARY, share, now)
    if share == 0:
        hold_until, hold_s = now + policy.hold_s, policy.hold_s
        return State(Mode.FALLBACK, share, now, hold_until=hold_until, hold_s=hold_s)
    if share == policy.partial_share:
        hold_until, hold_s = now + policy.hold_s, policy.hold_s
        return State(Mode.PARTIAL, share, now, hold_until=hold_until, hold_s=hold_s)
    return State(Mode.RAMP, share, now, hold_s=policy.hold_s)


def _parse(text: str) -> State:
    said: dict[str, Any] = json.loads(text, parse_constant=_refuse)
    if said["format"] != FORMAT:
        raise ValueError(f"format {said['format']}")
    mode, share = Mode(said["mode"]), int(said["share"])
    if not _fits(mode, share):
        raise ValueError(f"{mode} with {share} %")
    count, first, last = said["run"]
    good_at, asked_at, misses = said["proof"]
    version = said["intent_version"]
    return State(
        mode=mode,
        share=share,
        since=float(said["since"]),
        hold_until=float(said["hold_until"]),
        hold_s=float(said["hold_s"]),
        back_at=_maybe(said["back_at"]),
        trips=tuple(float(trip) for trip in said["trips"]),
        run=Run(int(count), float(first), float(last)),
        proof=Proof(_maybe(good_at), _maybe(asked_at), int(misses)),
        intent_version=None if version is None else int(version),
        paged={str(name): float(at) for name, at in said["paged"].items()},
        floored=None if said["floored"] is None else tuple(map(str, said["floored"])),
    )


def _fits(mode: Mode, share: int) -> bool:
    """Whether a mode can have this share at all."""
    if mode is Mode.PRIMARY:
        return share == ALL
    return share == 0 if mode in AWAY else 0 < share < ALL


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _maybe(said: Any) -> float | None:
    return None if said is None else float(said)


def _bounded(told: State, policy: Policy, now: float) -> State:
    """No moment but the hold's end lies ahead, and that one not further than a hold can be.

    Whoever wrote a moment ahead of us had another clock.
    """
    good_at, asked_at = told.proof.good_at, told.proof.asked_at
    run = told.run if told.run.last <= now else Run()
    return replace(
        told,
        since=min(told.since, now),
        hold_until=min(told.hold_until, now + policy.hold_cap_s),
        hold_s=min(max(told.hold_s, 0.0), policy.hold_cap_s),
        back_at=None if told.back_at is None else min(told.back_at, now),
        trips=tuple(min(trip, now) for trip in told.trips if trip > now - _DAY_S),
        run=run,
        proof=replace(
            told.proof,
            good_at=None if good_at is None else min(good_at, now),
            asked_at=None if asked_at is None else min(asked_at, now),
        ),
        paged={name: min(at, now) for name, at in told.paged.items()},
    )
