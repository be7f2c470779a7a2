"""A release whose engine is no good never gets beyond the first host, and no client notices."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.lab.fleet.load import load
from tests.lab.fleet.standing import Fleet
from tests.lab.quick_fleet.state import assert_whole, current, engine_variables


@dataclass(frozen=True)
class Bad:
    """How the engine of the new release misbehaves, and what the operator reads of it."""

    engine: str
    said: str


CASES = [
    pytest.param(
        Bad("die-at-start", "RuntimeError: Engine core initialization failed"),
        marks=pytest.mark.lab,
    ),
    # A minute each: the shortest time in which an environment may want its engines ready.
    pytest.param(Bad("garbage", "nothing but"), marks=pytest.mark.soak),
    pytest.param(Bad("slow:4", "the first token took"), marks=pytest.mark.soak),
    pytest.param(Bad("hang-loading", "not ready within 60 s"), marks=pytest.mark.soak),
]


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.engine)
def test_it_goes_back(fleet: Fleet, bad: Bad) -> None:
    """Exit 1 with host and reason; the first host runs the old release again, nobody else left."""
    before, ages = current(fleet), _started(fleet)
    with (
        engine_variables(fleet, QUICK_ENGINE=bad.engine),
        load(
            fleet.said["endpoint"],
            fleet.said["api_key"],
            model="mistral-7b",
            clients=2,
            pause_s=0.2,
        ) as came,
    ):
        done = fleet.fab("deploy", "--yes", "--bake", "1", "--json", timeout_s=600)

    assert done.code == 1, str(done)
    outcome, back = done.json["outcome"], done.json["way_back"]
    (failed,) = [host for host in outcome["hosts"] if host["failed"]]
    assert failed["name"] in fleet.world.hosts()
    assert bad.said in str(failed["error"]), failed
    assert [host["name"] for host in back["hosts"] if host["name"] in ages] == [failed["name"]]
    assert back["ok"]
    assert_whole(fleet, before)
    assert came.lost == [], str(came)
    (other,) = set(ages) - {failed["name"]}
    assert _started(fleet)[other] == ages[other]


def _started(fleet: Fleet) -> dict[str, str]:
    return {
        host: str(fleet.agent(host)["replicas"][0]["started_at"]) for host in fleet.world.hosts()
    }
