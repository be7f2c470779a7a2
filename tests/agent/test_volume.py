"""Claiming a cache volume among hosts that want the same one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from provision.agent.cloud import Cloud
from provision.agent.errors import AgentError, CloudUnreachable
from provision.agent.events import Events
from provision.agent.metadata import Identity
from provision.agent.settings import HostSettings
from provision.agent.volume import Claim, Volume, candidates
from tests.agent.conftest import host_json, shared_cloud
from tests.agent.fakes import FakeClock

CACHE = {
    "size_gib": 100,
    "throughput_mibps": 125,
    "iops": 3000,
    "kms_key_arn": None,
    "max_volumes": 3,
}
ZONE = "us-east-1a"


class StrictEc2:
    """moto's EC2, which attaches a volume to two instances; AWS and this one do not."""

    def __init__(self) -> None:
        self._client = shared_cloud().client("ec2")
        self.before_attach: Callable[[str], None] = lambda _volume: None
        self.after_create: Callable[[str], None] = lambda _volume: None
        self.states: dict[str, str] = {}  # what DescribeVolumes says instead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create_volume(self, **request: Any) -> Any:
        made = self._client.create_volume(**request)
        hook, self.after_create = self.after_create, lambda _volume: None
        hook(made["VolumeId"])
        return made

    def describe_volumes(self, **request: Any) -> Any:
        answer = self._client.describe_volumes(**request)
        for volume in answer["Volumes"]:
            volume["State"] = self.states.get(volume["VolumeId"], volume["State"])
        return answer

    def attach_volume(self, *, VolumeId: str, InstanceId: str, Device: str) -> Any:
        hook, self.before_attach = self.before_attach, lambda _volume: None
        hook(VolumeId)
        volume = self._client.describe_volumes(VolumeIds=[VolumeId])["Volumes"][0]
        if volume["Attachments"]:
            raise refusal("VolumeInUse", f"{VolumeId} is already attached to an instance")
        return self._client.attach_volume(VolumeId=VolumeId, InstanceId=InstanceId, Device=Device)


class FixedCloud(Cloud):
    """A cloud with the strict EC2."""

    def __init__(self, ec2: StrictEc2, settings: HostSettings) -> None:
        super().__init__(settings)
        self._ec2 = ec2

    def client(self, service: str) -> Any:
        assert service == "ec2"
        return self._ec2


@pytest.fixture
def ec2() -> Iterator[StrictEc2]:
    with mock_aws():
        yield StrictEc2()


@pytest.fixture
def instances(ec2: StrictEc2) -> list[str]:
    """Three hosts in one zone."""
    answer = ec2.run_instances(
        ImageId="ami-12c6146b", MinCount=3, MaxCount=3, Placement={"AvailabilityZone": ZONE}
    )
    return [instance["InstanceId"] for instance in answer["Instances"]]


def claim(ec2: StrictEc2, instance: str, **cache: Any) -> str:
    """What *instance* gets when it boots."""
    settings = HostSettings.parse(host_json(cache={**CACHE, **cache}))
    clock = FakeClock()
    events = Events(clock, stream=None, file=None)
    cloud = FixedCloud(ec2, settings)
    return Claim(cloud, settings, Identity(instance, ZONE), clock, events).volume_id()


def make_volume(ec2: StrictEc2, *, zone: str = ZONE, environment: str = "test") -> str:
    """A volume of the pool that nobody has."""
    tags = [{"Key": "llm-fleet:cache", "Value": environment}]
    volume = ec2.create_volume(
        AvailabilityZone=zone,
        Size=100,
        TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
    )
    return str(volume["VolumeId"])


def owners(ec2: StrictEc2) -> dict[str, list[str]]:
    """Volume -> the instances that have it."""
    return {
        volume["VolumeId"]: [entry["InstanceId"] for entry in volume["Attachments"]]
        for volume in ec2.describe_volumes(
            Filters=[{"Name": "tag:llm-fleet:cache", "Values": ["test"]}]
        )["Volumes"]
    }


def refusal(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "AttachVolume")


