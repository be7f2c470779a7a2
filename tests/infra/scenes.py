"""Environments provisioned into moto, and what was there afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

from provision.config.environment import (
    BudgetSettings,
    Egress,
    Environment,
    HubSettings,
    LoadBalancerSettings,
    Purchase,
    Scheme,
    Transport,
)
from provision.config.fallback import FallbackSettings
from provision.config.load import load
from rehearsal.provisioning import Provisioned, provisioned
from rehearsal.pulumi_engine import Declared
from tests.infra.away import Away
from tests.infra.away import look as look_away

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl op"
AMI = "ami-12c6146b"  # one of those that moto was born with
GIVEN_KEY = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"

FILES = ("dev", "prod", "prod-70b", "rehearsal")
VARIANTS = ("public", "adopted", "hosted", "isolated")
ALL = (*FILES, *VARIANTS)
AWAY = ("rehearsal", "hosted", "isolated")  # with a way out
TWICE = ("rehearsal", "public", "hosted")  # provisioned a second time: it is the same code for all


@dataclass(frozen=True)
class Live:
    """What moto held when the program was through."""

    groups: list[dict[str, Any]]
    hooks: list[dict[str, Any]]
    instances: list[dict[str, Any]]
    targets: list[dict[str, Any]]
    template: dict[str, Any]
    traffic_rule: dict[str, Any]
    balancer_attributes: dict[str, str]
    security_groups: dict[str, dict[str, Any]]
    versioning: dict[str, Any]
    bundle: bytes
    away: Away | None


@dataclass(frozen=True)
class Scene:
    """An environment, what the program declared for it, and what came of it."""

    environment: Environment
    provisioned: Provisioned
    again: Provisioned | None
    live: Live

    def of(self, kind: str) -> list[Declared]:
        """Resources whose type ends in *kind*, such as ``:Bucket``."""
        return [d for d in self.provisioned.declared if d.type.endswith(kind)]

    def one(self, kind: str, name: str = "") -> Declared:
        """The only resource of its kind, or the one of that name."""
        found = [d for d in self.of(kind) if not name or d.name == name]
        assert len(found) == 1, [d.key for d in found]
        return found[0]

    def policies(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every statement of every policy that a role carries, with the policy's name."""
        for policy in self.of(":RolePolicy"):
            for statement in json.loads(policy.inputs["policy"])["Statement"]:
                yield policy.name, statement


@cache
def scene(name: str) -> Scene:
    """The scene of a file or a variant, built once in a test run."""
    with mock_aws():
        environment = _VARIANTS[name]() if name in _VARIANTS else described(name)
        made = provisioned(environment, public_key=PUBLIC_KEY)
        again = provisioned(environment, public_key=PUBLIC_KEY) if name in TWICE else None
        return Scene(environment, made, again, _look(environment, made))


def described(name: str) -> Environment:
    """The environment of a file in the repository, with an AMI that moto knows."""
    environment = load(name, folder=ROOT)
    return replace(environment, fleet=replace(environment.fleet, ami=AMI))


def _public() -> Environment:
    """Faces the internet, reaches AWS through endpoints, buys a capacity block."""
    base = described("prod")
    acm = boto3.client("acm", region_name=base.region)
    certificate = acm.request_certificate(DomainName="llm.example.com")["CertificateArn"]
    return replace(
        base,
        name="public",
        fleet=replace(
            base.fleet,
            zones=1,
            hosts=1,
            capacity_block=True,
            capacity_reservation_id="cr-0123456789abcdef0",
        ),
        network=replace(base.network, egress=Egress.ENDPOINTS),
        # Without NAT everything has a mirror inside.
        engine=replace(base.engine, image="mirror.internal/vllm/vllm-openai:v0.32.0"),
        front=replace(base.front, image="mirror.internal/nginx:1.28.0"),
        hub=HubSettings(endpoint="http://10.40.0.9:5080"),
        model_cache=replace(base.model_cache, kms_key_arn=GIVEN_KEY),
        load_balancer=LoadBalancerSettings(
            scheme=Scheme.INTERNET_FACING,
            certificate_arn=certificate,
            domain_name="llm.example.com",
            allowed_cidrs=("203.0.113.0/24", "198.51.100.0/24"),
        ),
        access=replace(base.access, transport=Transport.DIRECT),
        observability=replace(base.observability, alarm_email="ops@example.com"),
        budget=BudgetSettings(max_monthly_usd=25_000),
    )


