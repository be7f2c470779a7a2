"""The agent as a whole, turn by turn, over a stub engine."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from provision.agent import containers
from provision.agent.apply import Apply
from provision.agent.before import Before
from provision.agent.errors import AgentError
from provision.agent.last_good import LastGood, Proof
from provision.agent.lock import held
from provision.agent.maintenance import Maintenance
from provision.agent.serve import Agent
from provision.agent.system import Completed, write_json
from tests.agent.conftest import AGENT_JSON, World, make_release, write_files
from tests.agent.fakes import STARTED_AT, EngineBehaviour, stub_engine

SECRET = "/llm-fleet/test/client-keys"
KEYS = json.dumps({"version": 1, "keys": {"app": {"sha256": "ab" * 32, "created": "2026-11-21"}}})
ENGINE = "llm-fleet-engine-0"


class Served:
    """An agent whose threads are turned by hand."""

    def __init__(self, world: World, engine: EngineBehaviour, port: int) -> None:
        self.world, self.engine = world, engine
        replicas = [{"index": 0, "port": port}]
        self.one = make_release("one", agent={**AGENT_JSON, "replicas": replicas})
        self.two = make_release("two", agent={**AGENT_JSON, "replicas": replicas})
        self.agent = Agent(world.host)
        self.sync_keys()

    def sync_keys(self) -> None:
        self.agent._ring.sync(self.world.host.cloud, SECRET, self.world.clock.now())

    def apply(self, release: Any) -> None:
        """What an operator does."""
        self.world.put_on_host(release)
        Apply(self.world.host).release(release.id, fetch=False)
        self.world.paths.hop_env.write_text("VLLM_API_KEY=hop\n")

    def turn(self, times: int = 1) -> str:
        """Let the main thread and the watches take turns; the state afterwards."""
        for _ in range(times):
            self.agent.tick()
            for watch in self.agent._replicas.watches:
                self.agent._replicas.step(watch)
            self.world.clock.sleep(1.0)
        return str(self.agent.status()["state"])

    def until(self, state: str, *, turns: int = 60) -> None:
        """Turn until the host is in *state*."""
        for _ in range(turns):
            if self.turn() == state:
                return
        raise AssertionError(f"never {state}: {self.agent.status()}")


@pytest.fixture
def served(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A host whose engine is a stub that still loads, and whose agent runs."""
    monkeypatch.setattr(containers, "engine_answers", lambda _port: True)
    monkeypatch.setattr(Agent, "_spawn", lambda *_: None)  # the tests turn the watches
    world.host.cloud.client("secretsmanager").create_secret(Name=SECRET, SecretString=KEYS)
    behaviour = EngineBehaviour(healthy=False)
    with stub_engine(behaviour) as port:
        yield Served(world, behaviour, port)


