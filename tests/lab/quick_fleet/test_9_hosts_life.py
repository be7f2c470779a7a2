"""Hosts come and go under clients: a spot notice, the group, a new template, a sick host.

The last tests of this folder: none of the hosts of the beginning is there afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from provision.config.dump import dump
from tests.lab.fleet.load import Load, load
from tests.lab.fleet.standing import Fleet, eventually
from tests.lab.quick_fleet.state import assert_whole, current, traffic

NOTICE_S = 60.0
A_BOOT_S = 240.0
ENGINE = "llm-fleet-engine-0"


def under_load(fleet: Fleet) -> AbstractContextManager[Load]:
    endpoint, key = fleet.said["endpoint"], fleet.said["api_key"]
    return load(endpoint, key, model="mistral-7b", clients=4, pause_s=0.2)


def one_of(fleet: Fleet) -> str:
    return sorted(fleet.world.hosts())[0]


def did(fleet: Fleet, host: str) -> list[str]:
    """What a host that says good-bye has done so far."""
    said = [event for event in fleet.events(host) if event["event"] == "leaving"]
    return [event["did"] for event in said if "did" in event]


def wait_for_another(fleet: Fleet, gone: str) -> None:
    """Until the host *gone* is gone, and two serve again."""

    def whole() -> bool:
        hosts = set(fleet.world.hosts())
        return gone not in hosts and len(hosts) == 2 and traffic(fleet) == hosts

    eventually(whole, seconds=A_BOOT_S, why=f"another one in the place of {gone}")


@pytest.mark.soak
def test_a_spot_notice_costs_no_answer(fleet: Fleet) -> None:
    """Out of traffic, emptied and stopped before EC2 takes it; another one comes by itself."""
    host, release = one_of(fleet), current(fleet)
    with under_load(fleet) as came:
        eventually(lambda: len(came.taken) > 20, seconds=60, why="clients ask")
        fleet.world.spot_notice(host, seconds=NOTICE_S)
        eventually(lambda: "stop the engines" in did(fleet, host), seconds=40, why="good-bye")
        status, order = fleet.agent(host), did(fleet, host)
        listed = fleet.fab("status", "--json")
        wait_for_another(fleet, host)
    assert came.lost == [], str(came)
    assert order == ["leave traffic", "empty the engines", "stop the engines"]
    assert status["leaving"]["why"] == "spot notice"
    assert status["ready_for"] is None
    assert "leaving" in listed.out
    assert_whole(fleet, release)


@pytest.mark.lab
def test_a_host_that_the_group_ends_is_emptied_first(fleet: Fleet) -> None:
    """The group waits until the host lets it go on: sooner than the hook's time is over."""
    host, release = one_of(fleet), current(fleet)
    with under_load(fleet) as came:
        eventually(lambda: len(came.taken) > 20, seconds=60, why="clients ask")
        begun = time.monotonic()
        fleet.aws("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=host, ShouldDecrementDesiredCapacity=False
        )
        eventually(lambda: did(fleet, host) != [], seconds=30, why="it heard of it")
        eventually(lambda: host not in fleet.world.hosts(), seconds=90, why="it is gone")
        took_s = time.monotonic() - begun
        wait_for_another(fleet, host)
    assert came.lost == [], str(came)
    assert took_s < 60, took_s
    assert_whole(fleet, release)


@pytest.mark.soak
def test_a_changed_launch_template_reaches_every_host(fleet: Fleet) -> None:
    """One after the other under load, no answer lost; the new hosts take the old ones' volumes."""
    before, release = set(fleet.world.hosts()), current(fleet)
    volumes = _volumes(fleet)
    version = _next_version(fleet)
    with under_load(fleet) as came:
        eventually(lambda: len(came.taken) > 20, seconds=60, why="clients ask")
        done = fleet.fab("instance-refresh", "--yes", "--bake", "5", "--json", timeout_s=900)
    assert done.code == 0, str(done)
    assert came.lost == [], str(came)
    assert len(came.taken) > 100
    assert set(fleet.world.hosts()).isdisjoint(before)
    assert {host.template for host in fleet.cloud.inventory()} == {version}
    assert _volumes(fleet) == volumes
    assert_whole(fleet, release)
    again = fleet.fab("instance-refresh", "--yes")
    assert (again.code, again.out.splitlines()[-1]) == (0, "nothing to do")


@pytest.mark.soak
def test_a_host_that_is_beyond_repair_is_replaced(fleet: Fleet) -> None:
    """Its engine dies again and again, with a release that was ready there: the group hears of it,
    and the fleet's one claim of the hour is taken."""
    host = one_of(fleet)
    with _impatient(fleet):
        deployed = fleet.fab("deploy", "--yes", "--bake", "0", timeout_s=600)
        assert deployed.code == 0, str(deployed)
    release = current(fleet)
    known = "cat /var/lib/llm-fleet/proven.json 2>/dev/null || true"
    eventually(lambda: release in fleet.inside(host, known), seconds=90, why="it was ready there")

    def dies() -> bool:
        script = f"pid=$(docker inspect -f '{{{{.State.Pid}}}}' {ENGINE});"
        fleet.inside(host, f'{script} [ "$pid" -gt 0 ] && kill -9 "$pid"; true')
        return fleet.state(host) == "crash-loop"

    eventually(dies, seconds=120, why="given up")
    wait_for_another(fleet, host)
    assert len(_claims(fleet)) == 1
    assert_whole(fleet, release)


def _next_version(fleet: Fleet) -> str:
    """A version more of the launch template, which the group takes from now on: `pulumi up`."""
    ec2, name = fleet.aws("ec2"), fleet.environment.prefix
    found = ec2.describe_launch_template_versions(LaunchTemplateName=name)
    data = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    made = ec2.create_launch_template_version(LaunchTemplateName=name, LaunchTemplateData=data)
    version = str(made["LaunchTemplateVersion"]["VersionNumber"])
    ec2.modify_launch_template(LaunchTemplateName=name, DefaultVersion=version)
    fleet.aws("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName=fleet.cloud.outputs().asg_name,
        LaunchTemplate={"LaunchTemplateName": name, "Version": version},
    )
    return version


def _volumes(fleet: Fleet) -> set[str]:
    """The cache volumes of the environment."""
    tag = {"Name": "tag:llm-fleet:cache", "Values": [fleet.environment.name]}
    found = fleet.aws("ec2").describe_volumes(Filters=[tag])["Volumes"]
    return {volume["VolumeId"] for volume in found}


def _claims(fleet: Fleet) -> list[str]:
    """Who of the fleet has asked to be replaced, by the hour."""
    root = f"{fleet.environment.parameter_root}/hosts"
    found = fleet.aws("ssm").get_parameters_by_path(Path=root, Recursive=True)["Parameters"]
    return [one["Name"] for one in found if "/replaced/" in one["Name"]]


@contextmanager
def _impatient(fleet: Fleet) -> Iterator[None]:
    """The environment's file with a minute before a host counts as beyond repair, for a while."""
    before = fleet.file.read_text()
    health = replace(fleet.environment.health, replace_after_s=60)
    fleet.file.write_text(dump(replace(fleet.environment, health=health)))
    try:
        yield
    finally:
        fleet.file.write_text(before)
