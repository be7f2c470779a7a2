"""``fab setup`` as a person types it."""

from __future__ import annotations

from dataclasses import replace

from provision.errors import HostUnreachable
from provision.facts.host import ContainerFacts
from tests.playbooks.conftest import Fleet

ENGINE = ContainerFacts("llm-fleet-engine-0", "engine:1", "running", 0, 0, False, "")


def lacking_a_runtime(fleet: Fleet, *hosts: str) -> None:
    for name in hosts:
        fleet.facts[name] = replace(fleet.facts[name], docker_runtimes=("runc",))


def test_hosts_that_lack_nothing(fleet: Fleet) -> None:
    """One friendly line, exit 0, and no host is asked for anything but facts."""
    said = fleet.run("setup", "--env", "test")

    assert said.code == 0
    assert "nothing to do" in said.out
    assert fleet.shell.log == []


def test_a_host_that_lacks_something_gets_it(fleet: Fleet) -> None:
    """The plan is printed, then carried out, on that host alone."""
    lacking_a_runtime(fleet, "i-2")
    fleet.shell.prepare("nvidia-ctk *")
    fleet.shell.prepare("systemctl restart docker")

    said = fleet.run("setup", "--env", "test", "--yes")

    assert said.code == 0
    assert "tell Docker of the nvidia runtime" in said.out
    ran = [line for line in fleet.shell.log if "readlink" not in line]
    assert ran == [
        "i-2: nvidia-ctk runtime configure --runtime=docker",
        "i-2: systemctl restart docker",
    ]


def test_a_dry_run_changes_nothing(fleet: Fleet) -> None:
    """The same plan, no command."""
    lacking_a_runtime(fleet, "i-1")

    said = fleet.run("setup", "--env", "test", "--dry-run", "--json")

    assert said.code == 0
    steps = said.json["plan"]["waves"][0]["steps"]
    assert [step["host"] for step in steps] == ["i-1", "i-1"]
    assert said.json["outcome"] is None
    assert fleet.shell.log == []


def test_an_engine_that_runs_is_a_refusal(fleet: Fleet) -> None:
    """Exit 3, and nothing happens on the other host either."""
    lacking_a_runtime(fleet, "i-1", "i-2")
    fleet.facts["i-1"] = replace(fleet.facts["i-1"], containers=(ENGINE,))

    said = fleet.run("setup", "--env", "test", "--yes")

    assert said.code == 3
    assert "an engine runs, so these must wait" in said.err
    assert fleet.shell.log == []


def test_a_host_that_is_out_of_reach_is_named(fleet: Fleet) -> None:
    """The others are set up; the task fails all the same."""
    fleet.unreachable["i-1"] = HostUnreachable("i-1", "no SSH connection")

    said = fleet.run("setup", "--env", "test", "--yes")

    assert said.code == 1
    assert "i-1 is left out: no SSH connection" in said.out


def test_only_some_hosts(fleet: Fleet) -> None:
    """--hosts takes names, and refuses one that nobody has."""
    lacking_a_runtime(fleet, "i-1", "i-2")

    some = fleet.run("setup", "--env", "test", "--hosts", "i-1", "--dry-run", "--json")
    none = fleet.run("setup", "--env", "test", "--hosts", "i-9")

    assert {step["host"] for step in some.json["plan"]["waves"][0]["steps"]} == {"i-1"}
    assert none.code == 2
    assert "no host matches 'i-9'" in none.err
