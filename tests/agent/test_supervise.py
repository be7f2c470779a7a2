"""When an engine may take traffic: the state machine on its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.agent.engine import Verdict
from provision.agent.settings import AgentSettings, Canary, Crash, Replica, WarmUp
from provision.agent.supervise import Action, Observation, Phase, State, Step, decide, pause_s

GOOD, BAD = Verdict(True, 0.1), Verdict(False, 5.0, "no token")
SETTINGS = AgentSettings(
    model="mistral-7b",
    replicas=(Replica(0, 8001),),
    warmup=WarmUp("a", "b", "c"),
    canary=Canary(interval_s=5, deadline_s=5, misses=3, restart_after_s=60),
    crash=Crash(limit=3, window_s=600),
    ready_timeout_s=1200,
)
LOADING = Observation(container="c1", started_at="t1", running=True)
HEALTHY = replace(LOADING, healthy=True)
RESTARTING = replace(LOADING, running=False, will_restart=True, exit_code=1)


def walk(*seen: tuple[float, Observation], state: State | None = None) -> Step:
    """Decide one look after the other; the last step."""
    now_state = state or State()
    actions: tuple[Action, ...] = ()
    for now, observation in seen:
        now_state, actions = decide(now_state, observation, SETTINGS, now)
    return now_state, actions


def ready(at: float = 10.0) -> State:
    """A replica that became ready at *at*."""
    state, _ = walk((0, LOADING), (at - 1, HEALTHY), (at, replace(HEALTHY, warmed=GOOD)))
    assert state.phase is Phase.READY
    return state


class TestStarting:
    def test_waits_while_the_engine_loads(self) -> None:
        """Nothing to do but look."""
        state, actions = walk((0, LOADING), (100, LOADING))
        assert (state.phase, actions) == (Phase.STARTING, ())

    def test_warms_up_as_soon_as_the_port_answers(self) -> None:
        """Healthy is not ready."""
        state, actions = walk((0, LOADING), (40, HEALTHY))
        assert (state.phase, state.healthy_at, actions) == (Phase.WARMING, 40, (Action.WARM_UP,))

    def test_never_ready_within_the_budget_is_hung_with_the_reason(self) -> None:
        """The reason names the budget."""
        state, _ = walk((0, LOADING), (1200, LOADING))
        assert (state.phase, state.reason) == (Phase.HUNG, "not ready within 1200 s")

    def test_a_warm_up_that_fails_is_tried_again_after_a_pause(self) -> None:
        """Too slow a first token is the reason until it is fast enough."""
        slow = Verdict(False, 9.0, "the first token took 8.00 s, allowed are 5.00 s")
        state, actions = walk((0, HEALTHY), (10, replace(HEALTHY, warmed=slow)))
        assert (state.phase, state.reason, actions) == (Phase.WARMING, slow.reason, ())
        state, actions = walk((14, HEALTHY), (15, HEALTHY), state=state)
        assert actions == (Action.WARM_UP,)
        state, _ = walk((20, replace(HEALTHY, warmed=GOOD)), state=state)
        assert state.phase is Phase.READY


class TestReady:
    def test_a_canary_every_interval(self) -> None:
        """Due five seconds after the last answer, not before."""
        assert walk((14, HEALTHY), state=ready())[1] == ()
        assert walk((15, HEALTHY), state=ready())[1] == (Action.CANARY,)

    def test_a_canary_that_took_its_whole_deadline_is_followed_at_once(self) -> None:
        """The interval counts from one question to the next: a hung engine is known in 15 s."""
        asked, _ = walk((15, HEALTHY), state=ready())
        assert walk((20, replace(HEALTHY, canary=BAD)), state=asked)[1] == (Action.CANARY,)
        good = replace(HEALTHY, canary=replace(GOOD, seconds=1.0))
        assert walk((16, good), (19.5, HEALTHY), state=asked)[1] == ()
        assert walk((16, good), (20, HEALTHY), state=asked)[1] == (Action.CANARY,)

    def test_the_next_look_is_never_past_the_next_canary(self) -> None:
        """Nor later than two seconds; and at once when there is something to count."""
        asked, _ = walk((15, HEALTHY), state=ready())
        pauses = [pause_s(asked, Observation(), now) for now in (15.0, 17.0, 19.0, 20.0, 25.0)]
        assert pauses == [2.0, 2.0, 1.0, 2.0, 2.0]
        assert pause_s(asked, Observation(canary=GOOD), 15.0) == 0.0
        assert pause_s(asked, Observation(warmed=BAD), 15.0) == 0.0

    def test_one_good_canary_forgives_the_misses(self) -> None:
        """Misses count in a row only."""
        missed = replace(HEALTHY, canary=BAD)
        state, _ = walk((15, missed), (30, missed), state=ready())
        assert (state.phase, state.misses) == (Phase.READY, 2)
        state, _ = walk((35, replace(HEALTHY, canary=GOOD)), state=state)
        assert (state.phase, state.misses, state.last_good) == (Phase.READY, 0, 35)

    def test_three_misses_in_a_row_are_hung(self) -> None:
        """The reason says how many and what the last one met."""
        missed = replace(HEALTHY, canary=BAD)
        state, _ = walk((15, missed), (30, missed), (45, missed), state=ready())
        assert (state.phase, state.reason) == (Phase.HUNG, "3 canaries missed: no token")

    @pytest.mark.parametrize(
        "anew", [replace(LOADING, started_at="t2"), replace(LOADING, container="c2")]
    )
    def test_any_new_start_means_warming_up_again(self, anew: Observation) -> None:
        """Whoever started it: crash, deploy, `docker restart`."""
        state, _ = walk((20, anew), state=ready())
        assert (state.phase, state.ready_at, state.last_good) == (Phase.STARTING, None, None)


class TestHung:
    def test_an_answer_leads_to_warming_up_not_to_ready(self) -> None:
        """Seconds of standing still are no reason for trust."""
        hung = replace(ready(), phase=Phase.HUNG, since=50, misses=3)
        state, actions = walk((55, replace(HEALTHY, canary=GOOD)), state=hung)
        assert (state.phase, state.misses, actions) == (Phase.WARMING, 0, (Action.WARM_UP,))

    def test_says_why_it_became_hung_for_as_long_as_it_is(self) -> None:
        """Each further miss is counted, the reason stays."""
        hung = replace(ready(), phase=Phase.HUNG, since=50, misses=3, reason="3 canaries missed")
        state, _ = walk((55, replace(HEALTHY, canary=BAD)), state=hung)
        assert (state.misses, state.reason) == (4, "3 canaries missed")

    def test_restarts_after_a_minute_and_counts_it_as_an_exit(self) -> None:
        """A restart that does not help ends in the crash-loop cap like any other."""
        hung = replace(ready(), phase=Phase.HUNG, since=50, misses=3, next_try=1000)
        assert walk((109, HEALTHY), state=hung)[1] == ()
        state, actions = walk((110, HEALTHY), state=hung)
        assert (actions, state.exits) == ((Action.RESTART,), (110,))


class TestCrashLoop:
    def test_three_exits_in_the_window_stop_the_engine(self) -> None:
        """Stopped once, then left alone."""
        state, actions = walk(
            (0, LOADING),
            *(
                (at, replace(RESTARTING, restart_count=n))
                for n, at in ((1, 60), (2, 120), (3, 180))
            ),
        )
        assert (state.phase, actions) == (Phase.CRASH_LOOP, (Action.STOP,))
        assert state.reason == (
            "the engine exited 3 times within 600 s and is stopped now; "
            "the engine's container ended with exit code 1"
        )
        stopped = replace(RESTARTING, will_restart=False, restart_count=3)
        assert walk((200, stopped), (9999, stopped), state=state) == (state, ())

    def test_exits_long_ago_are_forgotten(self) -> None:
        """Three in a day are not a loop."""
        state, _ = walk(
            (0, LOADING),
            *(
                (at, replace(RESTARTING, restart_count=n))
                for n, at in ((1, 0), (2, 700), (3, 1400))
            ),
        )
        assert (state.phase, len(state.exits)) == (Phase.STARTING, 1)

    def test_a_stop_that_did_not_take_is_repeated(self) -> None:
        """Docker was busy, or the look is older than the stop: no way back into traffic."""
        looped = State(Phase.CRASH_LOOP, "c1", "t3", restart_count=3, exits=(1, 2, 3))
        for seen in (
            replace(HEALTHY, started_at="t3", restart_count=3),
            replace(HEALTHY, started_at="t4", restart_count=4),
            replace(RESTARTING, restart_count=4),
        ):
            state, actions = walk((10, seen), state=looped)
            assert (state.phase, actions) == (Phase.CRASH_LOOP, (Action.STOP,))

    def test_a_new_container_starts_with_a_clean_slate(self) -> None:
        """A deploy that brings the mended engine is not held to the old one's exits."""
        looped = State(phase=Phase.CRASH_LOOP, container="c1", exits=(1, 2, 3))
        state, _ = walk((10, replace(LOADING, container="c2", restart_count=0)), state=looped)
        assert (state.phase, state.exits) == (Phase.STARTING, ())

    def test_a_person_may_start_it_again(self) -> None:
        """`docker start` after the cap: warmed like any other start."""
        looped = State(Phase.CRASH_LOOP, "c1", "t3", restart_count=3, exits=(1, 2, 3))
        state, _ = walk((10, replace(LOADING, started_at="t9")), state=looped)
        assert (state.phase, state.exits) == (Phase.STARTING, ())

    def test_an_agent_that_starts_anew_knows_what_was_given_up(self) -> None:
        """Down, not to be restarted, failed, at the limit: it was given up before."""
        down = Observation(container="c1", started_at="t3", restart_count=3, exit_code=1)
        assert walk((0, down))[0].phase is Phase.CRASH_LOOP

    def test_an_engine_that_somebody_stopped_is_stopped(self) -> None:
        """Not a crash: no restart pending, no exits."""
        stopped = replace(LOADING, running=False, exit_code=0)
        assert walk((20, stopped), state=ready())[0].phase is Phase.STOPPED
        assert walk((0, Observation()))[0].phase is Phase.STOPPED


