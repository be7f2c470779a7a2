"""The decision, row by row."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from provision.switch.decide import Decision, decide
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
    Wish,
)
from tests.switch.scenes import (
    DOWN,
    NOW,
    POLICY,
    WELL,
    away,
    dead,
    hosted,
    overloaded,
    primary,
    ramping,
    tokens,
    wants,
    well,
)

DAY = 86_400.0


def where(decision: Decision) -> tuple[Mode, int]:
    return decision.state.mode, decision.state.share


class TestTripping:
    @pytest.mark.parametrize(
        ("signals", "expected"),
        [
            pytest.param(well(), (Mode.PRIMARY, 100), id="all is well"),
            pytest.param(dead(), (Mode.FALLBACK, 0), id="canaries and own tokens fail"),
            pytest.param(dead(alarms={}), (Mode.FALLBACK, 0), id="alarms gone, no healthy host"),
            pytest.param(
                dead(hosts=None), (Mode.FALLBACK, 0), id="targets unknown, canaries and tokens fail"
            ),
            pytest.param(
                dead(alarms={Role.ERRORS: Alarm.ALARM}, hosts=WELL),
                (Mode.FALLBACK, 0),
                id="only users see it: the load balancer's errors and own tokens",
            ),
            pytest.param(
                dead(alarms={}, hosts=Hosts(leaving=1)), (Mode.FALLBACK, 0), id="the only host left"
            ),
            pytest.param(
                dead(primary=tokens(Outcome.GOOD)),
                (Mode.PRIMARY, 100),
                id="a bad agent fails every canary while tokens come",
            ),
            pytest.param(
                dead(alarms={}, hosts=WELL), (Mode.PRIMARY, 100), id="nobody but the switch says so"
            ),
            pytest.param(
                dead(alarms={Role.CANARY: Alarm.INSUFFICIENT_DATA}, hosts=WELL),
                (Mode.PRIMARY, 100),
                id="CloudWatch is silent",
            ),
            pytest.param(
                dead(alarms={Role.ERRORS: Alarm.ALARM, Role.QUEUE: Alarm.ALARM}, hosts=WELL),
                (Mode.PARTIAL, 70),
                id="errors beside a queue are those of a full one",
            ),
            pytest.param(
                dead(primary=tokens(Outcome.FAILED, Outcome.FAILED, Outcome.GOOD)),
                (Mode.PRIMARY, 100),
                id="one of three tokens came",
            ),
            pytest.param(
                dead(primary=tokens(Outcome.FAILED, Outcome.FAILED)),
                (Mode.PRIMARY, 100),
                id="too few tokens were asked",
            ),
            pytest.param(
                dead(primary=tokens(Outcome.UNCLEAR)),
                (Mode.PRIMARY, 100),
                id="the switch could not ask",
            ),
            pytest.param(
                dead(primary=tokens(Outcome.FAILED, Outcome.FAILED, Outcome.UNCLEAR)),
                (Mode.PRIMARY, 100),
                id="it could not ask all",
            ),
            pytest.param(dead(primary=()), (Mode.PRIMARY, 100), id="nobody asked"),
            pytest.param(
                dead(primary=tokens(Outcome.FULL)), (Mode.PRIMARY, 100), id="full is not dead"
            ),
            pytest.param(
                dead(fallback=hosted(Outcome.FAILED)),
                (Mode.PRIMARY, 100),
                id="the fallback gives no token",
            ),
            pytest.param(
                dead(fallback=hosted(Outcome.UNCLEAR), alarms={}, hosts=WELL),
                (Mode.PRIMARY, 100),
                id="one witness, and the fallback can't be asked",
            ),
        ],
    )
    def test_the_fleet_serves_so_far(self, signals: Signals, expected: tuple[Mode, int]) -> None:
        """Two independent witnesses, and a fallback that is proven; else nothing moves."""
        assert where(decide(primary(), signals, POLICY, NOW)) == expected

    def test_hosts_that_were_taken_out_are_not_counted(self) -> None:
        """One is being restarted, the other serves: nobody says that the fleet is dead."""
        hosts = Hosts(healthy=1, leaving=1)
        decision = decide(primary(), dead(alarms={}, hosts=hosts), POLICY, NOW)
        assert where(decision) == (Mode.PRIMARY, 100)

    def test_a_trip_holds_and_is_remembered(self) -> None:
        """The reason names each witness and what the tokens brought; the next step has a time."""
        decision = decide(primary(), dead(), POLICY, NOW)
        assert decision.tripped
        assert (decision.state.hold_until, decision.state.trips) == (NOW + 300, (NOW,))
        assert decision.reason == (
            "the fleet is dead: the hosts' canaries fail, none of 2 hosts is healthy, "
            "3 own tokens: HTTP 502"
        )
        assert decision.next_step == "the hold of 300 s ends at 2026-11-21T03:05:00Z"

    @pytest.mark.parametrize(
        ("proof", "why"),
        [
            (Proof(), "the fallback never gave a token"),
            (Proof(NOW - 61, NOW - 61), "the fallback gave its last token 61 s ago"),
            (Proof(NOW - 10, NOW - 5, misses=1), "the fallback failed 1 times in a row"),
        ],
    )
    def test_an_unproven_fallback_gets_nothing_and_a_person_hears(
        self, proof: Proof, why: str
    ) -> None:
        """Staying is as good: with no healthy host the load balancer sends to all of them."""
        decision = decide(primary(proof=proof), dead(fallback=None), POLICY, NOW)
        assert where(decision) == (Mode.PRIMARY, 100)
        assert len(decision.pages) == 1
        assert decision.pages[0].endswith(f"the fallback can't take over: {why}")

    @pytest.mark.parametrize(
        ("policy", "spent", "moves"),
        [
            (Policy(daily_cap_usd=Decimal(50)), Decimal("49.99"), True),
            (Policy(daily_cap_usd=Decimal(50)), Decimal(50), False),
            (Policy(daily_cap_usd=Decimal(50)), None, False),
            (Policy(daily_cap_usd=Decimal(50), trip_without_spend=True), None, True),
            (Policy(daily_cap_usd=Decimal(0)), Decimal(0), False),
            (Policy(daily_cap_usd=Decimal(0), trip_without_spend=True), None, False),
            (Policy(), Decimal(1_000_000), True),
        ],
    )
    def test_there_must_be_money_left(
        self, policy: Policy, spent: Decimal | None, moves: bool
    ) -> None:
        """A cap of 0 never trips; an unknown sum trips only if the policy says so."""
        decision = decide(primary(), dead(spent_usd=spent), policy, NOW)
        assert decision.moves is moves

    def test_the_same_trouble_is_told_once_in_half_an_hour(self) -> None:
        """A page that is repeated with every look would be switched off."""
        broke = Proof(asked_at=NOW, misses=5)
        first = decide(primary(proof=broke), dead(fallback=None), POLICY, NOW)
        soon = decide(first.state, dead(NOW + 60, fallback=None), POLICY, NOW + 60)
        later = decide(soon.state, dead(NOW + 1801, fallback=None), POLICY, NOW + 1801)
        assert [len(d.pages) for d in (first, soon, later)] == [1, 0, 1]

    def test_a_blocked_way_out_is_told_before_it_is_needed(self) -> None:
        """The fleet serves, but the fallback failed three times in a row."""
        proof = Proof(good_at=NOW - 900, asked_at=NOW - 30, misses=2)
        decision = decide(primary(proof=proof), well(fallback=hosted(Outcome.FAILED)), POLICY, NOW)
        assert decision.pages == ("the way out is blocked: the fallback failed 3 times in a row",)


class TestOverload:
    def test_a_part_leaves(self) -> None:
        """Overloaded is not dead."""
        decision = decide(primary(), overloaded(), POLICY, NOW)
        assert where(decision) == (Mode.PARTIAL, 70)
        assert not decision.tripped

    @pytest.mark.parametrize(
        "signals",
        [
            pytest.param(overloaded(primary=tokens(Outcome.GOOD)), id="tokens come in time"),
            pytest.param(overloaded(alarms={}), id="nobody waits"),
            pytest.param(
                overloaded(primary=tokens(Outcome.UNCLEAR)), id="the switch could not ask"
            ),
            pytest.param(overloaded(fallback=hosted(Outcome.FAILED)), id="no fallback"),
        ],
    )
    def test_not_on_one_witness_or_to_a_dead_fallback(self, signals: Signals) -> None:
        """The engines' queue, and the switch's own wait in it."""
        assert not decide(primary(), signals, POLICY, NOW).moves

    def test_a_full_queue_counts_as_waiting(self) -> None:
        """429 and 503 of the queue."""
        signals = overloaded(primary=tokens(Outcome.FULL))
        assert where(decide(primary(), signals, POLICY, NOW)) == (Mode.PARTIAL, 70)

    def test_death_takes_the_rest_without_a_longer_hold(self) -> None:
        """The same trouble, grown worse."""
        state = primary(mode=Mode.PARTIAL, share=70, hold_s=300.0, hold_until=NOW + 100)
        decision = decide(state, dead(), POLICY, NOW)
        assert where(decision) == (Mode.FALLBACK, 0)
        assert decision.state.hold_until == NOW + 300

    def shedding(self) -> State:
        run = Run(count=10, first=NOW - 70, last=NOW - 6)
        return primary(mode=Mode.PARTIAL, share=70, hold_s=300.0, hold_until=NOW - 1, run=run)

    def test_the_rest_comes_back_when_there_is_room_and_tokens_came_in_time(self) -> None:
        """After the hold, with ten good tokens over a minute."""
        assert where(decide(self.shedding(), well(), POLICY, NOW)) == (Mode.PRIMARY, 100)

    @pytest.mark.parametrize(
        ("state", "signals"),
        [
            ({"hold_until": NOW + 1}, well()),
            ({"run": Run()}, well()),
            ({}, well(alarms={Role.BUSY: Alarm.ALARM})),
            ({}, well(alarms={Role.QUEUE: Alarm.ALARM})),
            ({}, well(primary=tokens(Outcome.GOOD, seconds=4.0))),
        ],
    )
    def test_else_it_stays(self, state: dict[str, object], signals: Signals) -> None:
        """The hold, the run of tokens, a queue, full engines, a late token: each keeps it."""
        shedding = replace(self.shedding(), **state)
        assert where(decide(shedding, signals, POLICY, NOW)) == (Mode.PARTIAL, 70)

    def test_a_dead_fallback_gets_no_part(self) -> None:
        """Thirty percent would be lost; the overloaded fleet answers more of them."""
        state = replace(self.shedding(), proof=Proof(NOW - 90, NOW - 6, misses=2))
        signals = overloaded(fallback=hosted(Outcome.FAILED))
        decision = decide(state, signals, POLICY, NOW)
        assert where(decision) == (Mode.PRIMARY, 100)
        assert decision.reason.startswith("the fallback is dead, so the fleet gets all traffic")


class TestHolding:
    @pytest.mark.parametrize(
        ("state", "hold_s"),
        [
            pytest.param(primary(), 300, id="the first"),
            pytest.param(primary(back_at=NOW - 3600, hold_s=300.0), 600, id="again within an hour"),
            pytest.param(primary(back_at=NOW - 3601, hold_s=300.0), 300, id="after an hour"),
            pytest.param(primary(back_at=NOW - 1, hold_s=2400.0), 3600, id="at most an hour"),
            pytest.param(ramping(hold_s=300.0), 600, id="on the way back"),
        ],
    )
    def test_doubles_when_the_fleet_fails_again(self, state: State, hold_s: float) -> None:
        """A fleet that fails soon after it came back has to wait longer the next time."""
        assert decide(state, dead(), POLICY, NOW).state.hold_until == NOW + hold_s

    def test_no_way_back_before_its_end(self) -> None:
        """However well the fleet looks."""
        assert where(decide(away(), well(), POLICY, NOW)) == (Mode.FALLBACK, 0)

    def test_then_the_fleet_is_asked(self) -> None:
        """Half-open: the weights stay."""
        decision = decide(away(hold_until=NOW), well(), POLICY, NOW)
        assert where(decision) == (Mode.HALF_OPEN, 0)
        assert decision.next_step == "1 of 10 good tokens in a row, over 0 of 60 s"


class TestFreezing:
    def test_the_fourth_trip_of_a_day_freezes(self) -> None:
        """A person has to look, and is told."""
        trips = (NOW - 80_000, NOW - 40_000, NOW - 10_000)
        decision = decide(primary(trips=trips), dead(), POLICY, NOW)
        assert where(decision) == (Mode.FROZEN, 0)
        assert decision.pages == ("4 trips within a day: frozen until a person looks",)

    def test_trips_of_yesterday_are_forgotten(self) -> None:
        """A day is the last 24 hours."""
        trips = (NOW - DAY - 1, NOW - 40_000, NOW - 10_000)
        assert decide(primary(trips=trips), dead(), POLICY, NOW).state.mode is Mode.FALLBACK

    def test_stays_frozen_however_well_the_fleet_looks(self) -> None:
        """For days, if nobody comes."""
        frozen = away(Mode.FROZEN, hold_until=NOW - DAY, intent_version=3)
        signals = well(intent=Intent(version=3))
        assert where(decide(frozen, signals, POLICY, NOW)) == (Mode.FROZEN, 0)

    def test_any_new_intent_frees_it(self) -> None:
        """Somebody looked: no hold any more, and a clean record."""
        frozen = away(Mode.FROZEN, intent_version=3)
        decision = decide(frozen, well(intent=Intent(version=4)), POLICY, NOW)
        assert where(decision) == (Mode.HALF_OPEN, 0)
        assert decision.state.trips == ()
        assert decision.reason == "a person wrote an intent: no longer frozen"
        assert not decision.tripped


class TestHalfOpen:
    def asking(self, **others: object) -> State:
        return replace(away(Mode.HALF_OPEN, hold_until=NOW - 60), **others)

    @pytest.mark.parametrize(
        ("run", "expected"),
        [
            (Run(9, NOW - 60, NOW - 6), (Mode.RAMP, 5)),
            (Run(8, NOW - 60, NOW - 6), (Mode.HALF_OPEN, 0)),
            (Run(20, NOW - 59, NOW - 6), (Mode.HALF_OPEN, 0)),
            (Run(9, NOW - 600, NOW - 160), (Mode.HALF_OPEN, 0)),
        ],
    )
    def test_ten_good_tokens_over_a_minute(self, run: Run, expected: tuple[Mode, int]) -> None:
        """Enough of them, over long enough, without a gap of minutes."""
        assert where(decide(self.asking(run=run), well(), POLICY, NOW)) == expected

    def test_a_fleet_that_is_still_dead_is_told_as_such(self) -> None:
        """No token in a row, and no time over which there were any."""
        decision = decide(self.asking(run=Run(3, NOW - 30, NOW - 6)), dead(), POLICY, NOW)
        assert where(decision) == (Mode.HALF_OPEN, 0)
        assert decision.next_step == "0 of 10 good tokens in a row, over 0 of 60 s"

    def test_the_same_look_counts_once(self) -> None:
        """Two runs that read the same tokens, or one that is repeated."""
        once = decide(self.asking(run=Run(4, NOW - 30, NOW - 6)), well(), POLICY, NOW)
        again = decide(once.state, well(), POLICY, NOW + 1)
        assert (once.state.run.count, again.state.run.count) == (5, 5)

    @pytest.mark.parametrize(
        "bad",
        [
            tokens(Outcome.FAILED),
            tokens(Outcome.FULL),
            tokens(Outcome.UNCLEAR),
            tokens(Outcome.GOOD, seconds=3.1),
            tokens(Outcome.GOOD, Outcome.GOOD, Outcome.FAILED),
        ],
    )
    def test_one_bad_token_begins_anew(self, bad: tuple[object, ...]) -> None:
        """In a row means in a row; a late one is bad."""
        state = self.asking(run=Run(9, NOW - 60, NOW - 6))
        decision = decide(state, well(primary=bad), POLICY, NOW)
        assert where(decision) == (Mode.HALF_OPEN, 0)
        assert decision.state.run.count == 0

    def test_alarms_play_no_part(self) -> None:
        """A bad agent, or an alarm that is late, does not keep a fleet away that serves."""
        state = self.asking(run=Run(9, NOW - 60, NOW - 6))
        signals = well(alarms=dict.fromkeys(Role, Alarm.ALARM), hosts=DOWN)
        assert where(decide(state, signals, POLICY, NOW)) == (Mode.RAMP, 5)


class TestRamp:
    @pytest.mark.parametrize(
        ("share", "expected"),
        [(5, 25), (25, 50), (50, 100), (40, 50), (90, 100)],
    )
    def test_steps_after_a_minute(self, share: int, expected: int) -> None:
        """Each to the next higher one, from wherever somebody left the weights."""
        state = ramping(share, since=NOW - 60)
        assert decide(state, well(), POLICY, NOW).state.share == expected

    @pytest.mark.parametrize(
        ("since", "signals"),
        [
            (NOW - 59, well()),
            (NOW - 600, well(primary=tokens(Outcome.GOOD, Outcome.GOOD, Outcome.FAILED))),
            (NOW - 600, well(primary=tokens(Outcome.GOOD, seconds=4.0))),
        ],
    )
    def test_else_it_waits(self, since: float, signals: Signals) -> None:
        """A minute, and good tokens."""
        assert where(decide(ramping(since=since), signals, POLICY, NOW)) == (Mode.RAMP, 25)

    @pytest.mark.parametrize(
        "signals",
        [
            pytest.param(dead(), id="dead"),
            pytest.param(dead(alarms={}, hosts=WELL), id="the switch's own word is enough"),
            pytest.param(overloaded(), id="overloaded"),
        ],
    )
    def test_goes_back_at_once(self, signals: Signals) -> None:
        """A ramp is a trial: the first trip signal ends it."""
        decision = decide(ramping(), signals, POLICY, NOW)
        assert where(decision) == (Mode.FALLBACK, 0)
        assert decision.state.hold_s == 600

    def test_the_end_is_remembered(self) -> None:
        """So that a trip soon afterwards holds longer."""
        decision = decide(ramping(50, since=NOW - 60), well(), POLICY, NOW)
        assert where(decision) == (Mode.PRIMARY, 100)
        assert decision.state.back_at == NOW


class TestADeadFallback:
    @pytest.mark.parametrize(
        "state", [away(), away(Mode.HALF_OPEN), away(Mode.FROZEN), ramping(), ramping(5)]
    )
    def test_gives_all_traffic_to_a_fleet_that_answers(self, state: State) -> None:
        """Hold or not: what goes to the fallback is lost."""
        state = replace(state, proof=Proof(NOW - 90, NOW - 6, misses=2))
        decision = decide(state, well(fallback=hosted(Outcome.FAILED)), POLICY, NOW)
        assert where(decision) == (Mode.PRIMARY, 100)
        assert len(decision.pages) == 1

    def test_so_does_money_that_is_spent(self) -> None:
        """The gateway answers 503 then."""
        policy = Policy(daily_cap_usd=Decimal(50))
        decision = decide(away(), well(spent_usd=Decimal(50)), policy, NOW)
        assert where(decision) == (Mode.PRIMARY, 100)

    @pytest.mark.parametrize("state", [away(), away(Mode.HALF_OPEN), ramping()])
    def test_beside_a_dead_fleet_stays_and_somebody_is_told(self, state: State) -> None:
        """Both tiers down."""
        state = replace(state, proof=Proof(NOW - 90, NOW - 6, misses=2))
        decision = decide(state, dead(fallback=hosted(Outcome.FAILED)), POLICY, NOW)
        assert where(decision) == (state.mode, state.share)
        assert [page.split(":")[0] for page in decision.pages] == [
            "the fleet and the fallback are dead"
        ]

    def test_frees_a_frozen_switch_without_another_trip(self) -> None:
        """The clean record of a freed switch must not look like a new entry in it."""
        frozen = away(Mode.FROZEN, intent_version=1, proof=Proof(misses=3))
        decision = decide(frozen, well(fallback=None, intent=Intent(version=2)), POLICY, NOW)
        assert where(decision) == (Mode.PRIMARY, 100)
        assert not decision.tripped

    def test_two_misses_are_not_death(self) -> None:
        """The third in a row is."""
        state = away(proof=Proof(NOW - 90, NOW - 6, misses=1))
        decision = decide(state, well(fallback=hosted(Outcome.FAILED)), POLICY, NOW)
        assert where(decision) == (Mode.FALLBACK, 0)


class TestIntent:
    @pytest.mark.parametrize(
        "state", [primary(), away(), away(Mode.HALF_OPEN), away(Mode.FROZEN), ramping()]
    )
    @pytest.mark.parametrize("signals", [well(), dead(), overloaded()])
    @pytest.mark.parametrize(
        ("wish", "expected"),
        [(Wish.FORCE_FALLBACK, (Mode.FALLBACK, 0)), (Wish.FORCE_PRIMARY, (Mode.PRIMARY, 100))],
    )
    def test_a_forced_side_wins(
        self, state: State, signals: Signals, wish: Wish, expected: tuple[Mode, int]
    ) -> None:
        """Whatever the signals say, and without a trip on the record."""
        decision = decide(state, replace(signals, intent=wants(wish)), POLICY, NOW)
        assert where(decision) == expected
        assert decision.state.trips == state.trips
        assert decision.reason == f"{wish} by ann: new GPUs"

    @pytest.mark.parametrize("signals", [well(), dead(), overloaded()])
    @pytest.mark.parametrize("state", [primary(), away(), ramping(since=NOW - 600)])
    def test_freeze_keeps_everything(self, state: State, signals: Signals) -> None:
        """Weights and mode."""
        decision = decide(state, replace(signals, intent=wants(Wish.FREEZE)), POLICY, NOW)
        assert where(decision) == (state.mode, state.share)

    def test_after_a_forced_fallback_there_is_no_hold(self) -> None:
        """The person decided when it ends; the fleet still has to prove itself."""
        for state in (primary(), away(hold_until=NOW + 3000)):
            forced = decide(state, well(intent=wants(Wish.FORCE_FALLBACK)), POLICY, NOW)
            decision = decide(forced.state, well(NOW + 60), POLICY, NOW + 60)
            assert where(decision) == (Mode.HALF_OPEN, 0)

    def test_a_person_hears_what_their_intent_does(self) -> None:
        """Forced to something dead, or kept on it."""
        onto_dead = decide(primary(), dead(intent=wants(Wish.FORCE_PRIMARY)), POLICY, NOW)
        kept = decide(primary(), dead(intent=wants(Wish.FREEZE)), POLICY, NOW)
        broke = primary(proof=Proof(asked_at=NOW - 6, misses=3))
        both = decide(broke, well(fallback=None, intent=wants(Wish.FORCE_FALLBACK)), POLICY, NOW)
        assert [len(decision.pages) for decision in (onto_dead, kept, both)] == [1, 1, 1]


class TestNeverOnAnAlarmAlone:
    @pytest.mark.parametrize("mode", [Mode.FALLBACK, Mode.HALF_OPEN])
    def test_no_traffic_comes_back_because_alarms_are_ok(self, mode: Mode) -> None:
        """Without traffic they go OK by themselves; the fleet still gives no token."""
        state = away(mode, hold_until=NOW - DAY)
        for outcome in (Outcome.FAILED, Outcome.FULL, Outcome.UNCLEAR):
            signals = well(primary=tokens(outcome))
            assert decide(state, signals, POLICY, NOW).state.share == 0
