"""``fab status``, ``fab logs`` and ``fab benchmark`` as a person types them."""

from __future__ import annotations

import json
from typing import Any

from provision.commands.command import Command, Result
from provision.errors import HostUnreachable
from provision.facts.inventory import Host
from provision.testing import samples
from tests.playbooks.conftest import Fleet


def serve(fleet: Fleet) -> None:
    """Both hosts serve r-1."""
    ready = samples.serving("r-1")
    agent = {**(ready.agent or {}), "replicas": [{"running": 1, "waiting": 0}]}
    fleet.facts = {name: samples.serving("r-1") for name in fleet.facts}
    for name in fleet.facts:
        fleet.facts[name] = samples.facts(release="r-1", releases=("r-1",), agent=agent)
    fleet.cloud.objects["releases/current"] = b'{"release": "r-1"}'


def test_status_for_programs(fleet: Fleet) -> None:
    """A list of hosts; an unreachable one keeps its entry, and the exit code is 0."""
    serve(fleet)
    fleet.unreachable["i-2"] = HostUnreachable("i-2", "timed out")
    fleet.cloud.health = {"i-1": ["healthy"]}
    said = fleet.run("status", "--json")
    assert said.code == 0
    one, two = said.json
    assert {name: one[name] for name in ("name", "release", "model", "health", "in_traffic")} == {
        "name": "i-1",
        "release": "r-1",
        "model": "mistral-7b",
        "health": "ready",
        "in_traffic": True,
    }
    assert (two["name"], two["health"], two["in_traffic"]) == ("i-2", "unreachable", False)


def test_status_for_people(fleet: Fleet) -> None:
    """How many are in traffic, where clients go, what booting hosts take."""
    serve(fleet)
    said = fleet.run("status")
    assert "2 of 2 in traffic at http://fleet.test" in said.out
    assert "booting hosts take r-1" in said.out


def test_logs_name_their_host(fleet: Fleet) -> None:
    """Lines of all hosts; a host that fails is said, the others are shown, exit 1."""
    fleet.shell.prepare("sh -euc *", Result(0, "front | GET /v1\nengine-0 | INFO\n"))
    said = fleet.run("logs", "--since", "10m")
    assert (said.code, sorted(said.out.splitlines())[0]) == (0, "i-1 engine-0 | INFO")
    assert len(said.out.splitlines()) == 4

    fleet.shell.prepare("sh -euc *", HostUnreachable("i-2", "timed out"), host="i-2")
    said = fleet.run("logs")
    assert (said.code, len(said.out.splitlines())) == (1, 2)
    assert "error: i-2: timed out" in said.err


def test_logs_of_one_host(fleet: Fleet) -> None:
    """--hosts chooses; a time that is none is wrong usage."""
    fleet.shell.prepare("sh -euc *", Result(0, "front | x\n"))
    assert fleet.run("logs", "--hosts", "i-2").out == "i-2 front | x\n"
    assert fleet.run("logs", "--since", "yesterday").code == 2


def measured(rates: dict[int, float]) -> Any:
    """A load generator that measures *rates* by number of clients."""

    def run(_host: Host, command: Command) -> Result:
        words = command.display().split()
        rate = rates[int(words[words.index("--concurrency") + 1])]
        document = {
            "measured": {
                "completed": 16,
                "duration": 1.0,
                "request_throughput": rate / 128,
                "output_throughput": rate,
                "total_token_throughput": rate * 9,
            },
            "seen": {},
        }
        return Result(0, json.dumps(document))

    return run


def test_a_benchmark_stops_when_it_is_flat_and_is_kept(fleet: Fleet) -> None:
    """1, 2 and 4 clients; 4 brought nothing, so 8 is not tried."""
    serve(fleet)
    fleet.shell.prepare("python3 - --container *", measured({1: 100, 2: 190, 4: 195}))
    said = fleet.run("benchmark", "--json")
    assert said.code == 0
    assert [level["clients"] for level in said.json["levels"]] == [1, 2, 4]
    assert said.json["best_clients"] == 2
    kept = json.loads(fleet.cloud.objects["benchmarks/mistral-7b/g5.xlarge/r-1.json"])
    assert list(kept["mixes"]) == ["1024/128"]


def test_a_benchmark_needs_an_engine(fleet: Fleet) -> None:
    """No host is ready: exit 1, and where to look."""
    said = fleet.run("benchmark")
    assert said.code == 1
    assert "no host is ready to be measured" in said.err


def test_a_load_generator_that_fails(fleet: Fleet) -> None:
    """Its last lines are shown, and nothing is kept."""
    serve(fleet)
    fleet.shell.prepare("python3 - --container *", Result(1, "", "404: no such model"))
    said = fleet.run("benchmark", "--concurrency", "1")
    assert said.code == 1
    assert "| 404: no such model" in said.err
    assert not [line for line in fleet.cloud.log if "benchmarks" in line]
