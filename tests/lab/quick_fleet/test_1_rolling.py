"""Rolling restarts, a changed release and the way back, on hosts whose engine starts quickly."""

from __future__ import annotations

import pytest

from tests.lab.fleet.front_logs import front_logs
from tests.lab.fleet.load import load
from tests.lab.fleet.rollouts import Pace, roll
from tests.lab.fleet.standing import Fleet
from tests.lab.quick_fleet.state import assert_whole, current, engine_variables

pytestmark = pytest.mark.lab
PAUSE_S = 0.2


def test_restart_deploy_and_rollback_lose_nothing(fleet: Fleet) -> None:
    """The short form of the soak: every answer whole, our own engine's, and served once."""
    before = current(fleet)
    endpoint, key = fleet.said["endpoint"], fleet.said["api_key"]
    with (
        front_logs(fleet) as logs,
        load(endpoint, key, model="mistral-7b", clients=4, pause_s=PAUSE_S) as came,
    ):
        pace = Pace(came, PAUSE_S, PAUSE_S)
        rollouts = [roll(fleet, pace, "rolling-restart", "--bake", "0")]
        with engine_variables(fleet, QUICK_TOKEN_S="0.01"):
            rollouts.append(roll(fleet, pace, "deploy", "--bake", "0"))
            changed = current(fleet)
            assert_whole(fleet, changed)
        rollouts.append(roll(fleet, pace, "rollback", "--bake", "0"))

    assert changed != before
    assert_whole(fleet, before)
    assert came.lost == [], str(came)
    assert len(came.taken) > 300
    ids = {one.id for one in came.taken}
    assert ids <= set(logs.served)
    assert logs.duplicated(ids) == 0
    # How long hosts were away is for the soak: other tests share this machine.
    assert sum(len(rollout.away) for rollout in rollouts) == 6
