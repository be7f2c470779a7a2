"""Ten thousand requests during restarts, a changed release and the way back: none is lost.

And the same engines restarted without leaving traffic, which loses some: the control.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.lab.fleet.front_logs import front_logs
from tests.lab.fleet.load import load
from tests.lab.fleet.rollouts import Pace, Rollout, roll
from tests.lab.fleet.standing import Fleet, eventually
from tests.lab.quick_fleet.state import assert_whole, current, engine_variables
from tests.soak.telling import line, progress, say, table

pytestmark = pytest.mark.soak
CLIENTS = 8
FAST_S, SLOW_S = 0.05, 2.0
WANTED = 10_000
STEADY_S = 60.0
BAKE = ("--bake", "45")


def test_rollouts_under_load(fleet: Fleet, results: Path) -> None:
    """Restart, deploy, rollback, restart: 0 failed, 0 cut, 0 twice; every host back in time."""
    first = current(fleet)
    rollouts: list[Rollout] = []
    with (
        front_logs(fleet) as logs,
        load(
            fleet.said["endpoint"],
            fleet.said["api_key"],
            model="mistral-7b",
            clients=CLIENTS,
            pause_s=FAST_S,
        ) as came,
        progress(came),
    ):
        pace = Pace(came, FAST_S, SLOW_S)
        time.sleep(STEADY_S)
        steady = came.between(0, time.time())
        say("rolling restart")
        rollouts.append(roll(fleet, pace, "rolling-restart", *BAKE))
        with engine_variables(fleet, SOAK="changed"):
            say("deploy of a changed release")
            rollouts.append(roll(fleet, pace, "deploy", *BAKE))
            changed = current(fleet)
        assert_whole(fleet, changed)
        say("rollback")
        rollouts.append(roll(fleet, pace, "rollback", *BAKE))
        begun = rollouts[0].begun
        while len(came.between(begun, time.time()).taken) < WANTED:
            say("rolling restart, because there are not enough requests yet")
            rollouts.append(roll(fleet, pace, "rolling-restart", *BAKE))
        ended = time.time()

    assert changed != first
    assert_whole(fleet, first)
    during = came.between(begun, ended)
    away = [one for rollout in rollouts for one in rollout.away]
    lines = [
        *table([("steady", steady), ("during rollouts", during)]),
        *map(str, away),
        line("rollouts", during, logs),
    ]
    _tell(results, lines)
    assert came.lost == [], str(came)
    assert logs.duplicated({one.id for one in came.taken}) == 0
    assert set(logs.served) >= {one.id for one in came.taken}
    assert len(during.taken) >= WANTED
    streamed = sum(one.streamed for one in during.taken)
    assert 0.4 < streamed / len(during.taken) < 0.6
    assert len(away) == 2 * len(rollouts)
    # How long hosts are away beside their engines is held where engines need no processor
    # (tests/lab/quick_fleet/test_5_away.py): here two of them and the clients share two cores.


def test_without_leaving_traffic(fleet: Fleet, results: Path) -> None:
    """The control: engines that are stopped the way Docker stops them, under the same load."""
    with (
        front_logs(fleet) as logs,
        load(
            fleet.said["endpoint"],
            fleet.said["api_key"],
            model="mistral-7b",
            clients=CLIENTS,
            pause_s=FAST_S,
        ) as came,
        progress(came),
    ):
        for host in fleet.world.hosts():
            time.sleep(5)
            before = _started_at(fleet, host)
            # A daemon that is short of processor time may not see the end in time, and says so.
            restart = "docker restart -t 1 llm-fleet-engine-0"
            fleet.inside(host, f"{restart} || {restart}")
            came.pause_s = SLOW_S
            eventually(lambda h=host, b=before: _is_back(fleet, h, b), seconds=400, why="back")
            came.pause_s = FAST_S
    _tell(results, [line("control without the drain", came, logs)])
    assert came.lost


def _is_back(fleet: Fleet, host: str, before: str) -> bool:
    return (
        _started_at(fleet, host) > before
        and fleet.state(host) == "ready"
        and fleet.health().get(host) == "healthy"
    )


def _started_at(fleet: Fleet, host: str) -> str:
    return str(fleet.agent(host)["replicas"][0]["started_at"])


def _tell(results: Path, lines: list[str]) -> None:
    for one in lines:
        say(one)
    with results.open("a") as file:
        file.writelines(f"{one}\n" for one in lines)
