"""What CloudWatch and Prometheus hear of a host, from its engine's answer to the number there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from provision.agent import containers
from provision.agent.errors import CloudUnreachable
from provision.agent.maintenance import Maintenance
from provision.agent.serve import Agent
from provision.agent.settings import Canary
from provision.agent.system import Completed, write_json
from provision.agent.telemetry import EVERY_S, UNITS
from tests.agent.conftest import World
from tests.agent.fakes import EngineBehaviour, stub_engine
from tests.agent.test_exposition import read
from tests.agent.test_serve import ENGINE, KEYS, SECRET, Served
from tests.agent.test_traffic import line
from tests.switch.closed_loop.fleet import CANARY_EVERY_S, FLUSH_EVERY_S, MISSES, AgentSpec

NAMESPACE = "llm-fleet/test"


class Heard(Served):
    """A host whose telling is turned by hand as well, a second after the other."""

    def __init__(self, world: World, engine: EngineBehaviour, port: int) -> None:
        super().__init__(world, engine, port)
        self.sent: list[list[dict[str, Any]]] = []
        self.refuses = ""
        self._put = world.host.cloud.put_metrics

    def put(self, namespace: str, data: list[dict[str, Any]]) -> None:
        """CloudWatch, unless it is away."""
        if self.refuses:
            raise CloudUnreachable(self.refuses)
        self.sent.append(data)
        self._put(namespace, data)

    def turn(self, times: int = 1) -> str:
        state = ""
        for _ in range(times):
            state = super().turn()
            self.agent._telling.turn()
        return state

    def serve(self) -> None:
        """Up, warm, and heard."""
        self.apply(self.one)
        self.engine.healthy = True
        self.until("ready")
        self.turn(12)
        self.sent.clear()

    def all(self, name: str) -> list[float]:
        """Every value of a metric that was sent, in its order."""
        return [
            value
            for data in self.sent
            for datum in data
            if datum["MetricName"] == name
            for value, count in zip(datum["Values"], datum["Counts"], strict=True)
            for _ in range(int(count))
        ]

    def numbers(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """The page for Prometheus."""
        page = self.agent.pages.text("/metrics")
        assert page is not None
        assert page[0] == 200
        return {(name, frozenset(labels.items())): value for name, labels, value in read(page[1])}

    def number(self, name: str, **labels: str) -> float | None:
        return self.numbers().get((name, frozenset(labels.items())))


@pytest.fixture
def heard(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """A host whose engine is a stub, and whose CloudWatch is moto."""
    monkeypatch.setattr(containers, "engine_answers", lambda _port: True)
    monkeypatch.setattr(Agent, "_spawn", lambda *_: None)
    monkeypatch.setattr(Agent, "_follow_program", lambda *_: None)
    world.host.cloud.client("secretsmanager").create_secret(Name=SECRET, SecretString=KEYS)
    behaviour = EngineBehaviour(healthy=False)
    with stub_engine(behaviour) as port:
        made = Heard(world, behaviour, port)
        monkeypatch.setattr(world.host.cloud, "put_metrics", made.put)
        yield made


def statistics(heard: Heard, name: str) -> dict[str, float]:
    """What an alarm would see of the last minutes."""
    now = datetime.fromtimestamp(heard.world.clock.now(), UTC)
    (point,) = heard.world.host.cloud.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=name,
        StartTime=now - timedelta(minutes=9),
        EndTime=now + timedelta(minutes=1),
        Period=600,
        Statistics=["Average", "Sum", "SampleCount"],
    )["Datapoints"]
    return {key: point[key] for key in ("Average", "Sum", "SampleCount")}


class TestCloudWatch:
    def test_a_call_every_ten_seconds(self, heard: Heard) -> None:
        """All of it in one, with the gauges of each canary."""
        heard.serve()
        heard.turn(60)
        assert len(heard.sent) == 6
        assert {datum["MetricName"] for data in heard.sent for datum in data} == {
            *("CanaryOk", "CanarySeconds", "Waiting", "Running", "KvUsage"),
            *("AnswersPrimary", "Errors", "Restarts"),
        }
        assert set(heard.all("CanaryOk")) == {1.0}
        assert 8 <= len(heard.all("CanaryOk")) <= 12
        assert set(heard.all("KvUsage")) == {0.25}

    def test_an_alarm_finds_it_there(self, heard: Heard) -> None:
        """In the fleet's namespace, without dimensions."""
        heard.serve()
        heard.engine.status = 500
        heard.turn(12)
        seen = statistics(heard, "CanaryOk")
        assert 0 < seen["Average"] < 1
        assert statistics(heard, "Waiting")["Average"] == 1.0
        assert seen["SampleCount"] == statistics(heard, "Waiting")["SampleCount"]

    def test_a_changed_canary_is_told_at_once(self, heard: Heard) -> None:
        """Not at the end of the ten seconds; an unchanged one waits."""
        heard.serve()
        heard.turn(3)
        heard.sent.clear()
        heard.engine.status = 500
        seconds = 0
        while not heard.all("CanaryOk") or heard.all("CanaryOk")[-1] == 1.0:
            heard.turn()
            seconds += 1
        assert seconds <= 6
        calls = len(heard.sent)
        heard.turn(9)
        assert len(heard.sent) <= calls + 1

    def test_an_engine_that_died_misses_its_canaries(self, heard: Heard) -> None:
        """Every 5 s, also while it loads again; and that it restarted is told."""
        heard.serve()
        heard.engine.healthy = False
        container = heard.world.machine.containers[ENGINE]
        container.restart_count, container.started_at = 1, "2026-11-21T03:10:00Z"
        heard.turn(30)
        canaries = heard.all("CanaryOk")
        assert canaries == sorted(canaries, reverse=True)  # good ones from before, then none
        assert 5 <= canaries.count(0.0) <= 7
        assert sum(heard.all("Restarts")) == 1
        assert len(heard.all("CanarySeconds")) == canaries.count(1.0)

    def test_a_host_that_comes_up_says_nothing_bad(self, heard: Heard) -> None:
        """Nor one that is away on purpose."""
        heard.apply(heard.one)
        heard.turn(30)
        assert heard.sent == []
        heard.engine.healthy = True
        heard.until("ready")
        heard.turn(6)
        now = heard.world.clock.now()
        Maintenance(heard.world.paths.maintenance).begin(now, lease_s=60.0, why="a rollout")
        heard.turn(2)
        heard.sent.clear()
        heard.engine.healthy, heard.world.machine.containers[ENGINE].status = False, "exited"
        heard.turn(40)
        assert heard.all("CanaryOk") == []
        assert set(heard.all("AnswersPrimary")) == {0}

    def test_one_that_never_comes_up_is_not_missed_either(self, heard: Heard) -> None:
        """Its watch asks it for a token when it is late; the fleet's canaries are others."""
        heard.apply(heard.one)
        heard.engine.status = 500
        heard.turn()
        heard.world.clock.sleep(1300)  # more than ready_timeout_s
        assert heard.turn(20) == "hung"
        assert heard.engine.asked
        assert heard.all("CanaryOk") == []

    def test_a_full_engine_is_alive(self, heard: Heard) -> None:
        """Its canary is good, and gave no token that had a time."""
        heard.serve()
        heard.engine.status = 503
        heard.turn(20)
        assert set(heard.all("CanaryOk")) == {1.0}
        assert len(heard.all("CanarySeconds")) <= 1

    def test_first_tokens_come_as_often_as_the_engine_counted_them(self, heard: Heard) -> None:
        """From its histogram, by how late they were at most."""
        heard.serve()
        heard.engine.first_tokens = {0.1: 5, 0.5: 7, float("inf"): 8}
        heard.turn(12)
        heard.engine.first_tokens = {0.1: 6, 0.5: 10, float("inf"): 12}
        heard.turn(12)
        assert sorted(heard.all("FirstTokenSeconds")) == [0.1, 0.5, 0.5, 0.5]

    def test_answers_by_tier(self, heard: Heard) -> None:
        """As sums of what came since the last call; probes are nobody's."""
        heard.serve()
        traffic = heard.agent._telling.traffic
        for datagram in [line()] * 7 + [line("hosted", spill="full")] * 2:
            traffic.count(datagram)
        traffic.count(line(status=503))
        traffic.count(line(status=404))
        traffic.count(line(probe="1"))
        heard.turn(12)
        assert sum(heard.all("AnswersPrimary")) == 7
        assert sum(heard.all("AnswersHosted")) == 2
        assert sum(heard.all("Errors")) == 1
        assert heard.all("AnswersStale") == []
        heard.sent.clear()
        heard.turn(20)
        assert heard.all("AnswersPrimary") == [0, 0]

    def test_gpus_when_there_are_some(self, heard: Heard) -> None:
        """On a host without nvidia-smi nobody looks again."""
        telling = heard.agent._telling
        machine = heard.world.machine
        machine.other["nvidia-smi"] = lambda _: Completed(127)
        assert not telling.look_at_gpus()
        machine.other["nvidia-smi"] = lambda _: Completed(0, out="0, 87, 11514, 23028\n")
        assert telling.look_at_gpus()
        heard.turn()
        assert heard.all("GpuUtilisation") == [87.0]
        assert heard.all("GpuMemory") == [50.0]
        assert heard.number("llm_fleet_gpu_utilisation_ratio", gpu="0") == 0.87

    def test_while_cloudwatch_is_away_nothing_waits(self, heard: Heard) -> None:
        """One event, the numbers are dropped and counted, and the next ones are new."""
        heard.serve()
        heard.refuses = "can't write metrics: no"
        heard.turn(60)
        said = [event["reason"] for event in heard.world.events("trouble")]
        assert said == ["metrics are lost: can't write metrics: no"]
        assert heard.sent == []
        assert len(heard.agent._telling._ledger) < 20
        assert (heard.number("llm_fleet_cloudwatch_values_lost_total") or 0) > 20
        heard.refuses = ""
        heard.turn(11)
        assert 1 <= len(heard.all("CanaryOk")) <= 3
        heard.refuses = "again"
        heard.turn(11)
        assert len(heard.world.events("trouble")) == 2

    def test_every_metric_that_can_be_sent_is_known(self, heard: Heard) -> None:
        """A name without a unit would fail in the middle of the night."""
        heard.serve()
        heard.turn(30)
        assert {datum["MetricName"] for data in heard.sent for datum in data} <= set(UNITS)


