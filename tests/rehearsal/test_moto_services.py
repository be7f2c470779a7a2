"""moto's ECS says what really runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rehearsal import moto_services
from rehearsal.ecs_rules import Service

REGION = "us-east-1"


class Ecs:
    """A cluster with a service that has no tasks, and two revisions."""

    def __init__(self) -> None:
        session = boto3.Session("testing", "testing", region_name=REGION)
        ec2 = session.client("ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
        target_group = session.client("elbv2").create_target_group(
            Name="fallback", Protocol="HTTP", Port=8000, VpcId=vpc, TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        self.client: Any = session.client("ecs")
        self.client.create_cluster(clusterName="c")
        self.revisions = [self._register() for _ in range(2)]
        self.client.create_service(
            cluster="c",
            serviceName="gateway",
            taskDefinition=self.revisions[0],
            desiredCount=0,
            launchType="FARGATE",
            loadBalancers=[
                {
                    "targetGroupArn": target_group,
                    "containerName": "front",
                    "containerPort": 8000,
                }
            ],
            serviceRegistries=[
                {"registryArn": f"arn:aws:servicediscovery:{REGION}:1:service/srv-1"}
            ],
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}
            },
        )

    def _register(self) -> str:
        made = self.client.register_task_definition(
            family="gateway",
            networkMode="awsvpc",
            containerDefinitions=[{"name": "front", "image": "i", "memory": 128}],
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def move(self, revision: str, tasks: int) -> None:
        self.client.update_service(
            cluster="c", service="gateway", taskDefinition=revision, desiredCount=tasks
        )

    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.describe_services(cluster="c", services=["gateway"])[
            "services"
        ][0]
        return found

    def known(self) -> Service:
        (service,) = moto_services.services(REGION)
        return service

    def report(self, running: int, *, alone: bool) -> None:
        moto_services.report(REGION, self.known(), running=running, alone=alone)


@pytest.fixture
def ecs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ecs]:
    """moto is as it was afterwards."""
    with mock_aws():
        moto_services.teach(partial(monkeypatch.setattr, raising=True))
        yield Ecs()


def test_what_is_wanted_can_be_read(ecs: Ecs) -> None:
    """All that a follower needs."""
    ecs.move(ecs.revisions[1], 2)
    known = ecs.known()
    assert (known.cluster, known.name, known.desired) == ("c", "gateway", 2)
    assert known.definition == ecs.revisions[1]
    assert (known.port, known.registry) == (8000, "srv-1")


def test_no_task_runs_because_somebody_wants_it(ecs: Ecs) -> None:
    """It runs when the follower says so."""
    ecs.move(ecs.revisions[0], 1)
    assert (ecs.said()["runningCount"], ecs.said()["pendingCount"]) == (0, 1)
    ecs.report(1, alone=True)
    assert (ecs.said()["runningCount"], ecs.said()["pendingCount"]) == (1, 0)


def test_another_revision_is_a_change_that_takes_time(ecs: Ecs) -> None:
    """Two deployments until the old tasks are gone, then one that is completed."""
    ecs.move(ecs.revisions[0], 1)
    ecs.report(1, alone=True)
    ecs.move(ecs.revisions[1], 1)
    now = ecs.said()["deployments"]
    assert [one["status"] for one in now] == ["PRIMARY", "ACTIVE"]
    assert [one["taskDefinition"] for one in now] == [ecs.revisions[1], ecs.revisions[0]]
    assert now[0]["rolloutState"] == "IN_PROGRESS"
    ecs.report(2, alone=False)
    assert len(ecs.said()["deployments"]) == 2
    ecs.report(1, alone=True)
    (last,) = ecs.said()["deployments"]
    assert (last["rolloutState"], last["runningCount"]) == ("COMPLETED", 1)
    assert "steady state" in ecs.said()["events"][0]["message"]


def test_a_family_s_name_means_its_newest_revision(ecs: Ecs) -> None:
    """The service knows it by its ARN."""
    ecs.move("gateway", 1)
    assert ecs.said()["taskDefinition"] == ecs.revisions[1]


def test_a_revision_that_does_not_come_up_is_given_up(ecs: Ecs) -> None:
    """The service goes back to the one that did, and says so."""
    ecs.move(ecs.revisions[0], 1)
    ecs.report(1, alone=True)
    ecs.move(ecs.revisions[1], 1)
    moto_services.fail(REGION, ecs.known(), back_to=ecs.revisions[0], reason="no image")
    assert ecs.said()["taskDefinition"] == ecs.revisions[0]
    states = [(one["taskDefinition"], one["rolloutState"]) for one in ecs.said()["deployments"]]
    assert (ecs.revisions[1], "FAILED") in states


def test_one_that_never_came_up_has_nothing_to_go_back_to(ecs: Ecs) -> None:
    """It stays, and is said to have failed."""
    ecs.move(ecs.revisions[1], 1)
    moto_services.fail(REGION, ecs.known(), back_to="", reason="no image")
    assert ecs.said()["deployments"][0]["rolloutState"] == "FAILED"
    assert "no image" in ecs.said()["deployments"][0]["rolloutStateReason"]
    assert ecs.said()["taskDefinition"] == ecs.revisions[1]


def test_why_a_task_ended(ecs: Ecs) -> None:
    """As `fab deploy` asks for it when a gateway does not come up."""
    ecs.move(ecs.revisions[1], 1)
    moto_services.stopped(REGION, ecs.known(), "CannotPullContainerError: no such tag")
    asked = {"cluster": "c", "serviceName": "gateway", "desiredStatus": "STOPPED"}
    names = ecs.client.list_tasks(**asked)["taskArns"]
    (task,) = ecs.client.describe_tasks(cluster="c", tasks=names)["tasks"]
    assert task["stoppedReason"] == "CannotPullContainerError: no such tag"
    assert "no such tag" in ecs.said()["events"][0]["message"]
