"""What a service wants comes to run, with tasks that are none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rehearsal import ecs_follow, moto_services
from rehearsal.alb_health import HEALTHY, Board
from rehearsal.ecs_follow import EcsFollower
from rehearsal.processes import MachineError
from rehearsal.settings import Settings

REGION = "us-east-1"
REPOSITORY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/llm-fleet-x"
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {"mediaType": "x", "size": 1, "digest": "sha256:0"},
    "layers": [],
}


@dataclass
class FakeTask:
    """Starts at once, and ends when the test says why."""

    address: str
    wanted: Callable[[], bool]
    refuses: str = ""
    why: str = ""
    stopped: bool = False
    host: Any = field(
        default_factory=lambda: SimpleNamespace(folder=Path("/"), remove=lambda: None)
    )

    def start(self) -> None:
        if self.refuses:
            raise MachineError(self.refuses)

    def ended(self) -> str:
        return self.why

    def stop(self) -> None:
        self.stopped = True


class Room:
    """An account in this process with the gateway's service, and the follower over it."""

    def __init__(self, folder: Path) -> None:
        self.session = boto3.Session("testing", "testing", region_name=REGION)
        self.board, self.tasks, self.refuses = Board(), [], ""  # type: Board, list[FakeTask], str
        ec2, self.ecs = self.client("ec2"), self.client("ecs")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
        self.target_group = self.client("elbv2").create_target_group(
            Name="fallback", Protocol="HTTP", Port=8000, VpcId=vpc, TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        self.name = self.client("servicediscovery").create_service(Name="gateway")["Service"]
        self.client("ecr").create_repository(repositoryName="llm-fleet-x")
        self.push("gateway-1")
        self.ecs.create_cluster(clusterName="c")
        first = self.describe("gateway-1")
        self.ecs.create_service(
            cluster="c",
            serviceName="gateway",
            taskDefinition=first,
            desiredCount=0,
            launchType="FARGATE",
            loadBalancers=[
                {"targetGroupArn": self.target_group, "containerName": "f", "containerPort": 8000}
            ],
            serviceRegistries=[{"registryArn": self.name["Arn"]}],
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}
            },
        )
        self.first = first
        self.said: list[str] = []
        settings = Settings(state=folder, hub=folder)
        self.follower = EcsFollower(settings, self.board, {}, self.said.append, drain_s=0.0)

    def client(self, service: str) -> Any:
        return self.session.client(service)  # type: ignore[call-overload]

    def push(self, tag: str) -> None:
        manifest = json.dumps({**MANIFEST, "tag": tag})
        self.client("ecr").put_image(
            repositoryName="llm-fleet-x", imageManifest=manifest, imageTag=tag
        )

    def describe(self, tag: str) -> str:
        made = self.ecs.register_task_definition(
            family="gateway",
            networkMode="awsvpc",
            containerDefinitions=[{"name": "f", "image": f"{REPOSITORY}:{tag}", "memory": 128}],
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def task(self, *, host: Any, address: str, wanted: Callable[[], bool], **_: Any) -> FakeTask:
        made = FakeTask(address, wanted, refuses=self.refuses)
        self.tasks.append(made)
        return made

    def move(self, definition: str, tasks: int) -> None:
        self.ecs.update_service(
            cluster="c", service="gateway", taskDefinition=definition, desiredCount=tasks
        )

    def now(self) -> dict[str, Any]:
        answer = self.ecs.describe_services(cluster="c", services=["gateway"])
        found: dict[str, Any] = answer["services"][0]
        return found

    def addresses(self) -> set[str]:
        said = self.client("elbv2").describe_target_health(TargetGroupArn=self.target_group)
        return {one["Target"]["Id"] for one in said["TargetHealthDescriptions"]}

    def named(self) -> set[str]:
        said = self.client("servicediscovery").list_instances(ServiceId=self.name["Id"])
        return {one["Attributes"]["AWS_INSTANCE_IPV4"] for one in said["Instances"]}

    def heal(self) -> None:
        """The load balancer finds every task that is registered well."""
        for address in self.addresses():
            self.board.put((self.target_group, address, 8000), HEALTHY)

    def until(self, condition: Callable[[], object], *, heal: bool = True) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            if heal:
                self.heal()
            assert time.monotonic() < deadline, (self.now(), self.said)
            time.sleep(0.02)

    def steady(self, definition: str, tasks: int) -> bool:
        now = self.now()
        state = now["deployments"][0]["rolloutState"]
        counts = (now["taskDefinition"], now["runningCount"], len(now["deployments"]))
        return counts == (definition, tasks, 1) and state == "COMPLETED"


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """moto is as it was afterwards."""
    with mock_aws():
        monkeypatch.setattr(ecs_follow, "POLL_S", 0.02)
        moto_services.teach(partial(monkeypatch.setattr, raising=True))
        made = Room(tmp_path)
        monkeypatch.setattr(ecs_follow, "client", lambda service, _: made.client(service))
        monkeypatch.setattr(ecs_follow, "Task", made.task)
        made.follower.start()
        yield made
        made.follower.stop()


def test_tasks_come_and_are_found(room: Room) -> None:
    """In the target group, and under the name that hosts ask for."""
    room.move(room.first, 2)
    room.until(lambda: room.steady(room.first, 2))
    assert room.addresses() == room.named() == {task.address for task in room.tasks}
    assert len(room.tasks) == 2


def test_a_service_that_wants_none_has_none(room: Room) -> None:
    """They leave traffic, are stopped, and give their addresses back."""
    room.move(room.first, 1)
    room.until(lambda: room.steady(room.first, 1))
    room.move(room.first, 0)
    room.until(lambda: room.tasks[0].stopped and not room.named())
    assert room.addresses() == set()
    room.until(lambda: not room.client("ec2").describe_network_interfaces()["NetworkInterfaces"])


def test_another_revision_comes_beside_the_first(room: Room) -> None:
    """The old task goes when the new one serves, and not before."""
    room.move(room.first, 1)
    room.until(lambda: room.steady(room.first, 1))
    room.push("gateway-2")
    second = room.describe("gateway-2")
    room.move(second, 1)
    room.until(lambda: len(room.tasks) == 2, heal=False)
    time.sleep(0.3)  # nobody has looked at the new one yet
    assert not room.tasks[0].stopped
    room.until(lambda: room.steady(second, 1))
    assert [task.stopped for task in room.tasks] == [True, False]
    assert room.named() == {room.tasks[1].address}


def test_a_task_that_ends_is_started_again(room: Room) -> None:
    """And ECS says why it ended."""
    room.move(room.first, 1)
    room.until(lambda: room.steady(room.first, 1))
    room.tasks[0].why = "gateway ended: out of memory"
    room.until(lambda: len(room.tasks) == 2 and room.steady(room.first, 1))
    assert any("out of memory" in event["message"] for event in room.now()["events"])


def test_an_image_that_nobody_pushed(room: Room) -> None:
    """Three tasks that can't pull it, and the service goes back to the revision that it had."""
    room.move(room.first, 1)
    room.until(lambda: room.steady(room.first, 1))
    room.move(room.describe("gateway-9"), 1)
    room.until(lambda: room.now()["taskDefinition"] == room.first)
    assert [task.stopped for task in room.tasks] == [False]
    messages = [event["message"] for event in room.now()["events"]]
    assert sum("CannotPullContainerError" in message for message in messages) == 3


def test_one_that_never_came_up_is_given_up(room: Room) -> None:
    """There is nothing to go back to; it is not tried for ever."""
    room.refuses = "gateway does not get healthy: no key"
    room.move(room.first, 1)
    room.until(lambda: room.now()["deployments"][0]["rolloutState"] == "FAILED")
    time.sleep(0.3)
    assert len(room.tasks) == 3
    assert "no key" in room.now()["deployments"][0]["rolloutStateReason"]
