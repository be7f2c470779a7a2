"""A single host restarts without loss when it has two engines: real front, real containers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from provision.config.environment import Environment
from tests.lab import project
from tests.lab.fleet.load import load
from tests.lab.fleet.standing import Fleet, standing
from tests.lab.quick import environment as quick_engine
from tests.lab.quick_fleet.state import assert_whole, current

pytestmark = pytest.mark.lab


def _two_engines(environment: Environment) -> Environment:
    quick = project.quick(environment)
    fleet = replace(quick.fleet, instance_type="p4d.24xlarge")
    return replace(quick, fleet=fleet, engine=replace(quick.engine, replicas_per_host=2))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One host with eight GPUs, of which two have an engine."""
    folder = project.make(tmp_path_factory.mktemp("project"), _two_engines)
    with standing(1, folder=folder, engine=quick_engine.ensure()) as fleet:
        yield fleet


def test_a_restart_takes_the_host_out_of_nothing(fleet: Fleet) -> None:
    """Each engine is started anew while the other serves; the host never leaves traffic."""
    (host,) = fleet.world.hosts()
    began = _started(fleet, host)
    with load(
        fleet.said["endpoint"], fleet.said["api_key"], model="mistral-7b", clients=4, pause_s=0.1
    ) as came:
        done = fleet.fab("rolling-restart", "--yes", "--bake", "5", "--json")

    assert done.code == 0, str(done)
    steps = [one["step"] for one in done.json["outcome"]["hosts"][0]["done"]]
    assert "leave traffic" not in steps
    assert came.lost == [], str(came)
    assert len(came.taken) > 50
    assert all(now > before for now, before in zip(_started(fleet, host), began, strict=True))
    assert_whole(fleet, current(fleet))


def _started(fleet: Fleet, host: str) -> list[str]:
    names = "llm-fleet-engine-0 llm-fleet-engine-1"
    said = fleet.inside(host, f"docker inspect {names}")
    return [str(one["State"]["StartedAt"]) for one in json.loads(said)]
