"""Where the rehearsal's EC2 is stricter than moto."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from rehearsal import moto_server
from rehearsal.alb_health import Board


@dataclass(frozen=True)
class Room:
    """A rehearsal's API on loopback, and the board that its load balancer writes on."""

    url: str
    board: Board

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",
        )


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """moto is as it was afterwards."""
    with socket.socket() as probe, pytest.MonkeyPatch.context() as patch:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        patch.setattr(moto_server, "_replace", partial(patch.setattr, raising=False))
        board = Board()
        server = moto_server.serve("127.0.0.1", port, board, lambda *_: None)
        yield Room(f"http://127.0.0.1:{port}", board)
        server.stop()


@pytest.fixture(scope="module")
def ec2(room: Room) -> Any:
    return room.client("ec2")


def launch(ec2: Any, zone: str) -> str:
    said = ec2.run_instances(
        ImageId="ami-0123456789abcdef0",
        MinCount=1,
        MaxCount=1,
        Placement={"AvailabilityZone": zone},
    )
    name: str = said["Instances"][0]["InstanceId"]
    return name


def test_a_volume_is_attached_to_one_host_at_a_time(ec2: Any) -> None:
    """AttachVolume is the lock by which hosts claim their cache."""
    first, second = launch(ec2, "us-east-1a"), launch(ec2, "us-east-1a")
    volume = ec2.create_volume(Size=1, AvailabilityZone="us-east-1a")["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=first, Device="/dev/sdf")
    with pytest.raises(ClientError, match="VolumeInUse"):
        ec2.attach_volume(VolumeId=volume, InstanceId=second, Device="/dev/sdf")
    ec2.detach_volume(VolumeId=volume, InstanceId=first, Device="/dev/sdf")
    ec2.attach_volume(VolumeId=volume, InstanceId=second, Device="/dev/sdf")


def test_a_volume_stays_in_its_zone(ec2: Any) -> None:
    """A host can't claim a cache of another zone."""
    host = launch(ec2, "us-east-1b")
    volume = ec2.create_volume(Size=1, AvailabilityZone="us-east-1a")["VolumeId"]
    with pytest.raises(ClientError, match="ZoneMismatch"):
        ec2.attach_volume(VolumeId=volume, InstanceId=host, Device="/dev/sdf")


def test_hosts_boot_with_the_user_data_of_their_templates_version(room: Room, ec2: Any) -> None:
    """A changed template reaches those that are launched from it, also in its second version."""
    data = {"ImageId": "ami-12c6146b", "InstanceType": "g5.xlarge"}

    def text(number: int) -> dict[str, str]:
        script = f"#!/bin/sh\necho {number}\n".encode()
        return {**data, "UserData": base64.b64encode(script).decode()}

    ec2.create_launch_template(LaunchTemplateName="of-two", LaunchTemplateData=text(1))
    ec2.create_launch_template_version(LaunchTemplateName="of-two", LaunchTemplateData=text(2))
    scaling = room.client("autoscaling")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="of-two",
        MinSize=0,
        MaxSize=1,
        DesiredCapacity=1,
        LaunchTemplate={"LaunchTemplateName": "of-two", "Version": "2"},
        VPCZoneIdentifier=ec2.describe_subnets()["Subnets"][0]["SubnetId"],
    )
    group = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["of-two"])
    (host,) = group["AutoScalingGroups"][0]["Instances"]
    said = ec2.describe_instance_attribute(InstanceId=host["InstanceId"], Attribute="userData")
    encoded = base64.b64decode(said["UserData"]["Value"])
    assert b"echo 2" in (base64.b64decode(encoded) if b"#!" not in encoded else encoded)
    assert host["LaunchTemplate"]["Version"] == "2"


def test_a_target_that_is_registered_again_does_not_drain_any_more(room: Room, ec2: Any) -> None:
    """It counts as new at once, however long the deregistration delay is."""
    host = launch(ec2, "us-east-1a")
    elb = room.client("elbv2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    (group,) = elb.create_target_group(Name="hosts", Protocol="HTTP", Port=8000, VpcId=vpc)[
        "TargetGroups"
    ]
    arn, target = group["TargetGroupArn"], {"Id": host}

    def state() -> str:
        said = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return str(said[0]["TargetHealth"]["State"]) if said else ""

    elb.register_targets(TargetGroupArn=arn, Targets=[target])
    elb.deregister_targets(TargetGroupArn=arn, Targets=[target])
    room.board.drain((arn, host, 8000), until=time.monotonic() + 300)
    assert state() == "draining"

    elb.register_targets(TargetGroupArn=arn, Targets=[target])
    assert state() == "initial"
