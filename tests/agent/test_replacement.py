"""Who may be replaced, and how a group hears of it: at most one host of a fleet within an hour."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.agent.apply import Apply
from provision.agent.errors import CloudUnreachable
from provision.agent.maintenance import Maintenance
from provision.agent.replacement import HOUR_S, Claim, Replacement
from provision.agent.serve import Agent
from provision.agent.settings import AgentSettings
from provision.agent.supervise import Phase
from provision.agent.system import NOT_FOUND, TIMED_OUT, Completed
from tests.agent.conftest import AGENT_JSON, World, make_release

ROOT = "/llm-fleet/test"
SETTINGS = AgentSettings.parse({**AGENT_JSON, "gpus": 1, "replace_after_s": 600})
RELEASE = "r-000000000000"
ONE_GPU = "GPU 0: NVIDIA A10G (UUID: GPU-1)\n"
NAME = "i-0123456789abcdef0"


@dataclass
class Store:
    """Parameters that can be created and read; *pause* is called before each call."""

    known: dict[str, str] = field(default_factory=dict)
    unhealthy: list[str] = field(default_factory=list)
    pause: Callable[[], None] = lambda: None
    error: CloudUnreachable | None = None

    def create_parameter(self, name: str, value: str) -> bool:
        self.pause()
        if name in self.known:
            return False
        self.known[name] = value
        return True

    def parameter(self, name: str) -> str | None:
        self.pause()
        return self.known.get(name)

    def call_unhealthy(self, instance_id: str) -> None:
        if self.error:
            raise self.error
        self.unhealthy.append(instance_id)


def claim(store: Store, host: str) -> Claim:
    return Claim(store, ROOT, host)  # type: ignore[arg-type]


class TestClaim:
    def test_the_first_one_has_the_hour(self) -> None:
        """The second hears who."""
        store = Store()
        assert claim(store, "i-1").take(10_000.0) == ""
        assert claim(store, "i-2").take(10_001.0) == "i-1"
        assert store.known == {f"{ROOT}/hosts/replaced/2": '{"host": "i-1", "at": 10000.0}'}

    def test_it_is_an_hour_not_an_hour_of_the_clock(self) -> None:
        """Two minutes after the full hour the last claim is two minutes old."""
        store = Store()
        assert claim(store, "i-1").take(2 * HOUR_S - 60) == ""
        assert claim(store, "i-2").take(2 * HOUR_S + 60) == "i-1"
        assert len(store.known) == 1
        assert claim(store, "i-2").take(3 * HOUR_S - 61) == "i-1"
        assert claim(store, "i-2").take(3 * HOUR_S - 60) == ""

    def test_it_is_taken_again_by_who_has_it(self) -> None:
        """The group could not be told, or the agent started anew: it is still this host's turn."""
        store = Store()
        assert claim(store, "i-1").take(10_000.0) == ""
        assert claim(store, "i-1").take(10_100.0) == ""
        assert claim(store, "i-1").take(10_900.0) == ""

    @pytest.mark.parametrize("text", ["", "x", "[]", '{"host": "i-1"}', '{"host":"i","at":"soon"}'])
    def test_one_that_nobody_can_read_counts(self, text: str) -> None:
        """Rather one too few than one too many."""
        store = Store({f"{ROOT}/hosts/replaced/2": text})
        assert claim(store, "i-1").take(2.5 * HOUR_S) == "somebody"
        assert claim(store, "i-1").take(3.2 * HOUR_S) == "somebody"
        assert claim(store, "i-1").take(3.6 * HOUR_S) == ""

    def test_against_the_parameter_store(self, world: World) -> None:
        """Created once, by the right with which hosts publish their keys."""
        cloud = world.host.cloud
        assert Claim(cloud, ROOT, "i-1").take(10_000.0) == ""
        assert Claim(cloud, ROOT, "i-2").take(10_000.0) == "i-1"
        assert cloud.parameter(f"{ROOT}/hosts/replaced/3") is None


def _interleaved(store: Store, moments: list[float], order: Iterator[int]) -> list[str]:
    """What each of the hosts heard when their calls reach the store in this *order*.

    Each host is a generator that stops before each of its calls. (Its claim is made anew with the
    answers so far until it comes to a call that has none yet.)
    """

    def steps(host: str, now: float) -> Iterator[None]:
        recorded: list[object] = []

        class Replay(Store):
            def __init__(self) -> None:
                super().__init__()
                self.at = 0

            def _next(self, real: Callable[[], object]) -> object:
                if self.at == len(recorded):
                    raise _Stop(real)
                self.at += 1
                return recorded[self.at - 1]

            def create_parameter(self, name: str, value: str) -> bool:
                return bool(self._next(lambda: store.create_parameter(name, value)))

            def parameter(self, name: str) -> str | None:
                return self._next(lambda: store.parameter(name))  # type: ignore[return-value]

        while True:
            try:
                heard[host] = claim(Replay(), host).take(now)
                return
            except _Stop as stop:
                yield
                recorded.append(stop.real())

    heard: dict[str, str] = {}
    running = {f"i-{i}": steps(f"i-{i}", now) for i, now in enumerate(moments)}
    while running:
        names = sorted(running)
        name = names[next(order) % len(names)]
        if next(running[name], "ended") == "ended":
            del running[name]
    return [heard[f"i-{i}"] for i in range(len(moments))]


