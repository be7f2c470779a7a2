"""Rolling restarts, a changed release and the way back, on hosts whose engine starts quickly."""

from __future__ import annotations

import pytest

from tests.lab.fleet.load import load
from tests.lab.fleet.standing import Fleet
from tests.lab.quick_fleet.state import assert_whole, current, engine_variables

pytestmark = pytest.mark.lab


def test_restart_deploy_and_rollback_lose_nothing(fleet: Fleet) -> None:
    """Under load, host by host: every answer whole and our own engine's, and served once."""
    before = current(fleet)
    with load(fleet.said["endpoint"], fleet.said["api_key"], model="mistral-7b") as came:
        restart = fleet.fab("rolling-restart", "--yes", "--bake", "0", "--json")
        with engine_variables(fleet, QUICK_TOKEN_S="0.01"):
            deploy = fleet.fab("deploy", "--yes", "--bake", "0", "--json")
            changed = current(fleet)
            assert_whole(fleet, changed)
        back = fleet.fab("rollback", "--yes", "--bake", "0", "--json")

    for done in (restart, deploy, back):
        assert done.code == 0, str(done)
    assert changed != before
    assert_whole(fleet, before)
    assert came.lost == [], str(came)
    assert len(came.taken) > 100
