"""A host says good-bye: what it does to load balancer, engines and group, and after a restart."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace

import pytest

from provision.agent import __main__ as program
from provision.agent import containers
from provision.agent.apply import Apply
from provision.agent.engine import Metrics
from provision.agent.errors import AgentError, CloudUnreachable
from provision.agent.leaving import REBALANCE_ITEM, SPOT_ITEM, TARGET_ITEM, Leaving, leaving
from provision.agent.lock import held
from provision.agent.maintenance import Maintenance
from provision.agent.paths import Paths
from provision.agent.serve import Agent
from provision.agent.settings import Hook
from provision.agent.wait import hopeless, of_replica
from tests.agent.conftest import World, make_release

HOOK = Hook("llm-fleet-test", "llm-fleet-test-leave", 390.0)
SPOT = '{"action": "terminate", "time": "2026-11-21T03:02:00Z"}'
NAME = "i-0123456789abcdef0"


@dataclass
class Aws:
    """What the host said to AWS; *errors* are raised by the call of that name, one by one."""

    said: list[str] = field(default_factory=list)
    errors: dict[str, list[AgentError]] = field(default_factory=dict)
    waits: bool = True  # the group waits for the host

    def leave_traffic(self, instance_id: str) -> None:
        self._fail("leave_traffic")
        self.said.append(f"deregister {instance_id}")

    def complete_lifecycle(self, group: str, hook: str, instance_id: str) -> bool:
        self._fail("complete_lifecycle")
        if self.waits:
            self.said.append(f"continue {group} {hook} {instance_id}")
        return self.waits

    def _fail(self, call: str) -> None:
        if self.errors.get(call):
            raise self.errors[call].pop(0)


@dataclass
class Host:
    """A host that serves a release, its farewell turned by hand."""

    world: World
    aws: Aws
    leaving: Leaving
    metrics: list[Metrics] = field(default_factory=lambda: [Metrics(running=0, waiting=0, steps=9)])

    def notice(self, item: str, text: str) -> None:
        self.world.metadata.items[item] = text

    def turn(self, seconds: float = 0.0) -> None:
        """One turn after the other until *seconds* have passed, at least one."""
        until = self.world.clock.now() + seconds
        while True:
            self.world.clock.sleep(self.leaving.turn())
            if self.world.clock.now() >= until:
                return

    @property
    def done(self) -> list[str]:
        """What was done so far, in its order."""
        return [event["did"] for event in self.world.events("leaving") if "did" in event]


@pytest.fixture
def host(world: World, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Two containers run, the engine has nothing to do, AWS takes what it is told."""
    monkeypatch.setattr(containers, "engine_answers", lambda _port: True)
    aws = Aws()
    for name in ("leave_traffic", "complete_lifecycle"):
        monkeypatch.setattr(world.host.cloud, name, getattr(aws, name))
    release = make_release()
    world.put_on_host(release)
    Apply(world.host).release(release.id, fetch=False)
    hooked = replace(world.host, settings=replace(world.host.settings, hook=HOOK))
    world.host = hooked
    made = Host(world, aws, Leaving(hooked, lambda: made.metrics))
    return made


def test_nothing_happens_without_a_notice(host: Host) -> None:
    """Nor while the metadata service is away, for however long."""
    host.notice(TARGET_ITEM, "InService")
    host.turn(60)
    host.world.metadata.away = True
    host.turn(600)
    assert (host.leaving.farewell, host.aws.said, host.done) == (None, [], [])
    assert host.world.events("trouble") == []


def test_a_group_that_ends_the_host(host: Host) -> None:
    """Out of the load balancer, emptied, stopped, and then the group goes on: within seconds."""
    host.notice(TARGET_ITEM, "Terminated")
    begun = host.world.clock.now()
    host.turn(20)
    assert host.done == [
        "leave traffic",
        "empty the engines",
        "stop the engines",
        "let the group go on",
    ]
    assert host.aws.said == [
        f"deregister {NAME}",
        f"continue llm-fleet-test llm-fleet-test-leave {NAME}",
    ]
    assert host.world.machine.containers == {}
    assert host.world.clock.now() - begun < 30
    assert host.world.events("leaving")[0]["reason"] == (
        "leaving: the Auto Scaling group ends it, 390 s left"
    )


def test_the_end_of_a_farewell_is_quiet(host: Host) -> None:
    """Nothing is done twice, however long AWS takes."""
    host.notice(TARGET_ITEM, "Terminated")
    host.turn(20)
    said, done = list(host.aws.said), host.done
    host.turn(600)
    assert (host.aws.said, host.done) == (said, done)


