"""What holds of the decision for every state and every signal (hypothesis)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from provision.switch import hints
from provision.switch.decide import decide
from provision.switch.judge import judge, learnt
from provision.switch.policy import Policy
from provision.switch.values import (
    Alarm,
    Hosts,
    Intent,
    Mode,
    Outcome,
    Proof,
    Role,
    Run,
    Signals,
    State,
    Token,
    Wish,
)
from tests.switch.scenes import NOW

POLICY = Policy(daily_cap_usd=Decimal(50))
DAY = 86_400.0
LASTS = (NOW, NOW - 6, NOW - 1000)
SHARES = {
    Mode.PRIMARY: [100],
    Mode.PARTIAL: [70],
    Mode.FALLBACK: [0],
    Mode.HALF_OPEN: [0],
    Mode.RAMP: [5, 25, 50, 40, 99],
    Mode.FROZEN: [0],
}
# Made once: making a strategy takes longer than drawing from it.
PICK = {
    "mode and share": st.sampled_from([(mode, s) for mode, all_ in SHARES.items() for s in all_]),
    "since": st.sampled_from([NOW, NOW - 59, NOW - 60, NOW - 5000]),
    "hold_until": st.sampled_from([0.0, NOW, NOW + 200, NOW + 3600]),
    "hold_s": st.sampled_from([0.0, 300.0, 600.0, 2400.0, 3600.0]),
    "back_at": st.sampled_from([None, NOW, NOW - 3000, NOW - 4000]),
    "trips": st.sampled_from([(), (NOW - 10,), (NOW - 5, NOW), (NOW - DAY, *[NOW - 9] * 3)]),
    "run": st.sampled_from(
        [Run(n, last - span, last) for n in (0, 9, 10) for span in (30, 66) for last in LASTS]
    ),
    "proof": st.sampled_from(
        [
            Proof(good_at, asked_at, misses)
            for good_at in (None, NOW, NOW - 50, NOW - 100)
            for asked_at in (None, NOW, NOW - 6, NOW - 100)
            for misses in (0, 1, 2, 3)
        ]
    ),
    "version": st.sampled_from([None, 1, 2]),
    "paged": st.sampled_from([{}, {"both": NOW - 5, "x": NOW - DAY}, {"frozen": NOW - 1900}]),
}


@st.composite
def states(draw: st.DrawFn) -> State:
    said = {name: draw(strategy) for name, strategy in PICK.items()}
    (mode, share), version = said.pop("mode and share"), said.pop("version")
    return State(mode, share, intent_version=version, **said)


OUTCOMES = st.lists(st.sampled_from(Outcome), max_size=4) | st.sampled_from(Outcome).map(
    lambda outcome: [outcome] * 3
)
AT = st.sampled_from([NOW, NOW - 3])
SECONDS = st.sampled_from([0.1, 2.9, 3.1, 5.0])
WISHES = st.sampled_from(Wish)
EXPIRES = st.sampled_from([None, NOW + 60])
HOSTED = st.sampled_from([None, *Outcome])
ALARMS = st.dictionaries(st.sampled_from(Role), st.sampled_from(Alarm))
HOSTS = st.sampled_from(
    [None, Hosts(), Hosts(2), Hosts(1, 1), Hosts(0, 2), Hosts(0, 0, 1), Hosts(0, 1, 0, 1)]
)
SPENT = st.sampled_from([None, Decimal(0), Decimal(49), Decimal(50)])


@st.composite
def signals(draw: st.DrawFn, *, wish: Wish | None = None) -> Signals:
    at, seconds, hosted_said = draw(AT), draw(SECONDS), draw(HOSTED)
    return Signals(
        intent=Intent(wish or draw(WISHES), "ann", "why", draw(EXPIRES), draw(PICK["version"])),
        primary=tuple(Token(outcome, at, seconds) for outcome in draw(OUTCOMES)),
        fallback=None if hosted_said is None else Token(hosted_said, at, 0.5),
        alarms=draw(ALARMS),
        hosts=draw(HOSTS),
        spent_usd=draw(SPENT),
    )


every = given(state=states(), seen=signals())
automatic = given(state=states(), seen=signals(wish=Wish.AUTO))


@settings(max_examples=150)
@every
def test_decided_twice_changes_nothing_more(state: State, seen: Signals) -> None:
    """Two runs at the same moment, or one that is repeated: the same weights, nobody told again."""
    first = decide(state, seen, POLICY, NOW)
    second = decide(first.state, seen, POLICY, NOW)
    assert second.state == first.state
    assert not second.pages
    assert not second.transition


@settings(max_examples=150)
@automatic
def test_traffic_never_goes_to_a_fallback_that_is_not_proven(state: State, seen: Signals) -> None:
    """Less for the fleet means: a hosted token within the last minute, and money left."""
    decision = decide(state, seen, POLICY, NOW)
    if decision.state.share < state.share:
        proof = learnt(state.proof, seen.fallback)
        assert proof.misses == 0
        assert proof.good_at is not None
        assert NOW - proof.good_at <= POLICY.proof_fresh_s
        assert seen.spent_usd is not None
        assert seen.spent_usd < 50


@settings(max_examples=150)
@automatic
def test_traffic_leaves_on_two_witnesses_only(state: State, seen: Signals) -> None:
    """Own tokens, and somebody else; on the way back the own ones are enough."""
    decision = decide(state, seen, POLICY, NOW)
    judged = judge(state, seen, POLICY, NOW)
    if decision.state.share < state.share:
        assert judged.own_dead or judged.own_slow
        if state.mode is not Mode.RAMP:
            assert judged.dead or judged.overloaded
    if decision.state.share == 0 and state.share > 0 and state.mode is not Mode.RAMP:
        assert judged.dead


@settings(max_examples=150)
@automatic
def test_traffic_comes_back_on_good_tokens_or_from_a_dead_fallback_only(
    state: State, seen: Signals
) -> None:
    """No alarm, no host and no passage of time alone brings any of it back."""
    decision = decide(state, seen, POLICY, NOW)
    judged = judge(replace(state, proof=learnt(state.proof, seen.fallback)), seen, POLICY, NOW)
    if decision.state.share > state.share:
        assert judged.own_good or judged.fallback_dead or state.mode is Mode.PARTIAL
        if state.mode is Mode.PARTIAL and not judged.fallback_dead:
            assert state.run.count + 1 >= POLICY.probes


@settings(max_examples=150)
@automatic
def test_nothing_comes_back_before_the_hold_ends_unless_the_fallback_is_dead(
    state: State, seen: Signals
) -> None:
    """Holds are kept, and never shortened."""
    decision = decide(state, seen, POLICY, NOW)
    holding = state.mode in (Mode.FALLBACK, Mode.PARTIAL) and state.hold_until > NOW
    judged = judge(replace(state, proof=learnt(state.proof, seen.fallback)), seen, POLICY, NOW)
    if holding and not judged.fallback_dead:
        assert decision.state.share <= state.share
        if decision.state.mode is state.mode:
            assert decision.state.hold_until == state.hold_until


@settings(max_examples=150)
@every
def test_weights_are_pairs_that_the_policy_names(state: State, seen: Signals) -> None:
    """Whoever finds other ones knows that somebody edited them by hand."""
    decision = decide(state, seen, POLICY, NOW)
    assert sum(decision.state.weights) == 100
    assert decision.state.share in POLICY.shares or decision.state.share == state.share


@settings(max_examples=150)
@every
def test_the_state_fits_its_weights_and_survives_the_hints(state: State, seen: Signals) -> None:
    """What is written is read again as the same state."""
    after = decide(state, seen, POLICY, NOW).state
    again, problem = hints.rebuilt(after.share, hints.text_of(after), POLICY, NOW)
    assert problem == ""
    assert (again.mode, again.share, again.hold_until) == (
        after.mode,
        after.share,
        after.hold_until,
    )


@every
def test_a_trip_is_counted_once(state: State, seen: Signals) -> None:
    """At most one trip more, and it holds for as long as the policy allows."""
    decision = decide(state, seen, POLICY, NOW)
    if decision.tripped:
        assert decision.state.share == 0
        assert decision.state.trips[-1] == NOW
        assert POLICY.hold_s <= decision.state.hold_s <= POLICY.hold_cap_s
        assert decision.state.hold_until == NOW + decision.state.hold_s


@given(state=states(), seen=signals(wish=Wish.FORCE_FALLBACK))
def test_a_forced_fallback_wins(state: State, seen: Signals) -> None:
    """Whatever is seen, and wherever the switch stood."""
    decision = decide(state, seen, POLICY, NOW)
    assert (decision.state.mode, decision.state.share) == (Mode.FALLBACK, 0)
    assert not decision.tripped


@given(state=states(), seen=signals(wish=Wish.FORCE_PRIMARY))
def test_a_forced_primary_wins(state: State, seen: Signals) -> None:
    """Whatever is seen, and wherever the switch stood."""
    decision = decide(state, seen, POLICY, NOW)
    assert (decision.state.mode, decision.state.share) == (Mode.PRIMARY, 100)


@given(state=states(), seen=signals(wish=Wish.FREEZE))
def test_freeze_moves_nothing(state: State, seen: Signals) -> None:
    """Neither weights nor mode, nor the hold."""
    after = decide(state, seen, POLICY, NOW).state
    assert (after.mode, after.share, after.hold_until) == (
        state.mode,
        state.share,
        state.hold_until,
    )


@settings(max_examples=150)
@given(kinds=st.lists(st.sampled_from(["well", "dead", "dead", "mixed"]), min_size=5, max_size=200))
def test_one_fault_is_one_trip(kinds: list[str]) -> None:
    """However the fleet flutters, within one hold there is one trip at most, and after every trip
    the weights only rise until the next one."""
    state = State(Mode.PRIMARY, 100, NOW - DAY)
    trips, previous = [], 100
    for number, kind in enumerate(kinds):
        now = NOW + 6.0 * number
        outcome = Outcome.GOOD if kind == "well" else Outcome.FAILED
        both = (Outcome.FAILED, Outcome.GOOD, Outcome.GOOD)
        said = both if kind == "mixed" else (outcome,) * 3
        seen = Signals(
            primary=tuple(Token(each, now, 0.2) for each in said),
            fallback=Token(Outcome.GOOD, now, 0.5),
            alarms={Role.CANARY: Alarm.ALARM},
            spent_usd=Decimal(0),
        )
        decision = decide(state, seen, POLICY, now)
        if decision.tripped:
            trips.append(now)
        else:
            assert decision.state.share >= previous
        state, previous = decision.state, decision.state.share
    assert all(later - earlier >= POLICY.hold_s for earlier, later in pairwise(trips))
