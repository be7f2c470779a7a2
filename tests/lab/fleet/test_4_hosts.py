"""A host that is cut off, that shows another key, that loses power: the fleet of three goes on."""

from __future__ import annotations

import pytest

from tests.lab.fleet.standing import Fleet, eventually

pytestmark = pytest.mark.lab


class TestCutOff:
    def test_a_host_that_cannot_be_reached_is_named(self, fleet: Fleet) -> None:
        """Status and deploy say which and touch no other; the deploy is no success."""
        third = fleet.third
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

    def test_a_host_with_another_key_is_not_talked_to(self, fleet: Fleet) -> None:
        """Its key is not the published one: whoever answers there is not sent a command."""
        third = fleet.third
        fleet.wait_in_traffic(third)
        key = "/etc/ssh/ssh_host_ed25519_key"
        fleet.inside(
            third,
            "mkdir /root/kept && mv /etc/ssh/ssh_host_* /root/kept/ &&"
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


class TestReboot:
    def test_a_host_comes_back_with_whole_weights(self, fleet: Fleet) -> None:
        """Power lost, a weight file half gone: the same release, mended, warmed, in traffic."""
        host = fleet.third
        model = "/var/lib/llm-fleet/cache/models"
        (weights,) = fleet.inside(host, f"find {model} -name model.safetensors").splitlines()
        size = fleet.inside(host, f"stat -c %s {weights}")
        fleet.inside(host, f"truncate -s 1000 {weights} && sync {weights}")

        fleet.world.reboot_host(host)

        assert fleet.state(host) != "ready"
        eventually(lambda: fleet.state(host) == "ready", seconds=300, why="ready after a reboot")
        fleet.wait_in_traffic(*fleet.world.hosts())
        assert fleet.release(host) == fleet.said["release"]
        assert fleet.inside(host, f"stat -c %s {weights}") == size
        # As on AWS, a connection kept open to a host that lost power costs one request a 502.
        eventually(lambda: {fleet.ask().status for _ in range(6)} == {200}, seconds=30, why="200")
