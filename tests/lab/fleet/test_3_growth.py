"""The fleet changes under clients: a host joins by itself, keys come and go."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab.fleet.standing import Asked, Fleet, eventually

pytestmark = pytest.mark.lab
A_MINUTE_S = 60


@pytest.fixture(scope="module")
def third(fleet: Fleet) -> str:
    """A host more, which the group launches; nobody touches it."""
    fleet.aws("autoscaling").set_desired_capacity(
        AutoScalingGroupName=fleet.cloud.outputs().asg_name, DesiredCapacity=3
    )
    eventually(lambda: len(fleet.world.hosts()) == 3, seconds=30)
    return fleet.third


@pytest.fixture(scope="module")
def asked(fleet: Fleet) -> Iterator[list[Asked]]:
    """A client that asks all the time while this module's tests run."""
    with fleet.asked_all_the_time() as came:
        yield came


class TestKeys:
    """While the third host boots; the two others serve."""

    def test_a_new_key_works_within_a_minute(
        self, fleet: Fleet, third: str, asked: list[Asked]
    ) -> None:
        """Added, rotated and revoked without a deploy; the texts are told once and listed never."""
        first = fleet.fab("keys.add", "guest", "--json").json["key"]
        eventually(lambda: _accepted(fleet, first), seconds=A_MINUTE_S, why="added")

        second = fleet.fab("keys.rotate", "guest", "--grace", "0", "--json").json["key"]
        eventually(lambda: _accepted(fleet, second), seconds=A_MINUTE_S, why="rotated")
        eventually(lambda: _refused(fleet, first), seconds=A_MINUTE_S, why="old text")

        listed = fleet.fab("keys.list", "--json")
        assert {"guest", "rehearsal"} <= {row["name"] for row in listed.json}
        assert second not in listed.out

        assert fleet.fab("keys.revoke", "guest").code == 0
        eventually(lambda: _refused(fleet, second), seconds=A_MINUTE_S, why="revoked")


class TestBoot:
    def test_a_host_that_nobody_touched_takes_traffic_when_it_is_warm(
        self, fleet: Fleet, third: str, asked: list[Asked]
    ) -> None:
        """Its own cache volume, the current release, a warm engine, then traffic, in this order."""
        eventually(lambda: fleet.state(third) == "ready", seconds=300, why="ready by itself")
        fleet.wait_in_traffic(*fleet.said["hosts"], third)
        time.sleep(5)  # clients' requests arrive meanwhile

        assert fleet.release(third) == fleet.said["release"]
        events = fleet.events(third)
        assert [one["event"] for one in events].count("volume-claimed") == 1
        (warm,) = [one["t"] for one in events if one.get("state") == "ready"]
        theirs = fleet.served(third, asked)
        assert theirs
        assert min(one.at for one in theirs) > warm

    def test_clients_noticed_nothing(self, fleet: Fleet, third: str, asked: list[Asked]) -> None:
        """Every answer since the launch was a good one."""
        assert len(asked) > 20
        assert [one for one in asked if one.status != 200] == []

    def test_a_deploy_has_nothing_to_do_there(self, fleet: Fleet, third: str) -> None:
        """The boot did all of it with the same script."""
        done = fleet.fab("deploy", "--yes")

        assert done.code == 0, str(done)
        assert "nothing to do" in done.out


def _accepted(fleet: Fleet, key: str) -> bool:
    """By every host that takes traffic: several in a row."""
    return all(fleet.ask(key=key, max_tokens=1).status == 200 for _ in range(4))


def _refused(fleet: Fleet, key: str) -> bool:
    return all(fleet.ask(key=key, max_tokens=1).status == 401 for _ in range(4))
