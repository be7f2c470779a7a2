"""What people read, compared as a whole.

``pytest tests/report --update-golden`` writes the files anew.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.errors import HostError, NotReady
from provision.executor.outcome import Event, HostOutcome, Kind, Outcome, StepDone
from provision.facts.host import GpuFacts
from provision.facts.inventory import Inventory
from provision.planning.actions import ImageSpec
from provision.planning.benchmark import Benchmark, Level, Percentiles
from provision.planning.deploy import plan_deploy
from provision.planning.plan import Plan
from provision.planning.release import assemble
from provision.planning.situation import Situation, Target
from provision.planning.status import rows
from provision.report import benchmark, lines, outcome, plan, status, waterfall
from provision.secret import Secret
from provision.testing import samples

GOLDEN = Path(__file__).parent.parent / "golden" / "reports"
RELEASE = assemble("mistral-7b", {"engine.yaml": "model: x\n"}, {"revision": "abc"})
IMAGES = (
    ImageSpec(f"{samples.REPOSITORY_URL}:engine-0123456789ab", "vllm/vllm-openai:v0", "Dockerfile"),
    ImageSpec(f"{samples.REPOSITORY_URL}:front-0123456789ab", "nginx:1"),
)
TARGET = Target(RELEASE, IMAGES, "mistralai/Mistral", "abc", "weights/mistral-7b/abc")
WATERFALL = {"upload": 0.3, "pull": 12.0, "weights": 34.5, "compile": 21.0, "graphs": 9.0}
WATERFALL |= {"warm-up": 1.7}


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Any:
    """Compare text with a file, or write it when asked to."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / f"{name}.txt"
        if request.config.getoption("--update-golden", default=False):
            path.write_text(text + "\n")
        assert text + "\n" == path.read_text()
        assert all(line == line.rstrip() for line in text.splitlines())

    return compare


def new_fleet(count: int, **changes: Any) -> Plan:
    hosts = samples.hosts(count)
    situation = Situation(
        Inventory(hosts),
        {host.name: samples.facts() for host in hosts},
        new_probe_key=Secret("sk-fleet-secret"),
    )
    return plan_deploy(samples.environment(), TARGET, replace(situation, **changes))


def test_the_plan_of_a_new_fleet(golden: Any) -> None:
    """What, where, why; hosts with the same step share a line; no secret."""
    hosts = samples.hosts(5)
    facts = {host.name: samples.facts() for host in hosts[:4]}
    text = plan.text(new_fleet(5, facts=facts, unreachable={"i-5": "no route to host"}))
    golden("plan_new_fleet", text)
    assert "sk-fleet" not in text


def test_an_empty_plan() -> None:
    """One friendly line."""
    empty = Plan("deploy r-1 (mistral-7b) to test")
    assert plan.text(empty) == "deploy r-1 (mistral-7b) to test\n\nnothing to do"
    assert plan.document(empty)["waves"] == []


def test_a_plan_for_programs() -> None:
    """Waves of steps with host, summary and reason; the environment's have no host."""
    document = plan.document(new_fleet(1))
    assert document["waves"][0] == {
        "title": "publish and upload",
        "steps": [
            {"host": None, "summary": "make a probe key", "reason": "there is none to ask with"},
            {
                "host": None,
                "summary": f"publish {RELEASE.id}",
                "reason": "not in the bucket yet",
            },
            {"host": "i-1", "summary": f"upload {RELEASE.id}", "reason": "not on the host yet"},
        ],
    }


def good(name: str, scale: float = 1.0) -> HostOutcome:
    phases = {phase: took * scale for phase, took in WATERFALL.items()}
    return HostOutcome(
        name, (StepDone("start", "wait until ready", 80.0 * scale),), None, None, waterfall=phases
    )


def test_a_deploy_that_went_well(golden: Any) -> None:
    """Who did what, the slowest host's waterfall, the answer, the time."""
    done = Outcome(
        "deploy",
        (HostOutcome("", (StepDone("finish", "ask", 0.4),)), good("i-1"), good("i-2", 0.8)),
        seconds=95.0,
        waves={"start": 80.0},
        answer="Hello.\nHow are you?",
        streamed_chunks=9,
    )
    golden("outcome_good", outcome.text(done))
    assert outcome.document(done)["hosts"][0]["waterfall"]["weights"] == 34.5


