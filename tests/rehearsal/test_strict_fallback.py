"""What AWS refuses of functions, schedules, tasks and services, and moto lets through."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rehearsal.strict.guard import guard
from rehearsal.strict.refusal import RefusedByAws

REGION = "us-east-1"


@dataclass(frozen=True)
class Account:
    """A role, two target groups of which a rule knows one, and a task definition."""

    role: str
    subnet: str
    reached: str
    unreached: str
    hosts: str
    definition: str


@cache
def client(service: str) -> Any:
    """moto as it is."""
    return boto3.Session("testing", "testing", region_name=REGION).client(service)  # type: ignore[call-overload]


@cache
def strict(service: str) -> Any:
    """moto behind the layer."""
    made = boto3.Session("testing", "testing", region_name=REGION).client(service)  # type: ignore[call-overload]
    return guard(made, look=client)


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[Account]:
    """One account for all rows: what is refused changes nothing."""
    with mock_aws():
        yield _account()


def _account() -> Account:
    ec2, elbv2 = client("ec2"), client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=REGION + zone)[
            "Subnet"
        ]["SubnetId"]
        for i, zone in enumerate("ab")
    ]
    reached, unreached, hosts = (
        elbv2.create_target_group(
            Name=name, Protocol="HTTP", Port=8000, VpcId=vpc, TargetType=kind
        )["TargetGroups"][0]["TargetGroupArn"]
        for name, kind in (("reached", "ip"), ("unreached", "ip"), ("hosts", "instance"))
    )
    balancer = elbv2.create_load_balancer(Name="balancer", Subnets=subnets)["LoadBalancers"][0]
    elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": reached}],
    )
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}],
    }
    role = client("iam").create_role(
        RoleName="function", AssumeRolePolicyDocument=json.dumps(trust)
    )["Role"]["Arn"]
    client("ecs").create_cluster(clusterName="cluster")
    made = client("ecs").register_task_definition(**_definition())["taskDefinition"]
    return Account(role, subnets[0], reached, unreached, hosts, made["taskDefinitionArn"])


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("handler.py", "")
    return buffer.getvalue()


def _function(account: Account, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Role": account.role,
        "Handler": "handler.handler",
        "Code": {"ZipFile": _archive()},
        **changes,
    }


def _definition(**changes: Any) -> dict[str, Any]:
    front = {"name": "front", "image": "r/front:1", "essential": True, "stopTimeout": 120}
    return {
        "family": "gateway",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "1024",
        "memory": "2048",
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "containerDefinitions": [front],
        **changes,
    }


def _container(**changes: Any) -> dict[str, Any]:
    return _definition(containerDefinitions=[{"name": "front", "image": "r/front:1", **changes}])


def _service(account: Account, name: str, **changes: Any) -> dict[str, Any]:
    balanced = {
        "targetGroupArn": changes.get("group", account.reached),
        "containerName": changes.get("container", "front"),
        "containerPort": 8000,
    }
    return {
        "cluster": "cluster",
        "serviceName": name,
        "taskDefinition": account.definition,
        "desiredCount": 0,
        "launchType": "FARGATE",
        "loadBalancers": [balanced],
    }


# name -> service, method, parameters (from the account), part of the message.
LENIENT: dict[str, tuple[str, str, Any, str]] = {
    "variables of more than 4 KiB": (
        *("lambda", "create_function"),
        lambda a: _function(a, "big", Environment={"Variables": {"SWITCH": "x" * 4091}}),
        "4097 bytes",
    ),
    "a function of 16 minutes": (
        *("lambda", "create_function"),
        lambda a: _function(a, "long", Timeout=960),
        "900",
    ),
    "a function in a VPC without the right to be there": (
        *("lambda", "create_function"),
        lambda a: _function(
            a, "inside", VpcConfig={"SubnetIds": [a.subnet], "SecurityGroupIds": []}
        ),
        "CreateNetworkInterface",
    ),
    "a rate of one minutes": (
        *("events", "put_rule"),
        lambda _: {"Name": "one", "ScheduleExpression": "rate(1 minutes)"},
        "not valid",
    ),
    "a rate of five minute": (
        *("events", "put_rule"),
        lambda _: {"Name": "five", "ScheduleExpression": "rate(5 minute)"},
        "not valid",
    ),
    "a definition of more than 64 KiB": (
        *("ecs", "register_task_definition"),
        lambda _: _container(environment=[{"name": "NGINX_CONF", "value": "x" * 66_000}]),
        "64 KiB",
    ),
    "a size that Fargate has not": (
        *("ecs", "register_task_definition"),
        lambda _: _definition(memory="1024"),
        "1024 CPU units and 1024 MiB",
    ),
    "the network of a host": (
        *("ecs", "register_task_definition"),
        lambda _: _definition(networkMode="bridge"),
        "awsvpc",
    ),
    "a task that takes three minutes to stop": (
        *("ecs", "register_task_definition"),
        lambda _: _container(stopTimeout=180),
        "at most 120",
    ),
    "a volume that the task has not": (
        *("ecs", "register_task_definition"),
        lambda _: _container(mountPoints=[{"sourceVolume": "run", "containerPath": "/run"}]),
        "unknown volume run",
    ),
    "a container that waits for nobody": (
        *("ecs", "register_task_definition"),
        lambda _: _container(dependsOn=[{"containerName": "other", "condition": "HEALTHY"}]),
        "not in the task",
    ),
    "a target group that no rule knows": (
        *("ecs", "create_service"),
        lambda a: _service(a, "unreached", group=a.unreached),
        "does not have an associated load balancer",
    ),
    "tasks among instances": (
        *("ecs", "create_service"),
        lambda a: _service(a, "among-hosts", group=a.hosts),
        "targets of type ip",
    ),
    "a container that is not in the task": (
        *("ecs", "create_service"),
        lambda a: _service(a, "nobody", container="back"),
        "back does not exist",
    ),
}


@pytest.mark.parametrize("name", LENIENT)
def test_it_is_refused(account: Account, name: str) -> None:
    """As AWS would, with the reason in the message."""
    service, method, parameters, said = LENIENT[name]
    with pytest.raises(RefusedByAws, match=said):
        getattr(strict(service), method)(**parameters(account))


def test_what_aws_takes_goes_through(account: Account) -> None:
    """The layer refuses; it does not change what is sent."""
    function = _function(account, "good", Environment={"Variables": {"SWITCH": "x" * 4090}})
    strict("lambda").create_function(**function)
    strict("events").put_rule(Name="good", ScheduleExpression="rate(5 minutes)")
    strict("events").put_rule(Name="cron", ScheduleExpression="cron(0 3 * * ? *)")
    strict("ecs").register_task_definition(**_definition(family="good", memory="8192"))
    strict("ecs").create_service(**_service(account, "good"))


@pytest.mark.parametrize("name", LENIENT)
def test_moto_alone_would_let_it_through(account: Account, name: str) -> None:
    """The day that moto refuses a row by itself, the row can go."""
    service, method, parameters, _ = LENIENT[name]
    answer = getattr(client(service), method)(**parameters(account))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] in (200, 201)
