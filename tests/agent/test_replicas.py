"""A host with two engines: each is watched by its own release, and the host serves with one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from provision.agent import containers
from provision.agent.apply import Apply
from provision.agent.errors import AgentError
from provision.agent.leave_out import leave_out, take_in
from provision.agent.maintenance import Maintenance
from provision.agent.one_engine import OneEngine
from provision.agent.out import Out
from provision.agent.serve import Agent
from provision.agent.system import write_json
from provision.agent.wait import of_replica
from provision.planning.release import Release
from tests.agent.conftest import AGENT_JSON, World, make_release
from tests.agent.fakes import EngineBehaviour, stub_engine
from tests.agent.test_serve import KEYS, SECRET

WHY = "an operator's rollout"


class Two:
    """An agent of a host with two engines, whose threads are turned by hand."""

    def __init__(self, world: World, engines: list[EngineBehaviour], ports: list[int]) -> None:
        self.world, self.engines, self._ports = world, engines, ports
        self.old, self.new = self.release("old"), self.release("new")
        self.agent = self.another_agent()

    def another_agent(self) -> Agent:
        """As after a restart of its process: it knows nothing but what is on disk."""
        agent = Agent(self.world.host)
        agent._ring.sync(self.world.host.cloud, SECRET, self.world.clock.now())
        return agent

    def release(self, note: str, *, leaves_out: bool = True) -> Release:
        replicas = [{"index": index, "port": port} for index, port in enumerate(self._ports)]
        agent: dict[str, Any] = {**AGENT_JSON, "replicas": replicas, "leaves_out": leaves_out}
        agent["warmup"] = {**AGENT_JSON["warmup"], "short": note}  # type: ignore[dict-item]
        return make_release(note, agent=agent, replicas=2)

    def apply(self, release: Release) -> None:
        """The whole release, from then on current."""
        self.world.put_on_host(release)
        Apply(self.world.host).release(release.id, fetch=False)
        self.world.paths.hop_env.write_text("VLLM_API_KEY=hop\n")

    def change(self, index: int, release: Release) -> None:
        """One engine."""
        self.world.put_on_host(release)
        OneEngine(self.world.host, index).apply(release.id, fetch=False)

    def take_away(self, index: int, *, lease_s: float = 300.0) -> None:
        """What ``maintain --replica`` does."""
        now = self.world.clock.now()
        status = self.agent.status()
        leave_out(self.world.paths, status, index, now=now, lease_s=lease_s, why=WHY)

    def bring_back(self, index: int) -> bool:
        """What ``resume --replica`` does."""
        clock, ask = self.world.clock, self.agent.status
        return take_in(self.world.paths, index, ask=ask, clock=clock)

    def turn(self, times: int = 1) -> None:
        """Let the main thread and the watches take turns."""
        for _ in range(times):
            self.agent.tick()
            for watch in self.agent._replicas.watches:
                self.agent._replicas.step(watch)
            self.world.clock.sleep(1.0)

    def until(self, *states: str, turns: int = 60) -> None:
        """Turn until the engines are in these states."""
        for _ in range(turns):
            self.turn()
            if self.states == list(states):
                return
        raise AssertionError(f"never {states}: {self.agent.status()}")

    @property
    def states(self) -> list[str]:
        return [one["state"] for one in self.agent.status()["replicas"]]

    @property
    def out(self) -> set[int]:
        """What the front sees."""
        return set(Out(self.world.paths.out).indexes())

    def warm_ups(self, index: int) -> list[str]:
        """The short prompts that an engine was warmed with: the releases' notes."""
        prompts = [str(asked["prompt"]).partition("] ")[2] for asked in self.engines[index].asked]
        return [prompt for prompt in prompts if prompt in ("old", "new")]


