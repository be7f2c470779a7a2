"""What AWS refuses and moto lets through, row by row."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from rehearsal.strict.guard import guard, guard_session
from rehearsal.strict.refusal import RefusedByAws

REGION = "us-east-1"
IMAGE = "ami-12c6146b"  # one of those that moto was born with


@dataclass(frozen=True)
class Account:
    """A moto account with a network, two hosts in two zones, two volumes and a load balancer."""

    zone_a: str
    zone_b: str
    zone_a_too: str
    host_a: str
    host_b: str
    volume: str
    attached: str
    group: str
    fallback: str
    listener: str


@cache
def client(service: str) -> Any:
    """moto as it is. Made once: a client knows no account, only where moto stands in for it."""
    return _session().client(service)  # type: ignore[call-overload]


@cache
def strict(service: str) -> Any:
    """moto behind the layer."""
    return guard(_session().client(service), look=client)  # type: ignore[call-overload]


def _session() -> boto3.Session:
    return boto3.Session("testing", "testing", region_name=REGION)


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[Account]:
    """One account for all rows: what is refused changes nothing."""
    with mock_aws():
        yield _account()


def _account() -> Account:
    ec2, elbv2 = client("ec2"), client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    a, b, a_too = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=REGION + zone)
        for i, zone in enumerate("aba")
    )
    subnets = [made["Subnet"]["SubnetId"] for made in (a, b, a_too)]
    hosts = [
        ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"][0][
            "InstanceId"
        ]
        for subnet in subnets[:2]
    ]
    volumes = [
        ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=10)["VolumeId"] for _ in range(2)
    ]
    ec2.attach_volume(VolumeId=volumes[1], InstanceId=hosts[0], Device="/dev/sdf")
    groups = [
        elbv2.create_target_group(Name=name, Protocol="HTTP", Port=8000, VpcId=vpc)["TargetGroups"][
            0
        ]["TargetGroupArn"]
        for name in ("primary", "fallback")
    ]
    balancer = elbv2.create_load_balancer(Name="balancer", Subnets=subnets[:2])
    listener = elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": groups[0]}],
    )["Listeners"][0]["ListenerArn"]
    _scaling_group(subnets[0])
    client("logs").create_log_group(logGroupName="/g")
    client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=_policy(trust=True))
    zone_a, zone_b, zone_a_too = subnets
    return Account(
        zone_a=zone_a,
        zone_b=zone_b,
        zone_a_too=zone_a_too,
        host_a=hosts[0],
        host_b=hosts[1],
        volume=volumes[0],
        attached=volumes[1],
        group=groups[0],
        fallback=groups[1],
        listener=listener,
    )


def _scaling_group(subnet: str) -> None:
    client("ec2").create_launch_template(
        LaunchTemplateName="hosts",
        LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "g5.xlarge"},
    )
    client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="g",
        LaunchTemplate={"LaunchTemplateName": "hosts"},
        MinSize=1,
        MaxSize=1,
        VPCZoneIdentifier=subnet,
    )


def _policy(*, trust: bool = False, sids: tuple[str, ...] = ("One",), padding: str = "") -> str:
    subject = {"Principal": {"Service": "ec2.amazonaws.com"}} if trust else {"Resource": "*"}
    action = "sts:AssumeRole" if trust else f"s3:GetObject{padding}"
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Sid": sid, "Effect": "Allow", "Action": action, **subject} for sid in sids
            ],
        }
    )


def _rule(account: Account, weights: tuple[int, ...]) -> dict[str, Any]:
    groups = [account.group, account.fallback]
    return {
        "ListenerArn": account.listener,
        "Priority": 10 + sum(weights),
        "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/v1/*"]}}],
        "Actions": [
            {
                "Type": "forward",
                "ForwardConfig": {
                    "TargetGroups": [
                        {"TargetGroupArn": arn, "Weight": weight}
                        for arn, weight in zip(groups, weights, strict=True)
                    ]
                },
            }
        ],
    }


def _alarm(**changes: Any) -> dict[str, Any]:
    alarm = {
        "AlarmName": "a",
        "Namespace": "N",
        "MetricName": "M",
        "Statistic": "Sum",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 1.0,
        "Period": 60,
        "EvaluationPeriods": 3,
    }
    return {key: value for key, value in {**alarm, **changes}.items() if value is not None}


def _template(**data: Any) -> dict[str, Any]:
    name = "-".join(data)  # rows share an account
    return {"LaunchTemplateName": name, "LaunchTemplateData": {"ImageId": IMAGE, **data}}


def _volume(**changes: Any) -> dict[str, Any]:
    return {"AvailabilityZone": f"{REGION}a", "VolumeType": "gp3", "Size": 100, **changes}


# name -> service, method, parameters (from the account), AWS's error code, part of its message.
# Every one of these calls goes through in moto.
LENIENT: dict[str, tuple[str, str, Any, str, str]] = {
    "parameter of 5,000 characters": (
        *("ssm", "put_parameter"),
        lambda _: {"Name": "/p", "Type": "String", "Value": "x" * 5000},
        *("ValidationException", "4096"),
    ),
    "parameter of 4,096 bytes in 2,050 letters": (
        *("ssm", "put_parameter"),
        lambda _: {"Name": "/q", "Type": "String", "Value": "é" * 2050},
        *("ValidationException", "4100 bytes"),
    ),
    "user data of 20 KB": (
        *("ec2", "run_instances"),
        lambda a: {
            "ImageId": IMAGE,
            "MinCount": 1,
            "MaxCount": 1,
            "SubnetId": a.zone_a,
            "UserData": "x" * 20_000,
        },
        *("InvalidParameterValue", "16384"),
    ),
    "user data of 20 KB in a template": (
        *("ec2", "create_launch_template"),
        lambda _: _template(UserData=base64.b64encode(b"x" * 20_000).decode()),
        *("InvalidParameterValue", "16384"),
    ),
    "instance type that does not exist": (
        *("ec2", "create_launch_template"),
        lambda _: _template(InstanceType="g5.enormous"),
        *("ValidationError", "g5.enormous"),
    ),
    "security groups twice": (
        *("ec2", "create_launch_template"),
        lambda _: _template(
            SecurityGroupIds=["sg-1"], NetworkInterfaces=[{"DeviceIndex": 0, "Groups": ["sg-1"]}]
        ),
        *("InvalidParameterCombination", "network interface"),
    ),
    "volume with too many iops for its size": (
        *("ec2", "create_volume"),
        lambda _: _volume(Size=5, Iops=4000),
        *("InvalidParameterCombination", "8 GiB"),
    ),
    "volume with too much throughput for its iops": (
        *("ec2", "create_volume"),
        lambda _: _volume(Iops=3000, Throughput=1000),
        *("InvalidParameterCombination", "4000 iops"),
    ),
    "volume of another zone": (
        *("ec2", "attach_volume"),
        lambda a: {"VolumeId": a.volume, "InstanceId": a.host_b, "Device": "/dev/sdf"},
        *("InvalidVolume.ZoneMismatch", "us-east-1b"),
    ),
    "volume that is attached": (
        *("ec2", "attach_volume"),
        lambda a: {"VolumeId": a.attached, "InstanceId": a.host_a, "Device": "/dev/sdg"},
        *("VolumeInUse", "is attached to"),
    ),
    "device that is in use": (
        *("ec2", "attach_volume"),
        lambda a: {"VolumeId": a.volume, "InstanceId": a.host_a, "Device": "/dev/sdf"},
        *("InvalidParameterValue", "/dev/sdf is already in use"),
    ),
    "weight of 1,000": (
        *("elbv2", "create_rule"),
        lambda a: _rule(a, (1000, 0)),
        *("ValidationError", "0 to 999"),
    ),
    "weights that are all 0": (
        *("elbv2", "create_rule"),
        lambda a: _rule(a, (0, 0)),
        *("ValidationError", "all weights are 0"),
    ),
    "attribute that does not exist": (
        *("elbv2", "modify_target_group_attributes"),
        lambda a: {
            "TargetGroupArn": a.group,
            "Attributes": [{"Key": "deregistration.delay", "Value": "30"}],
        },
        *("ValidationError", "does not exist"),
    ),
    "slow start with least outstanding requests": (
        *("elbv2", "modify_target_group_attributes"),
        lambda a: {
            "TargetGroupArn": a.group,
            "Attributes": [
                {"Key": "slow_start.duration_seconds", "Value": "60"},
                {"Key": "load_balancing.algorithm.type", "Value": "least_outstanding_requests"},
            ],
        },
        *("ValidationError", "round_robin only"),
    ),
    "load balancer in one zone": (
        *("elbv2", "create_load_balancer"),
        lambda a: {"Name": "b", "Subnets": [a.zone_a]},
        *("ValidationError", "two Availability Zones"),
    ),
    "load balancer with two subnets in a zone": (
        *("elbv2", "create_load_balancer"),
        lambda a: {"Name": "c", "Subnets": [a.zone_a, a.zone_b, a.zone_a_too]},
        *("InvalidConfigurationRequest", "one zone"),
    ),
    "load balancer with a long name": (
        *("elbv2", "create_load_balancer"),
        lambda a: {"Name": "b" * 33, "Subnets": [a.zone_a, a.zone_b]},
        *("ValidationError", "32"),
    ),
    "alarm every 15 seconds": (
        *("cloudwatch", "put_metric_alarm"),
        lambda _: _alarm(Period=15),
        *("ValidationError", "10, 20, 30"),
    ),
    "alarm for 4 of 3 periods": (
        *("cloudwatch", "put_metric_alarm"),
        lambda _: _alarm(DatapointsToAlarm=4),
        *("ValidationError", "4 datapoints of 3"),
    ),
    "alarm over two days": (
        *("cloudwatch", "put_metric_alarm"),
        lambda _: _alarm(EvaluationPeriods=2880),
        *("ValidationError", "too long"),
    ),
    "alarm with a wrong word for silence": (
        *("cloudwatch", "put_metric_alarm"),
        lambda _: _alarm(TreatMissingData="notbreaching"),
        *("ValidationError", "notBreaching"),
    ),
    "logs kept for 31 days": (
        *("logs", "put_retention_policy"),
        lambda _: {"logGroupName": "/g", "retentionInDays": 31},
        *("InvalidParameterException", "31 days"),
    ),
    "standby below the minimum": (
        *("autoscaling", "enter_standby"),
        lambda _: {
            "AutoScalingGroupName": "g",
            "InstanceIds": _members("g"),
            "ShouldDecrementDesiredCapacity": True,
        },
        *("ValidationError", "min-size=1"),
    ),
    "more hosts than the maximum": (
        *("autoscaling", "set_desired_capacity"),
        lambda _: {"AutoScalingGroupName": "g", "DesiredCapacity": 2},
        *("ValidationError", "between 1 and 1"),
    ),
    "hook that waits for a second": (
        *("autoscaling", "put_lifecycle_hook"),
        lambda _: {**_HOOK, "HeartbeatTimeout": 1},
        *("ValidationError", "30 to 7200"),
    ),
    "hook that waits for a day": (
        *("autoscaling", "put_lifecycle_hook"),
        lambda _: {**_HOOK, "HeartbeatTimeout": 86400},
        *("ValidationError", "30 to 7200"),
    ),
    "hook with a result of its own": (
        *("autoscaling", "put_lifecycle_hook"),
        lambda _: {**_HOOK, "DefaultResult": "GO_ON"},
        *("ValidationError", "CONTINUE, ABANDON"),
    ),
    "hook of an unknown transition": (
        *("autoscaling", "put_lifecycle_hook"),
        lambda _: {**_HOOK, "LifecycleTransition": "EC2_INSTANCE_TERMINATING"},
        *("ValidationError", "autoscaling:EC2_INSTANCE_TERMINATING"),
    ),
    "process that AWS does not know": (
        *("autoscaling", "suspend_processes"),
        lambda _: {"AutoScalingGroupName": "g", "ScalingProcesses": ["Refresh"]},
        *("ValidationError", "Refresh: no such process"),
    ),
    "policy larger than its role has room for": (
        *("iam", "put_role_policy"),
        lambda _: {
            "RoleName": "r",
            "PolicyName": "p",
            "PolicyDocument": _policy(sids=tuple(f"S{i}" for i in range(200))),
        },
        *("LimitExceeded", "10240"),
    ),
    "tag of AWS's own": (
        *("logs", "create_log_group"),
        lambda _: {"logGroupName": "/h", "tags": {"AWS:mine": "x"}},
        *("InvalidTag", "reserved"),
    ),
}


_HOOK = {
    "AutoScalingGroupName": "g",
    "LifecycleHookName": "leave",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
    "HeartbeatTimeout": 390,
    "DefaultResult": "CONTINUE",
}


def _members(group: str) -> list[str]:
    found = client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])
    return [i["InstanceId"] for i in found["AutoScalingGroups"][0]["Instances"]]


@pytest.mark.parametrize("name", LENIENT)
def test_it_is_refused_as_by_aws(account: Account, name: str) -> None:
    """A ClientError with AWS's code, so that the product's own handling is what meets it."""
    service, method, parameters, code, said = LENIENT[name]
    with pytest.raises(ClientError, match=said) as refused:
        getattr(strict(service), method)(**parameters(account))
    assert isinstance(refused.value, RefusedByAws)
    assert refused.value.response["Error"]["Code"] == code


# The same, for what moto refuses in part or by another name: the layer words it as AWS does.
ALSO: dict[str, tuple[str, str, Any, str]] = {
    "user data of a template in clear": (
        *("ec2", "create_launch_template"),
        lambda _: _template(UserData="#!/bin/sh"),
        "base64",
    ),
    "drain of two hours": (
        *("elbv2", "modify_target_group_attributes"),
        lambda a: {
            "TargetGroupArn": a.group,
            "Attributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "7200"}],
        },
        "0 to 3600",
    ),
    "check that outlasts its interval": (
        *("elbv2", "create_target_group"),
        lambda _: {
            "Name": "c",
            "HealthCheckIntervalSeconds": 5,
            "HealthCheckTimeoutSeconds": 5,
        },
        "timeout 5 is not less than 5",
    ),
    "check every 2 seconds": (
        *("elbv2", "modify_target_group"),
        lambda a: {"TargetGroupArn": a.group, "HealthCheckIntervalSeconds": 2},
        "HealthCheckIntervalSeconds",
    ),
    "target group with a long name": (
        *("elbv2", "create_target_group"),
        lambda _: {"Name": "t" * 33},
        "32",
    ),
    "fixed response of 2,000 characters": (
        *("elbv2", "create_rule"),
        lambda a: {
            **_rule(a, (100, 0)),
            "Actions": [
                {
                    "Type": "fixed-response",
                    "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "x" * 2000},
                }
            ],
        },
        "MessageBody",
    ),
    "TLS without a certificate": (
        *("elbv2", "create_listener"),
        lambda a: {
            "LoadBalancerArn": "arn",
            "Protocol": "HTTPS",
            "Port": 443,
            "DefaultActions": [],
        },
        "certificate",
    ),
    "two statistics": (
        *("cloudwatch", "put_metric_alarm"),
        lambda _: _alarm(ExtendedStatistic="p95"),
        "exactly one",
    ),
    "bucket with capitals": (
        *("s3", "create_bucket"),
        lambda _: {"Bucket": "Models"},
        "3 to 63",
    ),
    "minimum above maximum": (
        *("autoscaling", "update_auto_scaling_group"),
        lambda _: {"AutoScalingGroupName": "g", "MinSize": 3},
        "above maximum 1",
    ),
    "hook without a transition": (
        *("autoscaling", "put_lifecycle_hook"),
        lambda _: {"AutoScalingGroupName": "g", "LifecycleHookName": "leave"},
        "needs its transition",
    ),
    "end of a wait for nobody": (
        *("autoscaling", "complete_lifecycle_action"),
        lambda _: {**_COMPLETION},
        "an instance's id",
    ),
    "end of a wait in other words": (
        *("autoscaling", "complete_lifecycle_action"),
        lambda a: {**_COMPLETION, "InstanceId": a.host_a, "LifecycleActionResult": "OK"},
        "CONTINUE, ABANDON",
    ),
    "health in other words": (
        *("autoscaling", "set_instance_health"),
        lambda a: {"InstanceId": a.host_a, "HealthStatus": "unhealthy"},
        "Healthy or Unhealthy",
    ),
    "group smaller than its minimum": (
        *("autoscaling", "terminate_instance_in_auto_scaling_group"),
        lambda _: {"InstanceId": _members("g")[0], "ShouldDecrementDesiredCapacity": True},
        "min-size is 1",
    ),
    "statement ids that are not unique": (
        *("iam", "put_role_policy"),
        lambda _: {
            "RoleName": "r",
            "PolicyName": "p",
            "PolicyDocument": _policy(sids=("One", "One")),
        },
        "unique",
    ),
    "trust policy with a resource": (
        *("iam", "create_role"),
        lambda _: {"RoleName": "s", "AssumeRolePolicyDocument": _policy()},
        "no resource",
    ),
    "deletion of an attached volume": (
        *("ec2", "delete_volume"),
        lambda a: {"VolumeId": a.attached},
        "is attached",
    ),
    "detaching from another host": (
        *("ec2", "detach_volume"),
        lambda a: {"VolumeId": a.attached, "InstanceId": a.host_b},
        "not attached there",
    ),
    "group name of AWS's own": (
        *("ec2", "create_security_group"),
        lambda _: {"GroupName": "sg-mine", "Description": "d"},
        "sg-",
    ),
    "description with a quote": (
        *("ec2", "create_security_group"),
        lambda _: {"GroupName": "mine", "Description": "operator's"},
        "not allowed",
    ),
    "parameter of AWS's own": (
        *("ssm", "put_parameter"),
        lambda _: {"Name": "/aws/x", "Type": "String", "Value": "x"},
        "AWS's",
    ),
    "snapshots every 5 hours": (
        *("dlm", "create_lifecycle_policy"),
        lambda _: {
            "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
            "Description": "d",
            "State": "ENABLED",
            "PolicyDetails": {
                "Schedules": [{"CreateRule": {"Interval": 5, "IntervalUnit": "HOURS"}}]
            },
        },
        "every 5 h",
    ),
    "51 tags": (
        *("logs", "create_log_group"),
        lambda _: {"logGroupName": "/h", "tags": {f"t{i}": "x" for i in range(51)}},
        "50",
    ),
    "enumeration": (
        *("autoscaling", "suspend_processes"),
        lambda _: {"AutoScalingGroupName": "g", "ScalingProcesses": [1]},
        r"ScalingProcesses\[0\]: 1 is not text",
    ),
    "word that is not one of the model's": (
        *("ssm", "put_parameter"),
        lambda _: {"Name": "/p", "Type": "Text", "Value": "x"},
        "Type: 'Text' is not one of String, StringList, SecureString",
    ),
    "text that does not match the model's pattern": (
        *("iam", "create_role"),
        lambda _: {"RoleName": "a role", "AssumeRolePolicyDocument": _policy(trust=True)},
        "RoleName: 'a role' does not match",
    ),
    "number beyond the model's range": (
        *("iam", "create_role"),
        lambda _: {
            "RoleName": "s",
            "AssumeRolePolicyDocument": _policy(trust=True),
            "MaxSessionDuration": 60,
        },
        "MaxSessionDuration: 60 is not between 3600 and 43200",
    ),
    "missing member": (
        *("autoscaling", "enter_standby"),
        lambda _: {"AutoScalingGroupName": "g"},
        "ShouldDecrementDesiredCapacity: missing",
    ),
}


_COMPLETION = {
    "AutoScalingGroupName": "g",
    "LifecycleHookName": "leave",
    "LifecycleActionResult": "CONTINUE",
}


@pytest.mark.parametrize("name", ALSO)
def test_it_is_refused_before_it_is_sent(account: Account, name: str) -> None:
    """By the layer, with the reason in the message."""
    service, method, parameters, said = ALSO[name]
    with pytest.raises(RefusedByAws, match=said):
        getattr(strict(service), method)(**parameters(account))


def test_what_aws_takes_goes_through(account: Account) -> None:
    """The layer refuses; it does not change what is sent."""
    made = strict("elbv2").create_rule(**_rule(account, (999, 0)))
    groups = made["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"]
    assert [group["Weight"] for group in groups] == [999, 0]
    strict("ssm").put_parameter(Name="/taken", Type="String", Value="x" * 4096)
    strict("ec2").create_volume(**_volume(Iops=4000, Throughput=1000))
    strict("ec2").attach_volume(
        VolumeId=account.volume, InstanceId=account.host_a, Device="/dev/sdg"
    )
    strict("cloudwatch").put_metric_alarm(**_alarm(Period=10, DatapointsToAlarm=2))


def test_a_guarded_session_guards_every_client() -> None:
    """Also those that are made afterwards, by other people's code."""
    session = guard_session(boto3.Session(region_name=REGION))
    with pytest.raises(RefusedByAws, match="31 days"):
        session.client("logs").put_retention_policy(logGroupName="/g", retentionInDays=31)


def test_guarding_twice_is_guarding_once() -> None:
    """A refusal comes once, however often a client was handed through."""
    logs = guard(strict("logs"), look=client)
    with pytest.raises(RefusedByAws):
        logs.put_retention_policy(logGroupName="/g", retentionInDays=31)
    logs.put_retention_policy(logGroupName="/g", retentionInDays=30)


@pytest.mark.parametrize("name", LENIENT)
def test_moto_alone_would_let_it_through(account: Account, name: str) -> None:
    """The day that moto refuses a row by itself, the row can go."""
    service, method, parameters, _, _ = LENIENT[name]
    answer = getattr(client(service), method)(**parameters(account))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
