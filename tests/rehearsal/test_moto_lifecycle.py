"""Groups in the rehearsal: an instance that is ended waits for its hook, as on AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from rehearsal import moto_lifecycle
from rehearsal.moto_lifecycle import TERMINATING, WAITS

GROUP, HOOK = "hosts", "hosts-leave"


@dataclass
class Room:
    """A group of two hosts behind a load balancer, and timers that only the test lets go off."""

    template: str
    targets: str
    timers: dict[int, tuple[float, Callable[[], None]]] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]

    @property
    def autoscaling(self) -> Any:
        return self.client("autoscaling")

    def later(self, seconds: float, act: Callable[[], None]) -> Callable[[], None]:
        number = len(self.timers)
        self.timers[number] = (seconds, act)
        return lambda: self.timers.pop(number, None) and None

    def group(self) -> dict[str, Any]:
        said = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])
        return dict(said["AutoScalingGroups"][0])

    def states(self) -> dict[str, str]:
        return {one["InstanceId"]: one["LifecycleState"] for one in self.group()["Instances"]}

    def versions(self) -> dict[str, str]:
        return {
            one["InstanceId"]: one["LaunchTemplate"]["Version"] for one in self.group()["Instances"]
        }

    def registered(self) -> set[str]:
        said = self.client("elbv2").describe_target_health(TargetGroupArn=self.targets)
        return {one["Target"]["Id"] for one in said["TargetHealthDescriptions"]}

    def runs(self, instance: str) -> bool:
        said = self.client("ec2").describe_instances(InstanceIds=[instance])
        return bool(said["Reservations"][0]["Instances"][0]["State"]["Name"] == "running")

    def hook(self) -> None:
        self.autoscaling.put_lifecycle_hook(
            AutoScalingGroupName=GROUP,
            LifecycleHookName=HOOK,
            LifecycleTransition=TERMINATING,
            HeartbeatTimeout=390,
            DefaultResult="CONTINUE",
        )

    def terminate(self, instance: str, *, smaller: bool = False) -> None:
        self.autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=instance, ShouldDecrementDesiredCapacity=smaller
        )

    def complete(self, instance: str, result: str = "CONTINUE") -> None:
        self.autoscaling.complete_lifecycle_action(
            AutoScalingGroupName=GROUP,
            LifecycleHookName=HOOK,
            InstanceId=instance,
            LifecycleActionResult=result,
        )

    def suspend(self, *processes: str) -> None:
        self.autoscaling.suspend_processes(
            AutoScalingGroupName=GROUP, ScalingProcesses=list(processes)
        )

    def resume(self, *processes: str) -> None:
        self.autoscaling.resume_processes(
            AutoScalingGroupName=GROUP, ScalingProcesses=list(processes)
        )

    def deregister(self, instance: str) -> None:
        self.client("elbv2").deregister_targets(
            TargetGroupArn=self.targets, Targets=[{"Id": instance}]
        )

    def new_version(self) -> None:
        """The template's next version, which the group takes from now on."""
        data = {"ImageId": "ami-12c6146b", "InstanceType": "g6.xlarge"}
        self.client("ec2").create_launch_template_version(
            LaunchTemplateId=self.template, LaunchTemplateData=data
        )
        self.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": "2"},
        )


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    moto_lifecycle.teach(partial(monkeypatch.setattr, raising=False))
    with mock_aws():
        ec2 = boto3.client("ec2", region_name="us-east-1")
        subnet = ec2.describe_subnets()["Subnets"][0]
        made = ec2.create_launch_template(
            LaunchTemplateName=GROUP,
            LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "g5.xlarge"},
        )
        template = made["LaunchTemplate"]["LaunchTemplateId"]
        (targets,) = boto3.client("elbv2", region_name="us-east-1").create_target_group(
            Name=GROUP, Protocol="HTTP", Port=8000, VpcId=subnet["VpcId"]
        )["TargetGroups"]
        room = Room(template, targets["TargetGroupArn"])
        monkeypatch.setattr(moto_lifecycle, "later", room.later)
        room.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            MinSize=0,
            MaxSize=4,
            DesiredCapacity=2,
            LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
            VPCZoneIdentifier=subnet["SubnetId"],
            TargetGroupARNs=[room.targets],
        )
        yield room


