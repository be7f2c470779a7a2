"""Hosts and engines that go down come back by themselves, and not before they are warm."""

from __future__ import annotations

import pytest

from tests.lab.fleet.standing import Fleet, eventually

pytestmark = pytest.mark.lab


class TestReboot:
    def test_a_host_comes_back_with_whole_weights(self, fleet: Fleet) -> None:
        """Power lost, a weight file half gone: the same release, mended, warmed, in traffic."""
        host = fleet.world.hosts()[-1]
        model = "/var/lib/llm-fleet/cache/models"
        (weights,) = fleet.inside(host, f"find {model} -name model.safetensors").splitlines()
        size = fleet.inside(host, f"stat -c %s {weights}")
        fleet.inside(host, f"truncate -s 1000 {weights} && sync {weights}")

        fleet.world.reboot_host(host)

        assert fleet.state(host) != "ready"
        eventually(lambda: fleet.state(host) == "ready", seconds=180, why="ready after a reboot")
        fleet.wait_in_traffic(*fleet.world.hosts())
        assert fleet.release(host) == fleet.said["release"]
        assert fleet.inside(host, f"stat -c %s {weights}") == size
        assert fleet.ask().status == 200
