"""Engines are started anew under load, and no client notices; without the drain they would."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from tests.lab.fleet.load import Load, load
from tests.lab.fleet.standing import Fleet, eventually

pytestmark = pytest.mark.lab


def under_load(fleet: Fleet) -> AbstractContextManager[Load]:
    return load(fleet.said["endpoint"], fleet.said["api_key"], model="mistral-7b")


def test_a_rolling_restart_loses_nothing(fleet: Fleet) -> None:
    """Every answer whole and our own engine's. One host of two: each takes minutes beside load."""
    host = fleet.said["hosts"][1]
    before = _started_at(fleet, host)
    with under_load(fleet) as came:
        eventually(lambda: len(came.taken) > 10, seconds=60, why="clients ask")
        words = ("--hosts", host, "--yes", "--bake", "5", "--json")
        done = fleet.fab("rolling-restart", *words, timeout_s=900)
    assert done.code == 0, str(done)
    assert came.lost == [], str(came)
    assert len(came.taken) > 50
    assert _started_at(fleet, host) > before
    assert fleet.agent(host)["maintenance"] is None
    group = fleet.cloud.outputs().asg_name
    (held,) = fleet.aws("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])[
        "AutoScalingGroups"
    ]
    suspended = {one["ProcessName"] for one in held["SuspendedProcesses"]}
    assert not suspended & {"Launch", "Terminate", "ReplaceUnhealthy"}


def test_the_same_without_leaving_traffic_loses_some(fleet: Fleet) -> None:
    """Or the test above would prove nothing: an engine that is simply restarted cuts answers."""
    host = fleet.said["hosts"][0]
    before = _started_at(fleet, host)
    with under_load(fleet) as came:
        eventually(lambda: len(came.taken) > 4, seconds=60, why="clients ask")
        fleet.inside(host, "docker restart -t 1 llm-fleet-engine-0")
        eventually(lambda: bool(came.lost), seconds=60, why="somebody noticed")
    # The agent says ready of the engine before until it looks again.
    eventually(lambda: _started_at(fleet, host) > before, seconds=60, why="the agent noticed")
    eventually(lambda: fleet.state(host) == "ready", seconds=300, why="warm again")
    fleet.wait_in_traffic(*fleet.said["hosts"])


def _started_at(fleet: Fleet, host: str) -> str:
    return str(fleet.agent(host)["replicas"][0]["started_at"])
