"""`fab instance-refresh`, as typed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from provision.commands.command import Result
from provision.errors import CloudError
from provision.secret import Secret
from provision.testing import samples
from tests.playbooks.conftest import STREAMED, URL, WHOLE, Fleet

RELEASE = "r-000000000000"
NEW = samples.hosts(4)[2:]


@pytest.fixture
def serving(fleet: Fleet) -> Fleet:
    """Two hosts of the first version that serve; the group launches the second."""
    fleet.cloud.hosts = tuple(replace(host, template="1") for host in fleet.cloud.hosts)
    fleet.cloud.template = "2"
    fleet.cloud.replacements = [
        (replace(host, template="2"), ["initial", "healthy"]) for host in NEW
    ]
    fleet.facts = {name: samples.serving(RELEASE) for name in ("i-1", "i-2", "i-3", "i-4")}
    fleet.shell.prepare("*readlink*", Result(0, f"{RELEASE}\n"))
    fleet.cloud.secrets["llm-fleet/test/probe-key"] = Secret("sk-fleet-probe")
    fleet.http.prepare("POST", URL, *(WHOLE, STREAMED) * 4)
    fleet.cloud.objects["releases/current"] = json.dumps({"release": RELEASE}).encode()
    return fleet


def told(fleet: Fleet) -> list[str]:
    """What AWS was told of hosts and group."""
    words = ("register", "deregister", "terminate", "suspend", "resume")
    return [line for line in fleet.cloud.log if line.startswith(words)]


def test_one_after_the_other(serving: Fleet) -> None:
    """Out of traffic, emptied, ended; the next when another is there. The group is never held."""
    said = serving.run("instance-refresh", "--yes")
    assert said.code == 0, said.err
    assert told(serving) == [
        "deregister i-1",
        "terminate i-1",
        "deregister i-2",
        "terminate i-2",
    ]
    drains = [line for line in serving.shell.ran("i-1") if "host.pyz drain" in line]
    assert len(drains) == 1
    assert {host.template for host in serving.cloud.hosts} == {"2"}
    assert "wait for another one in traffic (i-3, i-4)" in said.err
    assert serving.run("instance-refresh", "--yes").out.splitlines()[-1] == "nothing to do"


def test_a_dry_run_changes_nothing(serving: Fleet) -> None:
    """The plan is what would run."""
    said = serving.run("instance-refresh", "--dry-run")
    assert said.code == 0
    assert "replace i-1: 1 of 2 keep serving" in said.out
    assert "of version 1; the group launches 2" in said.out
    assert serving.cloud.log == []


def test_some_hosts(serving: Fleet) -> None:
    """Only those that are named; as JSON."""
    said = serving.run("instance-refresh", "--yes", "--json", "--hosts", "i-2")
    assert said.code == 0, said.err
    assert told(serving) == ["deregister i-2", "terminate i-2"]
    assert said.json["ok"] is True
    assert said.json["way_back"] is None


def test_the_only_host(serving: Fleet) -> None:
    """Exit 3; with --accept-downtime it is done."""
    serving.cloud.hosts = serving.cloud.hosts[:1]
    serving.cloud.health = {"i-1": ["healthy"]}
    said = serving.run("instance-refresh", "--yes")
    assert said.code == 3
    assert "--accept-downtime" in said.err
    assert serving.cloud.log == []
    assert serving.run("instance-refresh", "--yes", "--accept-downtime").code == 0


def test_a_new_host_that_never_serves_stops_it(serving: Fleet) -> None:
    """The second one is not touched; running it again goes on from what is there."""
    name, _ = serving.cloud.replacements[0]
    serving.cloud.replacements[0] = (name, ["unhealthy"])
    said = serving.run("instance-refresh", "--yes")
    assert said.code == 1
    assert told(serving) == ["deregister i-1", "terminate i-1"]
    assert "i-3: the new host is unhealthy to the load balancer" in said.out

    serving.cloud.health["i-3"] = ["healthy"]
    assert serving.run("instance-refresh", "--yes").code == 0
    assert told(serving)[2:] == ["deregister i-2", "terminate i-2"]


def test_a_host_that_is_not_ended_comes_back(serving: Fleet) -> None:
    """It had left traffic already, and nothing else had happened to it."""
    serving.cloud.failures["terminate"] = CloudError("autoscaling: AccessDenied")
    said = serving.run("instance-refresh", "--yes")
    assert said.code == 1
    assert told(serving)[0] == "deregister i-1"
    assert "register i-1" in told(serving)
    assert "deregister i-2" not in told(serving)
    assert serving.cloud.health["i-1"] == ["healthy"]


def test_a_group_that_may_not_launch(serving: Fleet) -> None:
    """Exit 3 with the command that frees it."""
    serving.cloud.stopped = {"Launch"}
    said = serving.run("instance-refresh", "--yes")
    assert said.code == 3
    assert "resume-processes --scaling-processes Launch" in said.err


@pytest.mark.parametrize("words", [("--bake", "a minute"), ("--deadline", "5")])
def test_wrong_words(serving: Fleet, words: tuple[str, str]) -> None:
    """Exit 2, and nothing was asked of anybody."""
    assert serving.run("instance-refresh", "--yes", *words).code == 2
    assert serving.cloud.log == []
