"""How long a host is away beside what its engine takes: engines here need hardly any processor."""

from __future__ import annotations

import statistics

import pytest

from tests.lab.fleet.load import load
from tests.lab.fleet.rollouts import Pace, roll
from tests.lab.fleet.standing import Fleet

MOST_S = 5.0


@pytest.mark.soak
def test_all_that_is_ours_takes_five_seconds(fleet: Fleet) -> None:
    """SSH, the host program, compose, polling and asking the front; the median of four absences.

    Draining, the engine and the load balancer's own interval are counted apart.
    """
    with load(
        fleet.said["endpoint"], fleet.said["api_key"], model="mistral-7b", clients=1, pause_s=0.5
    ) as came:
        rollouts = [
            roll(fleet, Pace(came, 0.5, 0.5), "rolling-restart", "--bake", "0") for _ in range(2)
        ]
    away = [one for rollout in rollouts for one in rollout.away]
    assert came.lost == [], str(came)
    assert len(away) == 4
    assert statistics.median(one.ours_s for one in away) <= MOST_S, [str(one) for one in away]