@pytest.fixture(autouse=True)
def execs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the agent would become."""
    run: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, words: run.append(words))
    return run


class TestReadiness:
    def test_an_engine_is_warmed_before_it_is_ready(self, served: Served) -> None:
        """Starting while it loads, ready only after short, long and streamed prompts."""
        served.apply(served.one)
        assert served.turn() == "starting"
        assert served.agent.deep() == (False, "replica 0 is starting")

        served.engine.healthy = True
        served.until("ready")

        assert served.agent.deep() == (True, "")
        assert served.agent.status()["ready_for"] == served.one.id
        assert [asked["stream"] for asked in served.engine.asked[:3]] == [False, False, True]
        prompts = [asked["prompt"].partition("] ")[2] for asked in served.engine.asked[:3]]
        assert prompts == ["hi", "long " * 50, "go on"]

    def test_the_status_document_in_full(self, served: Served) -> None:
        """Every key that deploy, status and benchmark read."""
        served.apply(served.one)
        served.turn()
        served.world.machine.logs[ENGINE] = (
            "INFO Loading weights took 3.25 seconds\n"
            "INFO GPU KV cache size: 39,840 tokens, Maximum concurrency for 4,096 tokens\n"
        )
        served.engine.healthy = True
        served.until("ready")
        served.turn(6)

        document = served.agent.status()

        assert sorted(document["waterfall"]) == [
            "cache",
            "engine_other",
            "load",
            "pull",
            "start",
            "stop",
            "verify",
            "warm_up",
            "weights",
        ]
        assert document["waterfall"]["load"] == 3.25
        (replica,) = document.pop("replicas")
        assert replica == {
            "index": 0,
            "release": served.one.id,
            "ready_for": served.one.id,
            "away": None,
            "out": False,
            "reason": "",
            "state": "ready",
            "running": 2,
            "waiting": 1,
            "kv_usage": 0.25,
            "kv_cache_tokens": 39840,
            "served": replica["served"],
            "first_token_s": replica["first_token_s"],
            "started_at": STARTED_AT,
            "uptime_s": replica["uptime_s"],
            "restarts": 0,
            "last_canary_s": replica["last_canary_s"],
            "canary_misses": 0,
            "waterfall": replica["waterfall"],
            "log": [],
        }
        del document["waterfall"], document["since"]
        assert document == {
            "state": "ready",
            "release": served.one.id,
            "model": "mistral-7b",
            "ready_for": served.one.id,
            "kv_cache_tokens": 39840,
            "reason": "",
            "log": [],
            "keys": {"count": 1, "synced_at": document["keys"]["synced_at"], "problem": ""},
            "maintenance": None,
            "leaving": None,
            "rebalance": None,
            "beyond_repair": None,
        }

    def test_a_new_release_is_watched_from_the_beginning(self, served: Served) -> None:
        """What was ready for the old release says nothing about the new one."""
        served.apply(served.one)
        served.engine.healthy = True
        served.until("ready")

        served.engine.healthy = False
        served.apply(served.two)
        assert served.turn() == "starting"
        assert served.agent.status()["ready_for"] is None

        served.engine.healthy = True
        served.until("ready")
        assert served.agent.status()["ready_for"] == served.two.id

    def test_not_ready_without_client_keys(
        self, served: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A host that would turn every client away does not ask for traffic."""
        served.apply(served.one)
        served.engine.healthy = True
        served.until("ready")
        monkeypatch.setattr(served.agent._ring, "_keys", None)
        ready, reason = served.agent.deep()
        assert not ready
        assert reason.startswith("client keys are not loaded yet")

    def test_not_ready_while_a_release_is_being_applied(self, served: Served) -> None:
        """The load balancer looks away before the containers stop."""
        served.apply(served.one)
        served.engine.healthy = True
        served.until("ready")
        write_json(served.world.paths.journal, {"from": None, "to": "r-x"})
        assert served.agent.deep() == (False, "a release is being applied")