def _adopted() -> Environment:
    """Stands in a VPC that was there before, on spot instances, without snapshots."""
    base = described("dev")
    ec2 = boto3.client("ec2", region_name=base.region)
    vpc = ec2.create_vpc(CidrBlock="172.20.0.0/16")["Vpc"]["VpcId"]
    subnets = tuple(
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"172.20.{i}.0/24", AvailabilityZone=f"us-east-1{zone}"
        )["Subnet"]["SubnetId"]
        for i, zone in enumerate("ab")
    )
    return replace(
        base,
        name="adopted",
        fleet=replace(base.fleet, purchase=Purchase.SPOT),
        network=replace(base.network, vpc_id=vpc, private_subnet_ids=subnets),
        model_cache=replace(base.model_cache, snapshot_every_hours=None),
    )


def _hosted() -> Environment:
    """Has a way out to companies outside and inside AWS, keeps old answers, shares cooldowns."""
    return replace(
        described("prod"),
        name="hosted",
        fallback=FallbackSettings(
            providers=(
                "openai/gpt-4o-mini",
                "anthropic/claude-haiku-4-5",
                "bedrock/mistral.mistral-7b-instruct-v0:2",
            ),
            daily_usd=50.0,
            monthly_usd=500.0,
            timeout_s=40,
            stale_answers=True,
            redis_url="redis://cache.internal:6380",
        ),
    )


def _isolated() -> Environment:
    """Has a way out, and none into the internet."""
    base = described("prod")
    return replace(
        base,
        name="isolated",
        network=replace(base.network, egress=Egress.ENDPOINTS),
        engine=replace(base.engine, image="mirror.internal/vllm/vllm-openai:v0.32.0"),
        front=replace(base.front, image="mirror.internal/nginx:1.28.0"),
        hub=HubSettings(endpoint="http://10.40.0.9:5080"),
        fallback=FallbackSettings(
            providers=("bedrock/mistral.mistral-7b-instruct-v0:2",),
            daily_usd=20.0,
            image="mirror.internal/python:3.12.12-slim-bookworm",
        ),
    )


_VARIANTS: dict[str, Callable[[], Environment]] = {
    "public": _public,
    "adopted": _adopted,
    "hosted": _hosted,
    "isolated": _isolated,
}


def _look(environment: Environment, made: Provisioned) -> Live:
    def client(service: str) -> Any:
        return boto3.client(service, region_name=environment.region)  # type: ignore[call-overload]

    ec2, elbv2, out = client("ec2"), client("elbv2"), made.outputs
    group = client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[out.asg_name])
    ids = [i["InstanceId"] for i in group["AutoScalingGroups"][0]["Instances"]]
    found = ec2.describe_instances(InstanceIds=ids)["Reservations"]
    template = ec2.describe_launch_template_versions(LaunchTemplateName=environment.prefix)
    attributes = elbv2.describe_load_balancer_attributes(LoadBalancerArn=out.load_balancer_arn)
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [out.vpc_id]}])
    bundle = next(d for d in made.declared if d.name == "storage-host-program")
    body = client("s3").get_object(Bucket=out.bucket, Key=bundle.inputs["key"])["Body"]
    return Live(
        groups=group["AutoScalingGroups"],
        hooks=client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=out.asg_name)[
            "LifecycleHooks"
        ],
        instances=[i for reservation in found for i in reservation["Instances"]],
        targets=elbv2.describe_target_health(TargetGroupArn=out.primary_target_group_arn)[
            "TargetHealthDescriptions"
        ],
        template=template["LaunchTemplateVersions"][0]["LaunchTemplateData"],
        traffic_rule=elbv2.describe_rules(RuleArns=[out.traffic_rule_arn])["Rules"][0],
        balancer_attributes={a["Key"]: a["Value"] for a in attributes["Attributes"]},
        security_groups={g["GroupName"]: g for g in groups["SecurityGroups"]},
        versioning=client("s3").get_bucket_versioning(Bucket=out.bucket),
        bundle=body.read(),
        away=look_away(environment, out, client),
    )