class TestHook:
    def test_the_end_waits_for_the_hook(self, room: Room) -> None:
        """Out of traffic, running, replaced only when it is gone."""
        room.hook()
        first, second = room.states()
        room.terminate(first)

        assert room.states() == {first: WAITS, second: "InService"}
        assert room.registered() == {second}
        assert room.runs(first)
        assert [seconds for seconds, _ in room.timers.values()] == [390.0]

        room.complete(first)
        assert not room.runs(first)
        assert first not in room.states()
        assert len(room.states()) == 2
        assert room.registered() == set(room.states())
        assert room.timers == {}

    def test_it_does_not_wait_for_ever(self, room: Room) -> None:
        """The heartbeat's time ends it."""
        room.hook()
        first, _ = room.states()
        room.terminate(first)
        ((_, goes_off),) = room.timers.values()
        goes_off()
        assert not room.runs(first)
        assert len(room.states()) == 2

    def test_a_heartbeat_begins_the_time_anew(self, room: Room) -> None:
        """The timer of before is called off."""
        room.hook()
        first, _ = room.states()
        room.terminate(first)
        room.autoscaling.record_lifecycle_action_heartbeat(
            AutoScalingGroupName=GROUP, LifecycleHookName=HOOK, InstanceId=first
        )
        assert len(room.timers) == 1
        assert room.runs(first)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_nobody_waits_before_and_after(self, room: Room, when: str) -> None:
        """AWS calls it a validation error, whatever was wrong."""
        room.hook()
        first, _ = room.states()
        if when == "after":
            room.terminate(first)
            room.complete(first)
        with pytest.raises(ClientError, match="No active Lifecycle Action found") as refused:
            room.complete(first)
        assert refused.value.response["Error"]["Code"] == "ValidationError"

    def test_without_a_hook_it_ends_at_once(self, room: Room) -> None:
        """As moto does."""
        first, _ = room.states()
        room.terminate(first)
        assert not room.runs(first)
        assert len(room.states()) == 2

    def test_a_group_that_gets_smaller_waits_as_well(self, room: Room) -> None:
        """And nothing is launched in its place."""
        room.hook()
        first, second = room.states()
        room.autoscaling.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=1)
        assert room.states() == {first: WAITS, second: "InService"}
        room.complete(first)
        assert room.states() == {second: "InService"}

    def test_smaller_by_the_one_that_is_ended(self, room: Room) -> None:
        """The desired capacity goes down with it."""
        room.hook()
        first, second = room.states()
        room.terminate(first, smaller=True)
        room.complete(first)
        assert room.group()["DesiredCapacity"] == 1
        assert room.states() == {second: "InService"}

    def test_a_spot_host_that_ec2_takes_is_replaced_at_once(self, room: Room) -> None:
        """No hook can hold EC2 back; what replaces it is in the target group."""
        room.hook()
        first, second = room.states()
        room.client("ec2").terminate_instances(InstanceIds=[first])
        assert second in room.states()
        assert len(room.states()) == 2
        assert room.registered() >= set(room.states())

    def test_a_deleted_group_waits_for_nobody(self, room: Room) -> None:
        """Its instances end at once."""
        room.hook()
        first, second = room.states()
        room.terminate(first)
        room.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=GROUP, ForceDelete=True)
        assert not room.runs(first)
        assert not room.runs(second)


class TestSuspended:
    def test_an_unhealthy_host_is_replaced_when_that_is_resumed(self, room: Room) -> None:
        """A rollout holds the group meanwhile."""
        room.suspend("Launch", "Terminate", "ReplaceUnhealthy")
        first, second = room.states()
        room.autoscaling.set_instance_health(
            InstanceId=first, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
        )
        assert room.states() == {first: "InService", second: "InService"}
        room.resume("Launch", "Terminate", "ReplaceUnhealthy")
        assert not room.runs(first)
        assert len(room.states()) == 2

    def test_an_unhealthy_host_says_goodbye_too(self, room: Room) -> None:
        """Its hook is asked like any other's."""
        room.hook()
        first, _ = room.states()
        room.autoscaling.set_instance_health(
            InstanceId=first, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
        )
        assert room.states()[first] == WAITS

    def test_nothing_is_launched_while_that_is_suspended(self, room: Room) -> None:
        """What is missing comes with the resumption."""
        room.suspend("Launch")
        first, second = room.states()
        room.client("ec2").terminate_instances(InstanceIds=[first])
        assert set(room.states()) == {second}
        room.resume("Launch")
        assert len(room.states()) == 2

    def test_who_was_taken_out_of_traffic_stays_out(self, room: Room) -> None:
        """AWS registers an instance when it comes into service, and not again."""
        first, second = room.states()
        room.deregister(first)
        room.suspend("Launch")
        room.resume("Launch")
        room.autoscaling.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=3)
        assert room.registered() == set(room.states()) - {first}
        assert second in room.registered()


class TestVersion:
    def test_an_instance_keeps_the_version_that_it_was_launched_from(self, room: Room) -> None:
        """A new version reaches those that are launched later."""
        old = room.versions()
        assert set(old.values()) == {"1"}
        room.new_version()
        assert room.versions() == old

        first, second = old
        room.terminate(first)
        now = room.versions()
        assert now[second] == "1"
        assert [version for name, version in now.items() if name not in old] == ["2"]
        assert room.group()["LaunchTemplate"]["Version"] == "2"