class TestMaintenance:
    @pytest.fixture
    def ready(self, served: Served) -> Served:
        served.apply(served.one)
        served.engine.healthy = True
        served.until("ready")
        return served

    def begin(self, served: Served, *, lease_s: float = 300) -> Maintenance:
        maintenance = Maintenance(served.world.paths.maintenance)
        maintenance.begin(served.world.clock.now(), lease_s=lease_s, why="a rolling restart")
        return maintenance

    def test_no_traffic_while_away_and_ready_all_the_same(self, ready: Served) -> None:
        """The load balancer is told to stay away; whoever waits for the release is not."""
        maintenance = self.begin(ready)
        ready.turn()

        assert ready.agent.deep() == (
            False,
            "under maintenance for 299 s more: a rolling restart",
        )
        status = ready.agent.status()
        assert status["ready_for"] == ready.one.id
        assert status["maintenance"]["why"] == "a rolling restart"
        assert status["reason"] == "under maintenance: a rolling restart"

        maintenance.end()
        assert ready.agent.deep() == (True, "")
        assert ready.agent.status()["maintenance"] is None

    def test_a_lease_that_runs_out_brings_the_host_back(
        self, ready: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An operator who died does not keep a host away; it is tried until AWS takes it."""
        tries: list[str] = []

        def enter(_: object, instance_id: str) -> None:
            tries.append(instance_id)
            if len(tries) == 1:
                raise AgentError("can't register: no route")

        monkeypatch.setattr(type(ready.world.host.cloud), "enter_traffic", enter)
        self.begin(ready, lease_s=3)
        ready.turn()
        assert not ready.agent.deep()[0]
        assert tries == []
        ready.turn(8)
        assert ready.agent.deep() == (True, "")
        assert tries == [ready.world.host.metadata.identity().instance_id] * 2
        assert not ready.world.paths.maintenance.exists()
        assert len(ready.world.events("lease-ended")) == 1

    def test_a_lease_does_not_run_out_under_whoever_applies_a_release(
        self, ready: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Fetching an image may take longer than any lease, and ends with a stopped engine."""
        tries: list[str] = []
        cloud = type(ready.world.host.cloud)
        monkeypatch.setattr(
            cloud, "enter_traffic", lambda _, instance_id: tries.append(instance_id)
        )
        self.begin(ready, lease_s=3)
        host = ready.world.host
        with held(host.paths.lock, host.clock, host.events, wait_s=0.0):
            ready.turn(8)
            assert (tries, host.paths.maintenance.exists()) == ([], True)
        ready.turn(2)
        assert (len(tries), host.paths.maintenance.exists()) == (1, False)

    def test_an_engine_that_is_emptied_gets_no_canary(self, ready: Served) -> None:
        """What runs in it is clients' work; the canaries go on for an engine started later."""
        self.begin(ready)
        ready.turn()  # a canary that was due already
        before = len(ready.engine.asked)
        ready.turn(20)
        assert len(ready.engine.asked) == before

        anew = datetime.fromtimestamp(ready.world.clock.now() + 1, UTC)
        ready.world.machine.containers[ENGINE].started_at = f"{anew:%Y-%m-%dT%H:%M:%S}.0Z"
        ready.until("ready")
        warmed = len(ready.engine.asked)
        ready.turn(20)
        assert len(ready.engine.asked) > warmed


class TestMeasures:
    LAYOUT = "mistral-7b, 1 engine(s) of 1 GPU(s)"

    @pytest.fixture
    def measured(self, served: Served) -> Served:
        """A release that says its layout and by how much slower the next one may be."""
        replicas = json.loads(served.one.files["agent.json"])["replicas"]
        warmup = {**AGENT_JSON["warmup"], "slowdown": 3.0}  # type: ignore[dict-item]
        agent = {**AGENT_JSON, "replicas": replicas, "layout": self.LAYOUT, "warmup": warmup}
        served.one, served.two = make_release("one", agent=agent), make_release("two", agent=agent)
        return served

    def proof(self, served: Served) -> Any:
        return LastGood(served.world.paths.last_good).proof(self.LAYOUT)

    def test_the_first_engine_ever_is_the_measure(self, measured: Served) -> None:
        """Later ones are not, before their bake: what got ready may still be slow."""
        measured.apply(measured.one)
        measured.engine.healthy = True
        measured.until("ready")
        first = self.proof(measured)
        assert first.release == measured.one.id
        (replica,) = measured.agent.status()["replicas"]
        assert replica["first_token_s"] == first.first_token_s

        measured.apply(measured.two)
        measured.until("ready")
        assert self.proof(measured) == first

    def test_a_start_much_slower_than_the_last_good_one_gets_no_traffic(
        self, measured: Served
    ) -> None:
        """The status has both numbers and the release; once fast again, it is ready."""
        last_good = LastGood(measured.world.paths.last_good)
        last_good.remember(Proof("r-good", self.LAYOUT, 0.01, 1.0))
        measured.apply(measured.one)
        measured.engine.sleep = measured.world.clock.sleep
        measured.engine.healthy, measured.engine.first_token_s = True, 0.3
        measured.until("warming")
        measured.turn(3)
        status = measured.agent.status()
        assert status["ready_for"] is None
        assert re.search(
            r"replica 0 is warming: the first token took 0\.30 s, allowed are 0\.26 s "
            r"\(r-good, the last good release here, took 0\.01 s; 3 times",
            status["reason"],
        )
        measured.engine.first_token_s = 0.0
        measured.until("ready")

    def test_an_engine_that_talks_nonsense_gets_no_traffic(self, measured: Served) -> None:
        """It loads and says 200; the status says what it said."""
        measured.apply(measured.one)
        measured.engine.healthy, measured.engine.text = True, "!" * 16
        measured.until("warming")
        measured.turn(3)
        assert measured.agent.deep() == (
            False,
            "replica 0 is warming: the short warm-up prompt failed: nothing but 16 times '!'",
        )

    def test_what_was_served_before_a_maintenance_is_kept(self, measured: Served) -> None:
        """Of the minutes before, whatever the new engine counts."""
        measured.apply(measured.one)
        measured.engine.healthy = True
        measured.engine.served = {"answered": 100.0, "first_tokens": 100.0, "first_tokens_s": 9.0}
        measured.until("ready")
        measured.engine.served = {"answered": 140.0, "first_tokens": 140.0, "first_tokens_s": 29.0}
        measured.turn(12)
        (replica,) = measured.agent.status()["replicas"]
        assert replica["served"]["answered"] == 140.0

        maintenance = Maintenance(measured.world.paths.maintenance)
        maintenance.begin(measured.world.clock.now(), lease_s=300, why="a rolling restart")
        measured.turn()
        before = Before(measured.world.paths.before).served(self.LAYOUT)
        assert before[0].mean_first_token_s == 0.5
        assert before[0].first_tokens == 40.0

        measured.engine.healthy, measured.engine.served = False, {}
        measured.apply(measured.two)
        measured.turn(3)
        assert Before(measured.world.paths.before).served(self.LAYOUT) == before


class TestEmptied:
    def test_an_engine_that_is_not_started_anew_is_asked_again(self, served: Served) -> None:
        """While it is emptied it is not, and grows stale; whoever goes on with a rollout that broke
        off finds it warm, leaves it as it is, and waits until it is ready."""
        served.apply(served.one)
        served.engine.healthy = True
        served.until("ready")
        maintenance = Maintenance(served.world.paths.maintenance)
        maintenance.begin(served.world.clock.now(), lease_s=3000, why="a rollout")
        served.turn(2)
        asked = len(served.engine.asked)
        served.turn(100)
        assert len(served.engine.asked) == asked
        assert served.agent.status()["ready_for"] is None
        assert "gave its last token" in served.agent.status()["reason"]

        maintenance.emptied(served.world.clock.now(), yes=True)
        served.turn(20)
        assert len(served.engine.asked) > asked
        assert served.agent.status()["ready_for"] == served.one.id


class TestTrouble:
    @pytest.fixture(autouse=True)
    def ready(self, served: Served) -> None:
        """Each starts with an engine that is ready."""
        served.apply(served.one)
        served.engine.healthy = True
        served.until("ready")

    def test_a_crash_means_warming_up_again(self, served: Served) -> None:
        """Docker restarts the container by itself; it takes no traffic before it is warm."""
        container = served.world.machine.containers[ENGINE]
        container.status, container.exit_code = "restarting", 1
        assert served.turn() == "starting"
        container.status, container.restart_count = "running", 1
        container.started_at = "2026-11-21T03:10:00.5Z"
        asked = len(served.engine.asked)
        served.until("ready")
        assert len(served.engine.asked) == asked + 3

    def test_a_crash_loop_is_ended_and_its_log_kept(self, served: Served) -> None:
        """Three exits within ten minutes: stop, and say why with the log's own words."""
        container = served.world.machine.containers[ENGINE]
        served.world.machine.logs[ENGINE] = "INFO fine\nERROR CUDA out of memory\n"
        for count in (1, 2, 3):
            container.status, container.exit_code = "restarting", 1
            container.restart_count = count
            served.turn(5)

        document = served.agent.status()
        assert document["state"] == "crash-loop"
        assert document["log"] == ["ERROR CUDA out of memory"]
        assert (
            "exited 3 times within 600 s and is stopped now; the engine's container ended with"
            in document["reason"]
        )
        assert f"docker stop -t 5 {ENGINE}" in served.world.machine.calls
        assert container.status == "exited"

        anew = Agent(served.world.host)
        anew.tick()
        anew._replicas.watches[0].step(container_of(anew))
        assert anew.status()["state"] == "crash-loop"

    def test_a_hung_engine_leaves_traffic_and_is_restarted(self, served: Served) -> None:
        """Three canaries without a token: hung; after a minute of that, a restart."""
        served.engine.status = 500
        served.until("hung")
        assert "canaries missed: no token (HTTP 500" in served.agent.deep()[1]
        served.turn(62)
        assert f"docker restart -t 5 {ENGINE}" in served.world.machine.calls

        served.engine.status = 200
        served.until("ready")

    def test_an_engine_that_comes_round_is_warmed_first(self, served: Served) -> None:
        """SIGCONT after SIGSTOP: hung, warming, ready."""
        served.engine.status = 500
        served.until("hung")
        served.engine.status = 200
        served.until("warming", turns=10)
        served.until("ready", turns=3)

    def test_a_full_engine_is_not_broken(self, served: Served) -> None:
        """503 from a full queue counts as alive."""
        served.engine.status = 503
        assert served.turn(60) == "ready"
        assert served.agent.deep()[0]

    def test_docker_away_for_a_moment(self, served: Served) -> None:
        """The agent says what is wrong and goes on when it is over."""
        served.world.machine.fail["docker inspect"] = Completed(1, err="Cannot connect to Docker")
        served.agent.tick()
        assert "Cannot connect to Docker" in served.agent.deep()[1]
        served.world.machine.fail.clear()
        served.agent.tick()
        assert served.agent.deep()[0]


class TestWithoutARelease:
    def test_waits_unhealthy_and_asks_again_every_20_seconds(
        self, served: Served, execs: list[list[str]]
    ) -> None:
        """No release, no loop of restarts: a reason, and the release once there is one."""
        world = served.world
        write_files(world.paths.ssh_host_keys, {"ssh_host_ed25519_key.pub": b"ssh-ed25519 AAAA"})
        assert served.turn() == "no-release"
        assert served.agent.deep() == (False, "the fleet has no current release yet")

        world.publish(served.one)
        world.host.cloud.put_object(
            "releases/current", json.dumps({"release": served.one.id}).encode()
        )
        served.turn(15)
        assert world.paths.current_release() is None
        served.turn(6)
        assert world.paths.current_release() == served.one.id
        assert execs[0][1:] == [str(world.paths.program), "serve"]
        served.until("starting", turns=2)

    def test_a_boot_that_failed_is_tried_again(self, served: Served) -> None:
        """The machine came back without its network: the release is here, its engine is not."""
        world = served.world
        served.apply(served.one)
        world.paths.booted.unlink()
        world.machine.containers[ENGINE].status = "exited"
        served.turn()
        assert "sshd has no host keys yet" in served.agent.deep()[1]

        write_files(world.paths.ssh_host_keys, {"ssh_host_ed25519_key.pub": b"ssh-ed25519 AAAA"})
        served.turn(21)
        assert world.machine.containers[ENGINE].status == "running"
        served.engine.healthy = True
        served.until("ready")
        assert served.agent.deep() == (True, "")

    def test_a_boot_that_fails_leaves_a_running_engine_in_traffic(self, served: Served) -> None:
        """Docker brought the containers back; that S3 is away is no reason to turn clients away."""
        served.apply(served.one)
        served.engine.healthy = True
        served.until("ready")
        served.world.paths.booted.unlink()
        for _ in range(45):
            served.turn()
            assert served.agent.deep() == (True, "")
        assert served.world.events("trouble") != []

    def test_a_boot_that_fails_says_why(self, served: Served) -> None:
        """The reason stands in the status, for whoever asks the host."""
        served.agent.tick()
        assert "sshd has no host keys yet" in served.agent.status()["reason"]


class TestRescue:
    def test_an_apply_that_was_killed_is_finished(
        self, served: Served, execs: list[list[str]]
    ) -> None:
        """A journal without a holder of the lock: the agent brings `current` up itself."""
        served.apply(served.one)
        served.turn()
        served.world.machine.containers.clear()
        write_json(served.world.paths.journal, {"from": served.one.id, "to": served.two.id})

        served.turn(25)

        assert not served.world.paths.journal.exists()
        assert served.world.machine.containers[ENGINE].status == "running"

    def test_a_new_program_replaces_the_running_one(
        self, served: Served, execs: list[list[str]]
    ) -> None:
        """The very process becomes the new agent, once the apply that brought it is through."""
        served.apply(served.one)
        write_json(served.world.paths.journal, {"from": None, "to": served.one.id})
        served.agent._follow_program()
        assert execs == []
        served.world.paths.journal.unlink()
        served.agent._follow_program()
        assert execs[0][1:] == [str(served.world.paths.program), "serve"]

    def test_trouble_that_lasts_is_said_once(self, served: Served) -> None:
        """The event file lives in memory."""
        for _ in range(50):
            served.turn()
        assert len(served.world.events("trouble")) == 1


def container_of(agent: Agent) -> Any:
    return (agent._replicas._containers or {}).get(ENGINE)


def test_a_broken_release_is_said_not_raised(served: Served) -> None:
    """A release without agent.json does not end the agent."""
    served.apply(served.one)
    (served.world.paths.release(served.one.id) / "agent.json").unlink()
    served.agent.tick()
    assert "agent.json is missing" in served.agent.status()["reason"]
    with pytest.raises(AgentError):
        Apply(served.world.host).release(served.one.id, fetch=False)