OBSERVATIONS = st.builds(
    Observation,
    container=st.sampled_from(["c1", "c2", None]),
    started_at=st.sampled_from(["t1", "t2"]),
    running=st.booleans(),
    will_restart=st.booleans(),
    restart_count=st.integers(0, 6),
    exit_code=st.integers(0, 1),
    healthy=st.booleans(),
    warmed=st.sampled_from([None, GOOD, BAD]),
    canary=st.sampled_from([None, GOOD, BAD]),
).map(lambda seen: seen if seen.container else Observation())
LOOKS = st.lists(st.tuples(st.floats(0.1, 900), OBSERVATIONS), max_size=40)


@settings(max_examples=150, deadline=None)
@given(LOOKS)
def test_nothing_is_ready_that_was_not_warmed_after_its_last_start(
    looks: list[tuple[float, Observation]],
) -> None:
    """Whatever is seen in whatever order, ready needs a warm-up of this very start."""
    state, now, warmed_start = State(), 0.0, None
    for pause, seen in looks:
        now += pause
        before = state
        state, _ = decide(state, seen, SETTINGS, now)
        if before.phase is Phase.WARMING and seen.warmed is not None and seen.warmed.ok:
            warmed_start = (seen.container, seen.started_at)
        if state.phase is Phase.READY:
            assert warmed_start == (state.container, state.started_at)
            assert seen.running


@settings(max_examples=150, deadline=None)
@given(LOOKS)
def test_exits_are_capped_and_times_never_run_backwards(
    looks: list[tuple[float, Observation]],
) -> None:
    """At the limit it is given up; what is remembered of time is never in the future."""
    state, now = State(), 0.0
    for pause, seen in looks:
        now += pause
        state, actions = decide(state, seen, SETTINGS, now)
        running_exits = len(state.exits)
        assert state.phase is Phase.CRASH_LOOP or running_exits <= SETTINGS.crash.limit
        assert max((state.since, state.begun, *state.exits)) <= now
        assert len(actions) <= 1
        assert (Action.STOP in actions) <= (state.phase is Phase.CRASH_LOOP)
