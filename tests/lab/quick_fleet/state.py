"""Whether a fleet is whole: one release, everybody in traffic, nothing left of a rollout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from provision.config.dump import dump
from provision.planning.release import CURRENT, parse_current
from tests.lab.fleet.standing import Fleet, eventually

HELD = {"Launch", "Terminate", "ReplaceUnhealthy"}


def current(fleet: Fleet) -> str:
    """The release that booting hosts take."""
    found = parse_current(fleet.cloud.get_object(CURRENT))
    assert found is not None
    return found


def assert_whole(fleet: Fleet, release: str) -> None:
    """Every host runs *release*, warmed, in traffic; the group and the lock are free."""
    hosts = fleet.world.hosts()
    eventually(lambda: traffic(fleet) == set(hosts), seconds=15, why=f"{hosts} in traffic")
    for host in hosts:
        said = fleet.agent(host)
        assert (host, said["ready_for"]) == (host, release), said
        assert said["maintenance"] is None
        assert fleet.release(host) == release
    assert current(fleet) == release
    assert suspended(fleet) == set()
    assert fleet.fab("lock.status", "--json").json["state"] == "free"


def traffic(fleet: Fleet) -> set[str]:
    """Hosts that the load balancer calls healthy."""
    return {host for host, state in fleet.health().items() if state == "healthy"}


def suspended(fleet: Fleet) -> set[str]:
    """What a rollout holds back in the group, and does so now."""
    group = fleet.cloud.outputs().asg_name
    (held,) = fleet.aws("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])[
        "AutoScalingGroups"
    ]
    return HELD & {one["ProcessName"] for one in held["SuspendedProcesses"]}


@contextmanager
def engine_variables(fleet: Fleet, **variables: str) -> Iterator[None]:
    """The environment's file with more variables for the engine, for a while: another release."""
    before, engine = fleet.file.read_text(), fleet.environment.engine
    engine = replace(engine, env={**engine.env, **variables})
    fleet.file.write_text(dump(replace(fleet.environment, engine=engine)))
    try:
        yield
    finally:
        fleet.file.write_text(before)