class TestClaim:
    def test_takes_a_free_volume_of_its_zone(self, ec2: StrictEc2, instances: list[str]) -> None:
        """Neither another zone's nor another environment's."""
        make_volume(ec2, zone="us-east-1b")
        make_volume(ec2, environment="other")
        mine = make_volume(ec2)
        assert claim(ec2, instances[0]) == mine
        assert owners(ec2)[mine] == [instances[0]]

    def test_keeps_the_one_it_has(self, ec2: StrictEc2, instances: list[str]) -> None:
        """A second boot claims nothing new."""
        first = claim(ec2, instances[0])
        make_volume(ec2)
        assert claim(ec2, instances[0]) == first

    def test_loses_a_race_and_takes_the_next(self, ec2: StrictEc2, instances: list[str]) -> None:
        """Another host attached it between the look and the attach."""
        make_volume(ec2)
        make_volume(ec2)

        def rival(volume: str) -> None:
            ec2._client.attach_volume(VolumeId=volume, InstanceId=instances[1], Device="/dev/sdf")

        ec2.before_attach = rival
        claim(ec2, instances[0])
        assert sorted(owners(ec2).values()) == sorted([[instances[0]], [instances[1]]])

    def test_loses_its_own_new_volume_and_makes_another(
        self, ec2: StrictEc2, instances: list[str]
    ) -> None:
        """A new volume is free for all for a moment: whoever attaches it, has it."""

        def rival(volume: str) -> None:
            ec2._client.attach_volume(VolumeId=volume, InstanceId=instances[1], Device="/dev/sdf")

        ec2.before_attach = rival
        claim(ec2, instances[0])
        assert sorted(owners(ec2).values()) == sorted([[instances[0]], [instances[1]]])

    def test_loses_its_own_new_volume_before_it_looks_again(
        self, ec2: StrictEc2, instances: list[str]
    ) -> None:
        """It is never "available" for its maker then: no two minutes of waiting for that."""

        def rival(volume: str) -> None:
            ec2._client.attach_volume(VolumeId=volume, InstanceId=instances[1], Device="/dev/sdf")

        ec2.after_create = rival
        claim(ec2, instances[0])
        assert sorted(owners(ec2).values()) == sorted([[instances[0]], [instances[1]]])

    def test_a_volume_that_comes_to_nothing_is_said_not_made_again(
        self, ec2: StrictEc2, instances: list[str]
    ) -> None:
        """A key that the hosts may not use: one volume, and where to look."""
        ec2.after_create = lambda volume: ec2.states.update({volume: "error"})
        with pytest.raises(AgentError, match="came to nothing") as caught:
            claim(ec2, instances[0])
        assert "kms_key_arn" in caught.value.hint
        assert len(owners(ec2)) == 1

    def test_every_host_ends_with_one_of_its_own(
        self, ec2: StrictEc2, instances: list[str]
    ) -> None:
        """Three hosts, no volumes: three volumes, one owner each."""
        got = [claim(ec2, instance) for instance in instances]
        assert owners(ec2) == {volume: [i] for volume, i in zip(got, instances, strict=True)}

    def test_stops_at_the_cap(self, ec2: StrictEc2, instances: list[str]) -> None:
        """A bug in the fleet does not become a bill."""
        claim(ec2, instances[0], max_volumes=1)
        with pytest.raises(AgentError, match="has 1 of 1 already") as caught:
            claim(ec2, instances[1], max_volumes=1)
        assert "fleet.max_hosts" in caught.value.hint

    def test_a_device_name_that_is_in_use(self, ec2: StrictEc2, instances: list[str]) -> None:
        """The next name is tried."""
        names: list[str] = []
        attach = ec2.attach_volume

        def picky(**request: Any) -> Any:
            names.append(request["Device"])
            if request["Device"] == "/dev/sdf":
                raise refusal("InvalidParameterValue", "/dev/sdf is already in use")
            return attach(**request)

        ec2.attach_volume = picky  # type: ignore[method-assign]
        claim(ec2, instances[0])
        assert names == ["/dev/sdf", "/dev/sdg"]

    def test_rights_that_are_missing_are_no_race(
        self, ec2: StrictEc2, instances: list[str]
    ) -> None:
        """UnauthorizedOperation ends the claim with AWS's words."""

        def denied(**_: Any) -> Any:
            raise refusal("UnauthorizedOperation", "not authorized")

        ec2.attach_volume = denied  # type: ignore[method-assign]
        with pytest.raises(CloudUnreachable, match="not authorized"):
            claim(ec2, instances[0])


class TestNewVolume:
    def test_is_as_the_environment_file_says(self, ec2: StrictEc2, instances: list[str]) -> None:
        """gp3, encrypted, tagged, with the size, throughput and IOPS that were priced."""
        volume = claim(ec2, instances[0], size_gib=200, throughput_mibps=500, iops=4000)
        made = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]
        shown = {
            key: made[key] for key in ("Size", "VolumeType", "Throughput", "Iops", "Encrypted")
        }
        assert shown == {
            "Size": 200,
            "VolumeType": "gp3",
            "Throughput": 500,
            "Iops": 4000,
            "Encrypted": True,
        }
        assert {tag["Key"]: tag["Value"] for tag in made["Tags"]} == {
            "llm-fleet:cache": "test",
            "llm-fleet:environment": "test",
            "Project": "llm-fleet",
            "Name": "llm-fleet-test-cache",
        }

    def test_comes_from_the_newest_snapshot(self, ec2: StrictEc2, instances: list[str]) -> None:
        """Weights and compile caches are on it already."""
        tags = [{"Key": "llm-fleet:cache", "Value": "test"}]
        source = make_volume(ec2, environment="gone")
        snapshot = ec2.create_snapshot(
            VolumeId=source, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}]
        )["SnapshotId"]
        volume = claim(ec2, instances[0])
        assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["SnapshotId"] == snapshot


VOLUMES = st.lists(
    st.builds(
        Volume,
        id=st.text("abcdef0123456789", min_size=8, max_size=8).map(lambda tail: f"vol-{tail}"),
        zone=st.sampled_from([ZONE, "us-east-1b"]),
        state=st.sampled_from(["available", "in-use", "creating"]),
        instances=st.just(()),
    ),
    unique_by=lambda volume: volume.id,
)


@given(VOLUMES, st.text(min_size=1))
def test_candidates_are_all_free_volumes_of_the_zone(volumes: list[Volume], instance: str) -> None:
    """Each exactly once, in an order that does not depend on the one they came in."""
    identity = Identity(instance, ZONE)
    free = {volume.id for volume in volumes if volume.state == "available" and volume.zone == ZONE}
    ordered = candidates(volumes, identity)
    assert sorted(volume.id for volume in ordered) == sorted(free)
    assert candidates(list(reversed(volumes)), identity) == ordered


def test_hosts_begin_at_different_volumes() -> None:
    """Two hosts that boot together seldom want the same one first."""
    volumes = [Volume(f"vol-{n}", ZONE, "available", ()) for n in range(4)]
    first = {candidates(volumes, Identity(f"i-{n}", ZONE))[0].id for n in range(8)}
    assert len(first) == 4
    assert replace(volumes[0], state="in-use") not in candidates(volumes, Identity("i", ZONE))