@pytest.fixture
def two(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    """A host with two engines that are stubs."""
    monkeypatch.setattr(containers, "engine_answers", lambda _port: True)
    monkeypatch.setattr(Agent, "_spawn", lambda *_: None)
    monkeypatch.setattr("os.execv", lambda *_: None)
    world.host.cloud.client("secretsmanager").create_secret(Name=SECRET, SecretString=KEYS)
    engines = [EngineBehaviour(), EngineBehaviour()]
    with stub_engine(engines[0]) as one, stub_engine(engines[1]) as other:
        yield Two(world, engines, [one, other])


@pytest.fixture
def ready(two: Two) -> Two:
    """Both engines run from the old release, and are ready."""
    two.apply(two.old)
    two.until("ready", "ready")
    assert two.agent.deep() == (True, "")
    assert two.out == set()
    return two


class TestOneByOne:
    def test_from_one_release_to_the_next(self, ready: Two) -> None:
        """The host stays in the load balancer; each engine is warmed as its own release wants."""
        for index in (0, 1):
            ready.take_away(index)
            assert ready.out == {index}
            ready.engines[index].healthy = False
            ready.change(index, ready.new)
            for _ in range(5):
                ready.turn()
                assert ready.agent.deep() == (True, "")
                assert ready.out == {index}
            status = ready.agent.status()
            assert status["ready_for"] is None
            assert status["release"] == ready.old.id
            one = status["replicas"][index]
            assert (one["release"], one["state"], one["out"]) == (ready.new.id, "starting", True)
            assert one["away"]["why"] == WHY

            ready.engines[index].healthy = True
            ready.until("ready", "ready")
            assert ready.out == {index}  # ready, and still away
            assert ready.bring_back(index)
            assert ready.out == set()
            assert ready.warm_ups(index) == ["old", "new"]
        status = ready.agent.status()
        assert (status["ready_for"], status["release"]) == (ready.new.id, ready.old.id)

    def test_half_way_the_host_is_ready_for_neither(self, ready: Two) -> None:
        """It says from which releases its engines run, and serves."""
        ready.take_away(0)
        ready.change(0, ready.new)
        ready.until("ready", "ready")
        ready.bring_back(0)
        status = ready.agent.status()
        both = " and ".join(sorted([ready.old.id, ready.new.id]))
        assert (status["ready_for"], status["reason"]) == (None, f"its engines run from {both}")
        assert [one["ready_for"] for one in status["replicas"]] == [ready.new.id, ready.old.id]
        assert ready.agent.deep() == (True, "")

    def test_the_whole_release_afterwards_warms_nothing_again(self, ready: Two) -> None:
        """The engines that ran from it were never stopped."""
        for index in (0, 1):
            ready.take_away(index)
            ready.change(index, ready.new)
            ready.until("ready", "ready")
            ready.bring_back(index)
        ready.apply(ready.new)
        ready.turn()
        status = ready.agent.status()
        assert (status["ready_for"], status["release"]) == (ready.new.id, ready.new.id)
        assert [ready.warm_ups(0), ready.warm_ups(1)] == [["old", "new"]] * 2

    def test_an_engine_that_is_changed_does_not_hold_the_host_back(self, ready: Two) -> None:
        """Only an apply of everything does; and who waits for that engine waits."""
        ready.take_away(0)
        write_json(ready.world.paths.journal_of(0), {"from": None, "to": ready.new.id})
        assert ready.agent.deep() == (True, "")
        ask = of_replica(ready.agent.status, 0)
        assert (ask() or {})["reason"] == "replica 0 is being changed"
        write_json(ready.world.paths.journal, {"from": None, "to": ready.new.id})
        assert ready.agent.deep() == (False, "a release is being applied")

    def test_an_engine_that_is_emptied_gets_no_canary(self, ready: Two) -> None:
        """The other one does."""
        ready.take_away(0)
        ready.turn()
        before = [len(engine.asked) for engine in ready.engines]
        ready.turn(20)
        after = [len(engine.asked) for engine in ready.engines]
        assert after[0] == before[0]
        assert after[1] > before[1]

    def test_a_lease_that_nobody_ends_ends_by_itself(self, ready: Two) -> None:
        """The operator died: the engine serves again, once it answered a canary."""
        ready.take_away(0, lease_s=3.0)
        ready.turn(2)
        assert ready.out == {0}
        ready.turn(3)
        assert ready.out == set()
        assert ready.world.events("lease-ended")[0]["replica"] == 0
        assert not ready.world.paths.maintenance_of(0).exists()

    def test_the_host_as_a_whole_may_be_away_meanwhile(self, ready: Two) -> None:
        """For the last step, in which the front is started anew."""
        Maintenance(ready.world.paths.maintenance).begin(
            ready.world.clock.now(), lease_s=300, why=WHY
        )
        assert not ready.agent.deep()[0]


class TestTrouble:
    def test_one_that_hangs_is_left_out_and_the_host_serves(self, ready: Two) -> None:
        """Restarted after a minute, and back when it is warm."""
        ready.engines[1].status = 500
        ready.until("ready", "hung")
        assert ready.out == {1}
        assert ready.agent.deep() == (True, "")
        assert "replica 1 is hung" in ready.agent.status()["reason"]
        ready.turn(62)
        assert "docker restart -t 5 llm-fleet-engine-1" in ready.world.machine.calls
        ready.engines[1].status = 200
        ready.until("ready", "ready")
        assert ready.out == set()

    def test_one_that_crashed_is_left_out_until_it_is_warm(self, ready: Two) -> None:
        """Docker starts it again by itself; nobody is sent to it before."""
        container = ready.world.machine.containers["llm-fleet-engine-0"]
        container.status, container.exit_code = "restarting", 1
        ready.turn()
        assert ready.out == {0}
        ready.engines[0].healthy = False
        container.status, container.restart_count = "running", 1
        container.started_at = "2026-11-21T03:10:00.5Z"
        ready.turn(3)
        assert (ready.states, ready.out) == (["starting", "ready"], {0})
        ready.engines[0].healthy = True
        ready.until("ready", "ready")
        assert ready.out == set()

    def test_one_that_starts_anew_faster_than_anybody_looks(self, ready: Two) -> None:
        """It may answer already: it is as cold as any other."""
        container = ready.world.machine.containers["llm-fleet-engine-0"]
        container.restart_count, container.started_at = 1, "2026-11-21T03:10:00.5Z"
        ready.engines[0].text = ""  # fails its warm-up
        ready.turn(2)
        assert ready.states == ["warming", "ready"]
        assert ready.out == {0}

    def test_with_none_left_the_host_leaves(self, ready: Two) -> None:
        """And says why."""
        for engine in ready.engines:
            engine.status = 500
        ready.until("hung", "hung")
        assert ready.agent.deep()[0] is False
        assert "replica 0 is hung" in ready.agent.deep()[1]

    def test_a_front_that_can_not_leave_out_needs_them_all(self, two: Two) -> None:
        """A release from before: its front would send requests to the sick one."""
        plain = two.release("plain", leaves_out=False)
        two.apply(plain)
        two.until("ready", "ready")
        two.engines[1].status = 500
        two.until("ready", "hung")
        assert two.agent.deep()[0] is False
        assert two.out == set()


class TestAnAgentThatStartsAnew:
    def test_leaves_out_whom_its_predecessor_left_out(self, ready: Two) -> None:
        """Until it has found out itself; the others are not made to carry all of it."""
        ready.engines[1].status = 500
        ready.until("ready", "hung")
        ready.agent = ready.another_agent()
        ready.agent.tick()
        assert ready.out == {1}
        ready.turn(3)
        assert ready.states == ["ready", "warming"]
        assert ready.out == {1}
        ready.engines[1].status = 200
        ready.until("ready", "ready")
        assert ready.out == set()

    def test_takes_nobody_out_because_it_has_not_looked_yet(self, ready: Two) -> None:
        """Both are warm, as far as anybody knew: one after the other is looked at."""
        ready.agent = ready.another_agent()
        ready.agent.tick()
        first, _ = ready.agent._replicas.watches
        for _ in range(3):
            ready.agent._replicas.step(first)
            assert ready.out == set()
        ready.until("ready", "ready")
        assert ready.out == set()

    def test_knows_which_release_each_engine_runs_from(self, ready: Two) -> None:
        """From the containers, whatever `current` says."""
        ready.take_away(0)
        ready.change(0, ready.new)
        ready.until("ready", "ready")
        ready.agent = ready.another_agent()
        ready.until("ready", "ready")
        releases = [one["release"] for one in ready.agent.status()["replicas"]]
        assert releases == [ready.new.id, ready.old.id]
        assert ready.out == {0}  # away


class TestLeaveOut:
    def test_never_the_last_one_that_serves(self, ready: Two) -> None:
        """Its requests would have nowhere to go."""
        ready.take_away(0)
        with pytest.raises(AgentError, match="without replica 1 nobody would serve"):
            ready.take_away(1)
        assert ready.out == {0}
        assert not ready.world.paths.maintenance_of(1).exists()

    def test_again_renews_it_and_keeps_its_beginning(self, ready: Two) -> None:
        """Also when its engine is down meanwhile."""
        ready.take_away(0, lease_s=10.0)
        ready.engines[0].status = 500
        ready.turn(5)
        ready.take_away(0, lease_s=10.0)
        away = ready.agent.status()["replicas"][0]["away"]
        now = ready.world.clock.now()
        assert (now - away["since"], away["until"] - now) == (5.0, 10.0)

    def test_of_an_engine_that_is_not_there(self, ready: Two) -> None:
        """Or of one whose agent does not answer, so that nobody knows about the others."""
        with pytest.raises(AgentError, match="there is no replica 2"):
            ready.take_away(2)
        with pytest.raises(AgentError, match="the agent does not answer"):
            leave_out(ready.world.paths, None, 0, now=0.0, lease_s=1.0, why=WHY)


class TestTakeIn:
    def test_one_that_is_not_ready_stays_out_and_says_why(self, ready: Two) -> None:
        """It is not away on purpose any more: it comes back by itself as soon as it can."""
        ready.take_away(0)
        ready.engines[0].healthy = False
        ready.change(0, ready.new)
        ready.turn(2)
        with pytest.raises(AgentError, match="replica 0 is left out still: replica 0 is starting"):
            ready.bring_back(0)
        ready.engines[0].healthy = True
        ready.until("ready", "ready")
        assert ready.out == set()

    def test_of_one_that_was_not_away(self, ready: Two) -> None:
        """Nothing to do."""
        assert ready.bring_back(1) is False

    def test_without_an_agent(self, ready: Two) -> None:
        """Nobody would let the front know."""
        clock = ready.world.clock
        with pytest.raises(AgentError, match="the agent says nothing of it"):
            take_in(ready.world.paths, 0, ask=lambda: None, clock=clock)


def test_a_status_can_be_narrowed_to_one_engine(ready: Two) -> None:
    """So that whoever waits for it, or watches it, reads it like a host's."""
    ready.engines[1].status = 500
    ready.until("ready", "hung")
    first, second = of_replica(ready.agent.status, 0)(), of_replica(ready.agent.status, 1)()
    assert first is not None
    assert second is not None
    assert (first["ready_for"], first["reason"]) == (ready.old.id, "")
    assert (second["ready_for"], second["state"]) == (None, "hung")
    assert "replica 1 is hung: 3 canaries missed" in second["reason"]
    assert [one["index"] for one in second["replicas"]] == [1]
    assert of_replica(ready.agent.status, 2)() is None
    json.dumps(first)
