"""The watchdog over thousands of lives of an engine: Docker and the engine are played, time too."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.agent.engine import Verdict
from provision.agent.settings import AgentSettings, Canary, Crash, Replica, WarmUp
from provision.agent.supervise import Action, Observation, Phase, State, decide, pause_s

SETTINGS = AgentSettings(
    model="mistral-7b",
    replicas=(Replica(0, 8001),),
    warmup=WarmUp("a", "b", "c"),
    canary=Canary(interval_s=5, deadline_s=5, misses=3, restart_after_s=60),
    crash=Crash(limit=3, window_s=600),
    ready_timeout_s=300,
)
TICK_S = 2.0
LOADS_S = 30.0
# From the first moment: the pause to the next canary, and each missed one.
NOTICED_S = 5 + 3 * 5


@dataclass
class World:
    """An engine in a container that Docker restarts when it dies.

    *mood* is how the engine behaves once it has loaded: ``well``, ``full``, ``slow`` (saturated:
    late, but it works), ``hung``, ``error`` (HTTP 500) or ``nonsense`` (fails its warm-up).
    """

    mood: str = "well"
    now: float = 0.0
    state: State = field(default_factory=State)
    running: bool = True
    starts: int = 1
    restart_count: int = 0
    started: float = 0.0
    warmed_start: int = 0
    restarts: list[float] = field(default_factory=list)
    pending: Observation = field(default_factory=Observation)

    def look(self) -> None:
        """One turn of the agent: look, decide, act, wait."""
        seen = Observation(
            container="c",
            started_at=f"t{self.starts}",
            running=self.running,
            restart_count=self.restart_count,
            exit_code=0 if self.running else 137,
            healthy=self.running and self.now - self.started >= LOADS_S,
            warmed=self.pending.warmed,
            canary=self.pending.canary,
        )
        self.pending = Observation()
        self.state, actions = decide(self.state, seen, SETTINGS, self.now)
        for action in actions:
            self._act(action)
        self.now += pause_s(self.state, self.pending, self.now)

    def _act(self, action: Action) -> None:
        loaded = self.now - self.started >= LOADS_S
        if action is Action.WARM_UP:
            ok = loaded and self.mood == "well"
            self.now += 0.3
            self.pending = Observation(warmed=Verdict(ok, 0.3, "" if ok else self.mood))
            self.warmed_start = self.starts if ok else 0
        elif action is Action.CANARY:
            self.pending = Observation(canary=self._canary(loaded))
        elif action is Action.RESTART:
            self.restarts.append(self.now)
            self.restart_count = 0  # a restart by hand: Docker counts anew
            self._start()
        elif action is Action.STOP:
            self.running = False

    def _canary(self, loaded: bool) -> Verdict:
        late = self.mood in ("hung", "slow") and loaded
        self.now += 5.0 if late else 0.1
        ok = loaded and self.mood not in ("hung", "error")
        return Verdict(ok, 5.0 if late else 0.1, "" if ok else self.mood)

    def crash(self) -> None:
        """The engine dies; Docker starts it again by itself."""
        if self.running:
            self.restart_count += 1
            self._start()

    def _start(self) -> None:
        self.running, self.started = True, self.now
        self.starts += 1

    def until(self, phase: Phase, *, within_s: float) -> float:
        """Look until the replica is in *phase*; how long it took."""
        begun = self.now
        while self.state.phase is not phase:
            assert self.now - begun <= within_s, f"{self.state.phase} after {self.now - begun} s"
            self.look()
        return self.now - begun


MOODS = st.sampled_from(["well", "full", "slow", "hung", "error", "nonsense"])
LIVES = st.lists(st.tuples(MOODS, st.integers(1, 60), st.booleans()), max_size=25)


@settings(max_examples=300, deadline=None)
@given(LIVES)
def test_a_loop_never_takes_the_host_with_it(lives: list[tuple[str, int, bool]]) -> None:
    """However crashes and hangs mix: two restarts in ten minutes, the third time it stays down."""
    world, deaths = World(), []
    world.look()
    for mood, looks, crashes in lives:
        world.mood = mood
        if crashes and world.running:
            world.crash()
            deaths.append(world.now)
        for _ in range(looks):
            before = len(world.restarts)
            world.look()
            deaths += world.restarts[before:]
            if world.state.phase is Phase.READY:
                assert world.warmed_start == world.starts
            assert world.running or world.state.phase in (Phase.CRASH_LOOP, Phase.HUNG)
    for at in world.restarts:
        window = [one for one in deaths if at - SETTINGS.crash.window_s <= one <= at]
        assert len(window) < SETTINGS.crash.limit


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["well", "full", "slow"]), st.integers(1, 40))))
def test_saturation_never_restarts(moods: list[tuple[str, int]]) -> None:
    """A full queue and late tokens of an engine that works are load, and load is no fault."""
    world = World()
    world.until(Phase.READY, within_s=60)
    for mood, looks in moods:
        world.mood = mood
        for _ in range(looks):
            world.look()
            assert world.state.phase is Phase.READY
    assert (world.restarts, world.starts) == ([], 1)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 40), st.sampled_from(["hung", "error"]))
def test_a_hung_engine_is_noticed_restarted_and_back(looks: int, mood: str) -> None:
    """Out of traffic within 20 s, restarted a minute later."""
    world = World()
    world.until(Phase.READY, within_s=60)
    for _ in range(looks):
        world.look()
    world.mood, hangs = mood, world.now
    world.until(Phase.HUNG, within_s=2 * NOTICED_S)
    hung = world.state.since
    assert hung - hangs <= NOTICED_S
    world.until(Phase.STARTING, within_s=60 + 5 + 2 * TICK_S)
    assert len(world.restarts) == 1
    assert world.restarts[0] - hung >= 60
    world.mood = "well"
    world.until(Phase.READY, within_s=60)


def test_an_engine_that_hangs_each_time_stays_down_in_the_end() -> None:
    """The third time within ten minutes it is stopped, and the reason says that it hangs."""
    world = World()
    world.until(Phase.READY, within_s=60)
    for _ in range(2):
        world.mood = "hung"
        world.until(Phase.STARTING, within_s=200)
        world.mood = "well"
        world.until(Phase.READY, within_s=60)
    world.mood = "hung"
    world.until(Phase.CRASH_LOOP, within_s=200)
    assert not world.running
    assert len(world.restarts) == 2
    assert world.state.reason == (
        "the engine exited 3 times within 600 s and is stopped now; "
        "it hangs: 3 canaries missed: hung"
    )


def test_a_crash_and_hangs_are_counted_together() -> None:
    """Docker counts from zero after the agent's restart; the agent does not."""
    world = World()
    world.until(Phase.READY, within_s=60)
    world.crash()
    for _ in range(2):
        world.until(Phase.STARTING, within_s=200)
        world.mood = "well"
        world.until(Phase.READY, within_s=60)
        world.mood = "hung"
    world.until(Phase.CRASH_LOOP, within_s=200)
    assert len(world.restarts) == 1


@pytest.mark.parametrize("mood", ["nonsense", "error", "hung"])
def test_what_fails_its_warm_up_gets_no_traffic(mood: str) -> None:
    """For as long as it lasts."""
    world = World(mood)
    for _ in range(400):
        world.look()
        assert world.state.phase is not Phase.READY