class TestPages:
    def test_health_has_a_word(self, heard: Heard) -> None:
        """Beside ready and reason, from loading to full to hung to away."""
        heard.apply(heard.one)
        heard.turn()
        assert heard.agent.pages.health()["condition"] == "starting"
        heard.engine.healthy = True
        heard.until("ready")
        assert heard.agent.pages.health() == {"ready": True, "reason": "", "condition": "ok"}
        heard.engine.status = 503
        heard.turn(8)
        assert heard.agent.pages.health() == {
            "ready": True,
            "reason": "",
            "condition": "overloaded",
        }
        heard.engine.status = 500
        heard.until("hung")
        assert heard.agent.pages.health()["condition"] == "hung"
        write_json(heard.world.paths.journal, {"from": heard.one.id, "to": heard.two.id})
        assert heard.agent.pages.health()["condition"] == "away"

    def test_the_page_for_prometheus(self, heard: Heard) -> None:
        """The same numbers as CloudWatch's, and more that costs nothing here."""
        heard.serve()
        for datagram in [line()] * 3 + [line("hosted", spill="down"), line(probe="1")]:
            heard.agent._telling.traffic.count(datagram)
        assert heard.number("llm_fleet_ready") == 1
        assert heard.number("llm_fleet_away") == 0
        assert heard.number("llm_fleet_condition", condition="ok") == 1
        assert heard.number("llm_fleet_condition", condition="dead") == 0
        info = {"environment": "test", "release": heard.one.id, "model": "mistral-7b"}
        assert heard.number("llm_fleet_info", **info) == 1
        assert heard.number("llm_fleet_engine_phase", replica="0", phase="ready") == 1
        assert heard.number("llm_fleet_requests_running", replica="0") == 2
        assert heard.number("llm_fleet_kv_usage_ratio", replica="0") == 0.25
        assert heard.number("llm_fleet_canary_ok", replica="0") == 1
        assert heard.number("llm_fleet_warm_up_seconds", replica="0") is not None
        assert (heard.number("llm_fleet_engine_uptime_seconds", replica="0") or 0) > 0
        assert heard.number("llm_fleet_answers_total", tier="primary", status="200") == 3
        assert heard.number("llm_fleet_spills_total", reason="down") == 1
        assert heard.number("llm_fleet_probes_total") == 1
        assert heard.number("llm_fleet_client_keys") == 1

    def test_canaries_are_counted_by_what_came(self, heard: Heard) -> None:
        """And a counter never falls."""
        heard.serve()
        before = heard.number("llm_fleet_canaries_total", replica="0", result="token") or 0
        heard.engine.status = 503
        heard.turn(12)
        heard.engine.status = 500
        heard.turn(12)
        counts = {
            result: heard.number("llm_fleet_canaries_total", replica="0", result=result) or 0
            for result in ("token", "busy", "none")
        }
        assert counts["token"] >= before > 0
        assert counts["busy"] >= 2
        assert counts["none"] >= 2
        assert heard.number("llm_fleet_canary_ok", replica="0") == 0

    def test_an_engines_own_page(self, heard: Heard) -> None:
        """As it stands there; 503 while nobody answers, nothing for an engine that there is not."""
        heard.serve()
        page = heard.agent.pages.text("/metrics/engine/0")
        assert page is not None
        assert page[0] == 200
        assert "vllm:num_requests_running{" in page[1]
        assert heard.agent.pages.text("/metrics/engine/1") is None
        assert heard.agent.pages.text("/metrics/engine/x") is None

    def test_an_agent_that_knows_nothing_yet_has_a_page(self, world: World) -> None:
        """Before the first release."""
        page = Agent(world.host).pages.text("/metrics")
        assert page is not None
        assert re.search(r"^llm_fleet_ready 0$", page[1], re.MULTILINE)
        assert 'release=""' in page[1]


def test_the_switch_was_measured_with_agents_as_they_are() -> None:
    """Its closed loop plays them: how long a canary waits, how often numbers are sent, and when."""
    played, ships = AgentSpec(), Canary()
    assert (played.canary_deadline_s, played.flush_on_change) == (ships.deadline_s, True)
    assert (ships.interval_s, EVERY_S, ships.misses) == (CANARY_EVERY_S, FLUSH_EVERY_S, MISSES)
