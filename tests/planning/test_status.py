"""One line a host."""

from __future__ import annotations

from provision.facts.host import GpuFacts
from provision.facts.inventory import Inventory
from provision.planning.status import HostStatus, rows
from provision.testing import samples

HOSTS = samples.hosts(1)


def status(agent: dict[str, object] | None, **facts: object) -> HostStatus:
    found = samples.facts(agent=agent, **facts)
    [row] = rows(Inventory(HOSTS), {"i-1": found}, {}, {"i-1": "healthy"})
    return row


def test_a_host_that_serves() -> None:
    """Requests are summed over its engines, uptime is of the youngest, GPUs as they are."""
    replicas = [
        {"running": 3, "waiting": 1, "kv_usage": 0.5, "uptime_s": 90.0, "restarts": 0},
        {"running": 2, "waiting": 0, "kv_usage": 0.7, "uptime_s": 30.0, "restarts": 1},
    ]
    agent = {
        "state": "ready",
        "release": "r-1",
        "ready_for": "r-1",
        "model": "mistral-7b",
        "replicas": replicas,
    }
    assert status(agent, release="r-1") == HostStatus(
        name="i-1",
        address="10.40.0.5",
        zone="us-east-1a",
        health="ready",
        target="healthy",
        release="r-1",
        model="mistral-7b",
        running=5,
        waiting=1,
        kv_usage=0.7,
        uptime_s=30.0,
        restarts=1,
        gpus=(GpuFacts("NVIDIA A10G", 23028, 0),),
    )


def test_what_one_engine_does_not_say_is_unknown_for_the_host() -> None:
    """A sum that leaves out an engine would be a guess."""
    agent = {"state": "warming", "replicas": [{"running": 3}, {"running": None}], "reason": "warms"}
    row = status(agent, release="r-1")
    assert (row.running, row.uptime_s, row.reason) == (None, None, "warms")


def test_a_host_that_is_away_on_purpose() -> None:
    """Its engine is fine; who took it away is said."""
    mark = {"since": 1.0, "until": 2.0, "why": "a rollout"}
    agent = {
        "state": "ready",
        "ready_for": "r-1",
        "reason": "under maintenance: a rollout",
        "maintenance": mark,
    }
    row = status(agent, release="r-1")
    assert (row.health, row.reason) == ("away", "under maintenance: a rollout")


def test_a_host_that_aws_takes_away() -> None:
    """Whatever its engine does: it will be gone soon, and the reason says when."""
    words = "leaving: spot notice, 90 s left"
    agent = {
        "state": "stopped",
        "ready_for": None,
        "reason": words,
        "maintenance": {"since": 1.0, "until": 2.0, "why": words},
        "leaving": {"why": "spot notice", "until": 2.0},
    }
    row = status(agent, release="r-1")
    assert (row.health, row.reason) == ("leaving", words)


def test_a_word_of_readiness_for_another_release_is_none() -> None:
    """The agent was ready for the release before; the host runs a new one."""
    agent = {"state": "ready", "ready_for": "r-0", "replicas": []}
    assert status(agent, release="r-1").health == "not ready"


def test_hosts_without_an_agent() -> None:
    """Before the first deploy nothing is missing; afterwards the agent's silence is said."""
    assert status(None).health == "no release"
    assert status(None, release="r-1").health == "agent silent"


def test_an_unreachable_host_keeps_its_line() -> None:
    """With the reason; the load balancer may still send it requests."""
    [row] = rows(Inventory(HOSTS), {}, {"i-1": "timed out"}, {"i-1": "healthy"})
    assert (row.health, row.reason, row.in_traffic) == ("unreachable", "timed out", True)
    [row] = rows(Inventory(HOSTS), {}, {"i-1": "timed out"}, {})
    assert (row.target, row.in_traffic) == ("not registered", False)
