"""The operator's process is killed in the middle of a rollout of real hosts, and another goes on.

Every moment of it is killed on paper (tests/paper); here it is the real process and real hosts.
"""

from __future__ import annotations

import signal
import sys

import pytest

from tests.lab.fleet.load import load
from tests.lab.fleet.standing import Fleet
from tests.lab.fleet.typed import typed
from tests.lab.quick_fleet.state import assert_whole, current, engine_variables

DYING = (sys.executable, "-m", "tests.lab.dying_fab")


@pytest.mark.parametrize(
    ("task", "place", "number", "way"),
    [
        pytest.param("restart", "done", 2, "--resume", marks=pytest.mark.soak),
        pytest.param("deploy", "begun", 7, "--abort", marks=pytest.mark.lab),
        pytest.param("deploy", "done", 7, "--resume", marks=pytest.mark.soak),
        pytest.param("deploy", "written", 14, "--abort", marks=pytest.mark.soak),
    ],
)
def test_somebody_goes_on(fleet: Fleet, task: str, place: str, number: int, way: str) -> None:
    """Wholly new after --resume, wholly old after --abort; no answer lost, nothing left behind."""
    before = current(fleet)
    words = ("deploy",) if task == "deploy" else ("rolling-restart",)
    changed = {"QUICK_TOKEN_S": f"0.00{number}"} if task == "deploy" else {}
    endpoint, key = fleet.said["endpoint"], fleet.said["api_key"]
    with (
        engine_variables(fleet, **changed),
        load(endpoint, key, model="mistral-7b", clients=2, pause_s=0.2) as came,
    ):
        program = (*DYING, place, str(number))
        with typed(fleet, *words, "--yes", "--bake", "0", program=program) as dies:
            died = dies.end()
        assert died.code == -signal.SIGKILL, str(died)
        listed = fleet.fab("status")
        done = fleet.fab("deploy", way, "--yes", "--bake", "0", timeout_s=600)

    assert "--resume" in listed.out + listed.err
    assert done.code == 0, str(done)
    assert came.lost == [], str(came)
    if task == "deploy" and way == "--resume":
        assert current(fleet) != before
    else:
        assert current(fleet) == before
    assert_whole(fleet, current(fleet))