class _Stop(Exception):
    def __init__(self, real: Callable[[], object]) -> None:
        super().__init__()
        self.real = real


@given(
    st.lists(st.floats(0, 4 * HOUR_S), min_size=2, max_size=4),
    st.lists(st.integers(0, 3), min_size=80, max_size=80),
)
def test_two_hosts_never_go_within_an_hour(moments: list[float], order: list[int]) -> None:
    """However their calls meet: of those that may, each two are an hour apart."""

    def endlessly() -> Iterator[int]:
        while True:
            yield from order

    heard = _interleaved(Store(), moments, endlessly())
    may = sorted(moment for moment, said in zip(moments, heard, strict=True) if said == "")
    assert all(later - sooner >= HOUR_S for sooner, later in pairwise(may))


@given(st.lists(st.integers(0, 1), min_size=40, max_size=40))
def test_of_two_at_once_one_wins_unless_they_meet_at_the_full_hour(order: list[int]) -> None:
    """Atomic: the parameter store lets one of them create it."""

    def endlessly() -> Iterator[int]:
        while True:
            yield from [*order, 0, 1]

    heard = _interleaved(Store(), [5000.0, 5001.0], endlessly())
    assert heard.count("") == 1


class Sick:
    """A host that is looked at every half minute."""

    def __init__(self, world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.store = world, store
        self.gpus = Completed(0, ONE_GPU)
        world.machine.other["nvidia-smi"] = lambda _words: self.gpus
        for name in ("create_parameter", "parameter", "call_unhealthy"):
            monkeypatch.setattr(world.host.cloud, name, getattr(store, name))
        self.replacement = Replacement(world.host)

    def turn(
        self,
        *phases: Phase,
        seconds: float = 0.0,
        away: bool = False,
        settings: AgentSettings = SETTINGS,
    ) -> None:
        until = self.world.clock.now() + seconds
        while True:
            self.replacement.turn(RELEASE, settings, phases, away=away)
            if self.world.clock.now() >= until:
                return
            self.world.clock.sleep(30)


@pytest.fixture
def sick(world: World, monkeypatch: pytest.MonkeyPatch) -> Sick:
    host = Sick(world, Store(), monkeypatch)
    host.turn(Phase.READY)
    return host


class TestReplacement:
    def test_a_gpu_that_fell_off_the_bus(self, sick: Sick) -> None:
        """The engine dies, the driver shows nothing: after ten minutes the group hears of it."""
        sick.gpus = Completed(6, "No devices were found\n")
        sick.turn(Phase.CRASH_LOOP, seconds=630)
        assert sick.store.unhealthy == [NAME]
        (event,) = sick.world.events("beyond-repair")
        assert event["reason"] == "0 of 1 GPUs for 600 s; it had 1"
        assert sick.replacement.reason.startswith("0 of 1 GPUs")

    @pytest.mark.parametrize("code", [255, TIMED_OUT])
    def test_a_driver_that_does_not_answer(self, sick: Sick, code: int) -> None:
        """NVML says nothing, or hangs, as it does with a dead GPU."""
        sick.gpus = Completed(code, "Failed to initialize NVML: Unknown Error\n")
        sick.turn(Phase.STARTING, seconds=630)
        assert sick.store.unhealthy == [NAME]

    def test_a_host_without_the_driver(self, sick: Sick) -> None:
        """Nobody can tell: that is for `fab doctor`."""
        sick.gpus = Completed(NOT_FOUND)
        sick.turn(Phase.STARTING, seconds=7200)
        assert sick.store.unhealthy == []

    def test_said_once(self, sick: Sick) -> None:
        """The group takes its time; an hour later it is told again."""
        sick.turn(Phase.CRASH_LOOP, seconds=3600)
        assert sick.store.unhealthy == [NAME]
        sick.turn(Phase.CRASH_LOOP, seconds=3600)
        assert sick.store.unhealthy == [NAME] * 2

    def test_one_host_of_the_fleet_an_hour(self, sick: Sick) -> None:
        """The other waits, says for whom, and has its turn an hour later."""
        begun = sick.world.clock.now()
        claim(sick.store, "i-other").take(begun)
        sick.turn(Phase.CRASH_LOOP, seconds=1800)
        assert sick.store.unhealthy == []
        (waiting,) = sick.world.events("waiting")
        assert waiting["reason"].endswith("i-other was replaced within the hour")
        sick.turn(Phase.CRASH_LOOP, seconds=1860)
        assert sick.store.unhealthy == [NAME]
        assert sick.world.clock.now() - begun >= 3600

    def test_a_group_that_cannot_be_told_is_told_later(self, sick: Sick) -> None:
        """The claim stays this host's."""
        sick.store.error = CloudUnreachable("throttled")
        with pytest.raises(CloudUnreachable):
            sick.turn(Phase.CRASH_LOOP, seconds=1200)
        sick.store.error = None
        sick.turn(Phase.CRASH_LOOP)
        assert sick.store.unhealthy == [NAME]

    def test_never_when_the_environment_says_so(self, sick: Sick) -> None:
        """``replace_after_s: null``."""
        never = AgentSettings.parse({**AGENT_JSON, "gpus": 1, "replace_after_s": None})
        sick.turn(Phase.CRASH_LOOP, seconds=7200, settings=never)
        assert (sick.store.unhealthy, sick.replacement.reason) == ([], "")

    def test_a_release_of_before_says_nothing_of_it(self) -> None:
        """Its agent.json has no such keys: then never."""
        settings = AgentSettings.parse(AGENT_JSON)
        assert (settings.replace_after_s, settings.gpus) == (None, 0)

    def test_what_it_could_do_outlives_a_reboot(self, sick: Sick) -> None:
        """But not a move to another instance: images are made of disks."""
        sick.replacement = Replacement(sick.world.host)
        sick.turn(Phase.CRASH_LOOP, seconds=630)
        assert sick.store.unhealthy == [NAME]

        said = json.loads(sick.world.paths.proven.read_text())
        sick.world.paths.proven.write_text(json.dumps({**said, "instance": "i-of-the-image"}))
        sick.replacement = Replacement(sick.world.host)
        sick.turn(Phase.CRASH_LOOP, seconds=7200)
        assert sick.store.unhealthy == [NAME]

    def test_a_memory_that_cannot_be_read(self, sick: Sick) -> None:
        """Then nothing is known, and nobody is replaced for it."""
        sick.world.paths.proven.write_text("{")
        sick.replacement = Replacement(sick.world.host)
        sick.turn(Phase.CRASH_LOOP, seconds=7200)
        assert sick.store.unhealthy == []

    def test_a_host_that_is_well_is_not_asked_for_its_gpus(self, sick: Sick) -> None:
        """Once they were seen, the driver has peace."""
        before = len(sick.world.machine.calls)
        sick.turn(Phase.READY, seconds=3600)
        assert len(sick.world.machine.calls) == before


class TestAgent:
    @pytest.fixture
    def agent(self, sick: Sick, monkeypatch: pytest.MonkeyPatch) -> Agent:
        """An agent whose engine is gone for good, on a host where its release was ready."""
        monkeypatch.setattr(Agent, "_spawn", lambda *_: None)
        monkeypatch.setattr(os, "execv", lambda *_: None)
        told = {**AGENT_JSON, "gpus": 1, "replace_after_s": 600}
        release = make_release(agent=told)
        sick.world.put_on_host(release)
        Apply(sick.world.host).release(release.id, fetch=False)
        sick.world.paths.hop_env.write_text("VLLM_API_KEY=hop\n")
        memory = {"instance": NAME, "gpus": 1, "ready": [release.id]}
        sick.world.paths.proven.write_text(json.dumps(memory))
        container = sick.world.machine.containers["llm-fleet-engine-0"]
        container.status, container.exit_code, container.restart_count = "exited", 1, 3
        return Agent(sick.world.host)

    def look(self, sick: Sick, agent: Agent, seconds: float) -> None:
        for _ in range(int(seconds / 30)):
            agent.tick()
            for watch in agent._replicas.watches:
                agent._replicas.step(watch)
            agent.judge()
            sick.world.clock.sleep(30)

    def test_an_engine_that_was_given_up(self, sick: Sick, agent: Agent) -> None:
        """A crash loop for ten minutes: the group hears of it, and people see it in the status."""
        self.look(sick, agent, 660)
        assert sick.store.unhealthy == [NAME]
        status = agent.status()
        assert "in spite of restarts" in status["beyond_repair"]
        assert status["reason"].endswith(f"; beyond repair: {status['beyond_repair']}")

    def test_not_while_somebody_works_on_it(self, sick: Sick, agent: Agent) -> None:
        """Nor while it says good-bye, nor while a release is applied."""
        now = sick.world.clock.now()
        Maintenance(sick.world.paths.maintenance).begin(now, lease_s=7200, why="mending it")
        self.look(sick, agent, 3600)
        assert sick.store.unhealthy == []
        assert agent.status()["beyond_repair"] is None
