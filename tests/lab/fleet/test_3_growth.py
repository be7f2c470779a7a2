"""The fleet changes under clients: a host joins by itself, keys come and go, a host is cut off."""

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
    (host,) = set(fleet.world.hosts()) - set(fleet.said["hosts"])
    return host


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
        eventually(lambda: fleet.state(third) == "ready", seconds=180, why="ready by itself")
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


class TestCutOff:
    def test_a_host_that_cannot_be_reached_is_named(self, fleet: Fleet, third: str) -> None:
        """Status and deploy say which, touch no other, and do not call it a success."""
        fleet.world.cut(third)
        try:
            eventually(lambda: fleet.health()[third] == "unhealthy", seconds=60)
            status = fleet.fab("status", "--json")
            deploy = fleet.fab("deploy", "--yes")
        finally:
            fleet.world.heal(third)

        health = {row["name"]: (row["health"], row["in_traffic"]) for row in status.json}
        well = dict.fromkeys(fleet.said["hosts"], ("ready", True))
        assert health == {**well, third: ("unreachable", False)}
        assert (status.code, deploy.code) == (0, 1)
        assert f"{third} is left out" in deploy.out
        assert {fleet.state(host) for host in fleet.said["hosts"]} == {"ready"}

    def test_a_host_with_another_key_is_not_talked_to(self, fleet: Fleet, third: str) -> None:
        """Its key is not the published one: whoever answers there is not sent a command."""
        fleet.wait_in_traffic(third)
        key = "/etc/ssh/ssh_host_ed25519_key"
        fleet.inside(
            third,
            f"mkdir /root/kept && mv /etc/ssh/ssh_host_* /root/kept/ &&"
            f" ssh-keygen -q -t ed25519 -N '' -f {key} &&"
            " cp /etc/ssh/sshd_config /root/kept/ && sed -i /ecdsa/d /etc/ssh/sshd_config &&"
            " systemctl restart ssh",
        )
        try:
            done = fleet.fab("deploy", "--yes")
        finally:
            fleet.inside(
                third,
                "mv /root/kept/ssh_host_* /etc/ssh/ && mv /root/kept/sshd_config /etc/ssh/ &&"
                " rmdir /root/kept && systemctl restart ssh",
            )

        assert done.code == 1, str(done)
        assert "but published" in done.out + done.err
        assert third in done.out + done.err
        assert fleet.fab("deploy", "--yes").code == 0


def _accepted(fleet: Fleet, key: str) -> bool:
    """By every host that takes traffic: several in a row."""
    return all(fleet.ask(key=key, max_tokens=1).status == 200 for _ in range(4))


def _refused(fleet: Fleet, key: str) -> bool:
    return all(fleet.ask(key=key, max_tokens=1).status == 401 for _ in range(4))
