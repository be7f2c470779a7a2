"""Things that happen while a rollout is under way: to the network, to hosts, to the operator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.fleet.load import Load, load
from tests.lab.fleet.standing import Fleet, eventually
from tests.lab.fleet.typed import typed
from tests.lab.quick_fleet.state import assert_whole, current, engine_variables, traffic

RESTART = ("rolling-restart", "--yes", "--bake", "0")
RELEASES = "/opt/llm-fleet/releases"
SMALL = "/run/small"


@pytest.mark.lab
def test_a_second_operator_and_a_network_that_stumbles(fleet: Fleet) -> None:
    """The second is refused with the name of the first, whom three seconds without network don't
    stop; a restarted Docker daemon costs the host its engine, which is warmed once more."""
    before = current(fleet)
    first, second = sorted(fleet.world.hosts())
    with _load(fleet) as came, typed(fleet, *RESTART) as restart:
        restart.until(f".. {first}  wait until ready")
        with _cut(fleet, first):
            time.sleep(3)
        other = fleet.fab(*RESTART, "--accept-downtime")
        restart.until(f".. {second}  wait until ready")
        fleet.inside(second, "systemctl restart docker")
        done = restart.end()

    assert other.code == 3, str(other)
    assert "works on rehearsal: restart the engines of rehearsal" in other.err
    assert done.code == 0, str(done)
    assert_whole(fleet, before)
    assert came.lost == [], str(came)


@pytest.mark.lab
def test_a_disk_that_is_full(fleet: Fleet) -> None:
    """Seen before anybody leaves traffic: nothing was changed, and the host is named."""
    before, host = current(fleet), sorted(fleet.world.hosts())[0]
    with _full(fleet, host), engine_variables(fleet, QUICK_TOKEN_S="0.004"):
        done = fleet.fab("deploy", "--yes", "--bake", "0")

    assert done.code == 1, str(done)
    assert host in done.out + done.err
    assert "No space left" in done.out + done.err
    assert_whole(fleet, before)


@pytest.mark.lab
def test_a_host_that_is_lost_in_the_middle(fleet: Fleet) -> None:
    """The rollout ends with its name, the other host serves; back again, one command mends it."""
    before = current(fleet)
    lost, other = sorted(fleet.world.hosts())
    with typed(fleet, *RESTART) as restart:
        restart.until(f".. {lost}  wait until ready")
        fleet.world.kill_host(lost)
        done = restart.end()
    try:
        assert done.code == 1, str(done)
        assert lost in done.err + done.out
        assert traffic(fleet) == {other}
        assert {fleet.ask(max_tokens=1).status for _ in range(4)} == {200}
    finally:
        fleet.world.reboot_host(lost)
    eventually(lambda: fleet.state(lost) == "ready", seconds=60, why="ready after the boot")
    mended = fleet.fab("deploy", "--resume", "--yes", "--bake", "0")
    assert mended.code == 0, str(mended)
    assert_whole(fleet, before)


@pytest.mark.soak
def test_a_minute_without_network(fleet: Fleet) -> None:
    """Whatever became of the rollout: afterwards one command makes the fleet whole again."""
    before = current(fleet)
    cut, other = sorted(fleet.world.hosts())
    with typed(fleet, *RESTART) as restart:
        restart.until(f".. {cut}  wait until ready")
        with _cut(fleet, cut):
            time.sleep(60)
            assert traffic(fleet) == {other}
        done = restart.end(600)
    if done.code:
        assert cut in done.err + done.out
    mended = fleet.fab("deploy", "--yes", "--bake", "0")
    assert mended.code == 0, str(mended)
    assert_whole(fleet, before)


@pytest.mark.soak
def test_a_request_that_outlasts_the_deadline(fleet: Fleet) -> None:
    """Longer than the longest answer that the environment promises: the load balancer cuts it when
    the deregistration delay is over. The host is not stopped under it, but goes back; exit 1."""
    before = current(fleet)
    for host in fleet.world.hosts():
        _behave(fleet, host, "QUICK_TOKEN_S=0.1")
    with load(
        fleet.said["endpoint"],
        fleet.said["api_key"],
        model="mistral-7b",
        clients=2,
        pause_s=0.1,
        lengths=(900,),
    ) as came:
        eventually(lambda: _running(fleet) == 2, seconds=30, why="one request on each host")
        done = fleet.fab(*RESTART, timeout_s=300)
    for host in fleet.world.hosts():
        _behave(fleet, host, "")

    assert done.code == 1, str(done)
    assert "request(s) still run after 35 s" in done.out + done.err
    assert all(one.cut and one.seconds > 35 for one in came.lost), str(came)
    assert len(came.lost) < len(came.taken)
    assert_whole(fleet, before)


@contextmanager
def _load(fleet: Fleet) -> Iterator[Load]:
    with load(
        fleet.said["endpoint"], fleet.said["api_key"], model="mistral-7b", clients=2, pause_s=0.2
    ) as came:
        yield came


@contextmanager
def _cut(fleet: Fleet, host: str) -> Iterator[None]:
    """Packets to the host are dropped."""
    fleet.world.cut(host)
    try:
        yield
    finally:
        fleet.world.heal(host)


@contextmanager
def _full(fleet: Fleet, host: str) -> Iterator[None]:
    """The folder of releases on a small disk that has no room left."""
    fleet.inside(
        host,
        f"mkdir {SMALL} && mount -t tmpfs -o size=16m tmpfs {SMALL} && cp -a {RELEASES}/. {SMALL}/"
        f" && mount --bind {SMALL} {RELEASES}"
        f" && ! dd if=/dev/zero of={RELEASES}/.filler bs=4k 2>/dev/null",
    )
    try:
        yield
    finally:
        fleet.inside(host, f"umount {RELEASES} && umount {SMALL} && rmdir {SMALL}")


def _behave(fleet: Fleet, host: str, text: str) -> None:
    """Write the quick engine's file on one host."""
    fleet.inside(host, f"printf '{text}\\n' >/var/lib/llm-fleet/cache/engine-cache/quick.env")


def _running(fleet: Fleet) -> int:
    return sum(fleet.agent(host)["replicas"][0]["running"] or 0 for host in fleet.world.hosts())
