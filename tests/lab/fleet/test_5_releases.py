"""Deploys that go wrong on one host, or are stopped, while other hosts serve. In this order."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from provision.config.dump import dump
from provision.planning.release import CURRENT, parse_current
from tests.lab.fleet.standing import Fleet, eventually

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def hosts(fleet: Fleet) -> tuple[str, str]:
    """The one whose engine freezes and the one that is deployed to; the third serves throughout."""
    frozen, changed = fleet.said["hosts"]
    return frozen, changed


class TestTwoHostsInTrouble:
    def test_the_third_serves(self, fleet: Fleet, hosts: tuple[str, str]) -> None:
        """One engine stands still, another dies while it loads; neither gets a request.

        The agent of the first says hung, and warms the engine before it is ready again. The deploy
        to the second fails with the engine's own last words; booting hosts keep their release.
        """
        frozen, changed = hosts
        words = ("deploy", "--hosts", changed, "--accept-downtime", "--yes")
        with _engine_arguments(fleet, tokenizer="/nowhere"), fleet.typing(*words) as deploy:
            with _engine_stopped(fleet, frozen):
                eventually(lambda: fleet.state(frozen) == "hung", seconds=120, why="hung")
                eventually(lambda: fleet.health()[frozen] == "unhealthy", seconds=30, why="out")
                asked = [fleet.ask(max_tokens=1) for _ in range(5)]
            out, _ = deploy.communicate(timeout=180)

        assert [one.status for one in asked] == [200] * 5
        assert fleet.served(fleet.third, asked) == asked
        assert deploy.returncode == 1, out
        assert f"error: {changed}: " in out
        assert "    | " in out
        assert "/nowhere" in out
        assert fleet.state(changed) == "crash-loop"
        assert parse_current(fleet.cloud.get_object(CURRENT)) == fleet.said["release"]
        fleet.wait_in_traffic(frozen, seconds=120)
        states = [one["state"] for one in fleet.events(frozen) if one["event"] == "state"]
        assert states[-3:] == ["hung", "warming", "ready"]


class TestBackToTheOldRelease:
    def test_a_port_that_is_taken(self, fleet: Fleet, hosts: tuple[str, str]) -> None:
        """Named with its number, before anything is changed."""
        changed = hosts[1]
        before = fleet.release(changed)
        listener = fleet.inside(
            changed, "python3 -m http.server 8001 --bind 127.0.0.1 >/dev/null 2>&1 & echo $!"
        )
        try:
            done = fleet.fab("deploy", "--hosts", changed, "--yes")
        finally:
            fleet.inside(changed, f"kill {listener}")

        assert done.code == 1, str(done)
        assert f"{changed}: port 8001 is taken by another process" in done.out
        assert fleet.release(changed) == before != fleet.said["release"]

    def test_ctrl_c_brings_the_host_into_traffic(
        self, fleet: Fleet, hosts: tuple[str, str]
    ) -> None:
        """Stopped while the engine of another release loads: exit 1, and the host goes back.

        What it ran before served nobody, so it gets what booting hosts take; and the same command
        finds nothing to do.
        """
        changed = hosts[1]
        words = ("deploy", "--yes", "--hosts", changed)
        with _engine_arguments(fleet, seed="7"), fleet.typing(*words) as deploy:
            _read_until(deploy, "wait until ready")
            os.killpg(deploy.pid, signal.SIGINT)
            out, _ = deploy.communicate(timeout=300)

        assert deploy.returncode == 1
        assert "stopped by you" in out
        assert fleet.release(changed) == fleet.said["release"]
        fleet.inside(changed, "test ! -e /opt/llm-fleet/applying.json")
        fleet.wait_in_traffic(changed)

    def test_an_engine_that_is_killed(self, fleet: Fleet, hosts: tuple[str, str]) -> None:
        """Docker starts it again; a deploy meanwhile waits for it, and does nothing else."""
        changed = hosts[1]
        pid = fleet.inside(changed, "docker inspect -f '{{.State.Pid}}' llm-fleet-engine-0")
        fleet.inside(changed, f"kill -9 {pid}")
        eventually(lambda: fleet.state(changed) != "ready", seconds=30, why="not ready")
        again = fleet.fab("deploy", "--yes", "--json")

        assert again.code == 0, str(again)
        done = {
            host["name"]: [step["step"] for step in host["done"]]
            for host in again.json["outcome"]["hosts"]
        }
        assert done.pop(changed) == ["wait until ready", "wait for traffic"]
        assert not any(done.values())
        (replica,) = fleet.agent(changed)["replicas"]
        assert replica["restarts"] == 1
        fleet.wait_in_traffic(*fleet.world.hosts())

    def test_all_is_well_in_the_end(self, fleet: Fleet) -> None:
        """Three hosts, one release, nothing to do."""
        assert {fleet.release(host) for host in fleet.world.hosts()} == {fleet.said["release"]}
        assert "nothing to do" in fleet.fab("deploy", "--yes").out


@contextmanager
def _engine_arguments(fleet: Fleet, **arguments: str) -> Iterator[None]:
    """The environment's file with more arguments for the engine, for a while."""
    before, engine = fleet.file.read_text(), fleet.environment.engine
    more: dict[str, Any] = {**engine.extra_args, **arguments}
    engine = replace(engine, extra_args=more)
    fleet.file.write_text(dump(replace(fleet.environment, engine=engine)))
    try:
        yield
    finally:
        fleet.file.write_text(before)


@contextmanager
def _engine_stopped(fleet: Fleet, host: str) -> Iterator[None]:
    """The engine's core stands still; its HTTP server lives on."""
    core = "-f 'VLLM::Engin[e]Core'"
    fleet.inside(host, f"pkill -STOP {core}")
    try:
        yield
    finally:
        fleet.inside(host, f"pkill -CONT {core}")


def _read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"ended before it said {text!r}")
