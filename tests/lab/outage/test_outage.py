"""`fab rehearse --outage`, as a person types it: three layers, on hosts with the quick engine.

The front, the gateway, LiteLLM, the switch's own archive and the load balancer are real; so are the
canaries that ring the alarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from rehearsal.world import World
from tests.lab.fleet.standing import Fleet, fab
from tests.lab.quick.environment import ensure

pytestmark = pytest.mark.lab

GATEWAY, SWITCH = "llm-fleet-rehearsal-gateway", "llm-fleet-rehearsal-switch"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A rehearsal whose outage is over, and which stands. Nothing of it is left afterwards."""
    assert not World().is_standing(), "a rehearsal stands already: `fab rehearse --down`"
    try:
        words = ("rehearse", "--outage", "--keep", "--json")
        done = fab(*words, timeout_s=600, engine=ensure())
        assert done.code == 0, str(done)
        standing = Fleet(done.json)
        with standing.http:
            yield standing
    finally:
        down = fab("rehearse", "--down", "--json")
    assert down.code == 0, str(down)
    assert down.json["left_behind"] == []


@pytest.fixture(scope="module")
def outage(fleet: Fleet) -> dict[str, Any]:
    """What the rehearsal said of it."""
    said: dict[str, Any] = fleet.said["outage"]
    return said


def phase(outage: dict[str, Any], name: str) -> dict[str, int]:
    (found,) = (one for one in outage["phases"] if one["name"] == name)
    by: dict[str, int] = found["by"]
    return by


def test_no_request_is_lost(outage: dict[str, Any]) -> None:
    """Some tier lived all the time. Streams that had begun when an engine was killed may be cut."""
    assert outage["lost"] == 0, outage["unanswered"]
    assert outage["cut"] <= 2
    assert sum(one["asked"] for one in outage["phases"]) >= 50


def test_one_engine_s_end_is_the_front_s_business(outage: dict[str, Any]) -> None:
    """A request is passed on within moments, while the weights stay at 100/0."""
    assert outage["spill_s"] < 10
    assert phase(outage, "all is well").keys() == {"primary"}
    assert phase(outage, "one engine is gone").keys() <= {"primary", "hosted", "cut"}
    assert outage["moves"][0]["share"] == 0


def test_the_end_of_all_is_the_switch_s(outage: dict[str, Any]) -> None:
    """All traffic moves; until then, and after, hosted answers."""
    assert outage["trip_s"] < 60
    assert phase(outage, "all engines are gone").keys() <= {"hosted", "cut"}
    assert phase(outage, "the fallback answers").keys() == {"hosted"}


def test_traffic_comes_back_in_steps(outage: dict[str, Any]) -> None:
    """Only ever more, up to all; no second trip."""
    shares = [one["share"] for one in outage["moves"]]
    assert shares == [0, 25, 50, 100]
    times = [one["seconds"] for one in outage["moves"]]
    assert all(here < there for here, there in pairwise(times))
    assert phase(outage, "all is well again").keys() == {"primary"}


def test_the_canaries_of_the_hosts_rang(fleet: Fleet) -> None:
    """The alarm was a witness: what agents put, evaluated as CloudWatch does."""
    rows = fleet.fab("fallback.history", "--json").json
    assert rows
    lines = fleet.aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{SWITCH}")["events"]
    assert any("switch-canary is ALARM" in line["message"] for line in lines)


def test_it_is_over(fleet: Fleet) -> None:
    """The switch says so, and what it cost was counted."""
    said = fleet.fab("fallback.status", "--json").json
    assert said["share"] == 100, said
    assert float(said["spend"]["today"]) > 0, said


def test_the_gateway_is_deployed_like_the_hosts(fleet: Fleet) -> None:
    """A second deploy has nothing to do; its task is where hosts look for it."""
    done = fleet.fab("deploy", "--dry-run", "--json")
    assert done.code == 0, str(done)
    assert done.json["plan"]["waves"] == []
    (host, *_) = fleet.world.hosts()
    script = "docker exec llm-fleet-front cat /etc/resolv.conf"
    assert "127.0.0.11" in fleet.inside(host, script)


def test_a_person_s_drill(fleet: Fleet) -> None:
    """Traffic leaves by a wish and comes back; both times are measured, and nothing is lost."""
    done = fleet.fab("fallback.drill", "--away", "5", "--yes", "--json", timeout_s=400)
    assert done.code == 0, str(done)
    drill = done.json["drill"]
    assert drill["to_fallback_s"] is not None
    assert drill["to_primary_s"] is not None
    assert drill["lost"] == 0