def test_a_deploy_of_which_one_host_failed(golden: Any) -> None:
    """The error with its last log lines, what never began, how to go on."""
    error = NotReady(
        "i-2",
        "the engine exited",
        waited_s=74.0,
        last_log=["loading weights", "torch.OutOfMemoryError: CUDA out of memory"],
        hint="lower engine.gpu_memory_utilization",
    )
    bad = HostOutcome("i-2", (), "wait until ready", error, not_done=("wait for traffic",))
    left = HostOutcome("i-3", error=HostError("i-3", "no route to host"))
    done = Outcome("deploy", (good("i-1"), bad, left), never_began=("finish",), seconds=80.0)
    golden("outcome_one_failed", outcome.text(done))


def test_a_deploy_that_was_stopped(golden: Any) -> None:
    """Ctrl-C: what was done, what was cut, what was not begun; nobody is called broken."""
    cut = HostOutcome(
        "i-1", (), "wait until ready", HostError("i-1", "closed"), cut=True, not_done=("x",)
    )
    waiting = HostOutcome("i-2", not_done=("start r-1", "wait until ready"))
    done = Outcome("deploy", (cut, waiting), ("finish",), interrupted=True, seconds=12.0)
    golden("outcome_stopped", outcome.text(done))


def test_nothing_was_started() -> None:
    """No waterfall without phases."""
    assert waterfall.text({"": {}, "i-1": {}}) == ""


def test_the_status_table(golden: Any) -> None:
    """Well, warming, unreachable, without GPUs: unknown where unknown, reasons below."""
    hosts = samples.hosts(4)
    replicas = [{"running": 3, "waiting": 0, "uptime_s": 93784.0, "kv_usage": 0.4, "restarts": 0}]
    ready = {"state": "ready", "ready_for": "r-0123456789ab", "model": "mistral-7b"}
    warming = {"state": "warming", "model": "mistral-7b", "reason": "replica 0 is warming"}
    common = {"release": "r-0123456789ab"}
    a100 = GpuFacts("NVIDIA A100-SXM4-40GB", 40960, 36000)
    facts = {
        "i-1": samples.facts(agent={**ready, "replicas": replicas}, gpus=(a100,) * 8, **common),
        "i-2": samples.facts(agent={**warming, "replicas": [{"running": 0}]}, gpus=(), **common),
        "i-3": samples.facts(gpus=None),
    }
    targets = {"i-1": "healthy", "i-2": "unhealthy"}
    found = rows(Inventory(hosts), facts, {"i-4": "timed out after 20 s"}, targets)
    golden(
        "status", status.text(found, current="r-0123456789ab", endpoint="https://fleet.example.com")
    )
    assert sorted(status.document(found)[0])[:4] == ["address", "gpus", "health", "in_traffic"]
    assert status.text((), current=None, endpoint="") == "no running host"


def test_the_benchmark_table(golden: Any) -> None:
    """Rising load until flat; percentiles; the level to plan with; advice."""
    times = Percentiles(41.0, 88.4, 120.0)
    first = Level(1, 16, 0, 20.0, 0.8, 102.4, 921.6, times, Percentiles(9.1, 9.4, None), times)
    second = replace(first, clients=2, requests_per_s=1.55, output_tokens_per_s=198.4)
    third = replace(second, clients=4, output_tokens_per_s=201.0, waiting=3, kv_usage=0.3, failed=1)
    done = Benchmark(
        "mistral-7b",
        "g5.xlarge",
        "r-0123456789ab",
        1,
        1024,
        128,
        "2026-11-21T04:00:00+00:00",
        (first, second, third),
    )
    golden("benchmark", benchmark.text(done))
    assert benchmark.document(done)["best_clients"] == 2


def test_progress_lines() -> None:
    """One line an event, hosts in a column of their own."""
    shown = [
        lines.line(event)
        for event in (
            Event(Kind.WAVE, "start"),
            Event(Kind.BEGAN, "start r-1", "i-1"),
            Event(Kind.PROGRESS, "weights 40 % of 13.5 GiB", "i-1"),
            Event(Kind.DONE, "publish r-1", "", 0.42),
            Event(Kind.FAILED, "start r-1: no", "i-0123456789abcdef0", 75.0),
            Event(Kind.NOTE, "stopping"),
        )
    ]
    assert shown == [
        "== start",
        ".. i-1                  start r-1",
        "   i-1                  weights 40 % of 13.5 GiB",
        "ok environment          publish r-1  0.4 s",
        "!! i-0123456789abcdef0  start r-1: no  1 min 15 s",
        "-- stopping",
    ]