def test_a_spot_notice(host: Host) -> None:
    """The same, with nobody to tell."""
    host.notice(SPOT_ITEM, SPOT)
    host.turn(30)
    assert host.done == ["leave traffic", "empty the engines", "stop the engines"]
    assert host.aws.said == [f"deregister {NAME}"]


def test_answers_that_run_are_waited_for(host: Host) -> None:
    """As long as there is time; then the engine gets the rest for its own polite end."""
    host.notice(SPOT_ITEM, SPOT)
    host.metrics = [Metrics(running=1, waiting=0, steps=9)]
    host.turn(80)
    assert host.done == ["leave traffic"]
    host.turn(20)
    assert host.done == ["leave traffic", "stop the engines"]
    stops = [line for line in host.world.machine.calls if line.startswith("docker stop")]
    graces = {int(line.split()[3]) for line in stops}
    assert graces <= set(range(10, 21))


def test_a_second_notice_is_heard_while_answers_run(host: Host) -> None:
    """The group had time; a spot notice takes it away."""
    host.notice(TARGET_ITEM, "Terminated")
    host.metrics = [Metrics(running=1, waiting=0, steps=9)]
    host.turn(20)
    host.notice(SPOT_ITEM, SPOT)
    host.turn(80)
    assert host.done == ["leave traffic", "stop the engines", "let the group go on"]


def test_a_load_balancer_that_cannot_be_told(host: Host) -> None:
    """It is tried for half a minute; /healthz/deep says no all the while."""
    host.aws.errors["leave_traffic"] = [CloudUnreachable("no route")] * 100
    host.notice(TARGET_ITEM, "Terminated")
    host.turn(60)
    assert host.done == ["empty the engines", "stop the engines", "let the group go on"]
    (trouble,) = host.world.events("trouble")
    assert trouble["reason"] == "can't leave traffic: no route"


def test_a_group_that_does_not_wait_yet(host: Host) -> None:
    """Its word on the target comes before the wait begins: it is told again."""
    host.aws.waits = False
    host.notice(TARGET_ITEM, "Terminated")
    host.turn(60)
    assert host.done[-1] == "stop the engines"
    host.aws.waits = True
    host.turn(10)
    assert host.done[-1] == "let the group go on"
    assert host.world.events("trouble") == []


def test_a_group_that_cannot_be_told(host: Host) -> None:
    """Said once, tried again."""
    host.aws.errors["complete_lifecycle"] = [CloudUnreachable("throttled")] * 3
    host.notice(TARGET_ITEM, "Terminated")
    host.turn(60)
    assert host.done[-1] == "let the group go on"
    assert len(host.world.events("trouble")) == 1


def test_a_host_that_knows_no_hook(host: Host) -> None:
    """Made by an older program: the group goes on by itself when the hook's time is over."""
    old = replace(host.world.host, settings=replace(host.world.host.settings, hook=None))
    host.leaving = Leaving(old, lambda: host.metrics)
    host.notice(TARGET_ITEM, "Terminated")
    host.turn(30)
    assert host.world.machine.containers == {}
    assert host.aws.said == [f"deregister {NAME}"]


def test_an_apply_that_runs_is_not_cut(host: Host) -> None:
    """It holds the host's lock; its engines get no traffic, and are stopped when it is through."""
    host.notice(TARGET_ITEM, "Terminated")
    events, clock = host.world.host.events, host.world.clock
    with held(host.world.paths.lock, clock, events, wait_s=0.0):
        host.turn(60)
        assert host.done == ["leave traffic", "empty the engines"]
    host.turn(10)
    assert host.done[-2:] == ["stop the engines", "let the group go on"]


@pytest.mark.parametrize("seconds", range(0, 24, 2))
def test_an_agent_that_starts_anew_goes_on(host: Host, seconds: int) -> None:
    """Wherever it was: what was done stays done, and the metadata service may be away."""
    host.notice(TARGET_ITEM, "Terminated")
    host.turn(seconds)
    host.leaving = Leaving(host.world.host, lambda: host.metrics)
    assert host.leaving.farewell == leaving(host.world.paths)
    host.turn(40)
    assert host.done == [
        "leave traffic",
        "empty the engines",
        "stop the engines",
        "let the group go on",
    ]
    assert len(host.aws.said) == 2


def test_a_rebalance_recommendation_is_only_said(host: Host) -> None:
    """Once; many of them come to nothing."""
    host.notice(REBALANCE_ITEM, '{"noticeTime": "2026-11-21T03:00:00Z"}')
    host.turn(60)
    assert host.leaving.rebalance == '{"noticeTime": "2026-11-21T03:00:00Z"}'
    assert len(host.world.events("rebalance-recommended")) == 1
    assert host.leaving.farewell is None


class TestAgent:
    @pytest.fixture
    def agent(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> Agent:
        """The whole agent, its threads turned by hand."""
        monkeypatch.setattr(Agent, "_spawn", lambda *_: None)
        monkeypatch.setattr(os, "execv", lambda *_: None)
        host.world.paths.hop_env.write_text("VLLM_API_KEY=hop\n")
        return Agent(host.world.host)

    def leave(self, host: Host, agent: Agent) -> None:
        host.notice(SPOT_ITEM, SPOT)
        agent.tick()
        agent._leaving.turn()
        agent.tick()

    def test_says_so_to_load_balancer_and_people(self, host: Host, agent: Agent) -> None:
        """503 with the reason, and no release is ready here any more."""
        self.leave(host, agent)
        host.world.clock.sleep(30)
        assert agent.deep() == (False, "leaving: spot notice, 90 s left")
        status = agent.status()
        assert status["reason"] == "leaving: spot notice, 90 s left"
        assert status["ready_for"] is None
        assert status["leaving"]["why"] == "spot notice"
        assert status["maintenance"]["why"] == "leaving: spot notice, 90 s left"

    def test_never_comes_back_by_the_lease(
        self, host: Host, agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An operator had taken it away, and is gone: the lease ends, the farewell does not."""
        entered: list[str] = []
        monkeypatch.setattr(host.world.host.cloud, "enter_traffic", entered.append)
        now = host.world.clock.now()
        Maintenance(host.world.paths.maintenance).begin(now, lease_s=5, why="a rollout")
        self.leave(host, agent)
        for _ in range(200):
            host.world.clock.sleep(2)
            agent.tick()
        assert entered == []
        assert not agent.deep()[0]

    def test_starts_nothing_any_more(self, host: Host, agent: Agent) -> None:
        """Neither a boot that is due nor an apply that was killed brings engines back."""
        self.leave(host, agent)
        for _ in range(40):
            host.world.clock.sleep(agent._leaving.turn())
        host.world.paths.booted.unlink()
        host.world.paths.journal.write_text(json.dumps({"from": None, "to": "r-x"}))
        for _ in range(40):
            host.world.clock.sleep(2)
            agent.tick()
        assert host.world.machine.containers == {}


@pytest.mark.parametrize(
    "words",
    [
        ["apply", "--release", "r-1"],
        ["maintain", "--lease", "60", "--why", "x"],
        ["drain", "--timeout", "5"],
        ["resume"],
        ["bake", "--release", "r-1", "--seconds", "1"],
        ["wait", "--release", "r-1"],
        ["boot"],
    ],
)
def test_an_operators_rollout_fails_on_it_with_the_reason(
    host: Host,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At once, and nothing is changed on the host any more."""
    host.notice(SPOT_ITEM, SPOT)
    host.turn()
    monkeypatch.setattr(program, "Paths", lambda: Paths(host.world.paths.root))
    monkeypatch.setattr(program, "SystemClock", lambda: host.world.clock)
    before = list(host.world.machine.calls)
    assert program.main(words) == 1
    failed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert failed["event"] == "failed"
    assert failed["reason"].startswith("this host is leaving: spot notice, 1")
    assert host.world.machine.calls == before


def test_whoever_waits_for_it_hears_at_once() -> None:
    """The notice came after the wait began."""
    status = {
        "release": "r-1",
        "state": "starting",
        "leaving": {"why": "spot notice"},
        "reason": "leaving: spot notice, 90 s left",
    }
    assert hopeless(status, "r-1", 0.0) == "this host is leaving: spot notice, 90 s left"


def test_none_of_its_engines_is_ready_either() -> None:
    """Whoever watches one of several would see nothing of the end that is near."""
    words = "leaving: spot notice, 90 s left"
    engine = {"index": 1, "release": "r-1", "ready_for": "r-1", "state": "ready", "reason": ""}
    host = {"release": "r-1", "ready_for": None, "reason": words, "replicas": [engine]}
    alone = of_replica(lambda: {**host, "leaving": {"why": "spot notice"}}, 1)()
    assert alone is not None
    assert (alone["ready_for"], alone["reason"]) == (None, words)
    stays = of_replica(lambda: {**host, "leaving": None}, 1)()
    assert stays is not None
    assert stays["ready_for"] == "r-1"
