"""Hosts, and what they boot with."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from provision.config.environment import EngineSettings
from provision.config.farewell import heartbeat_s
from provision.config.timeouts import chain
from provision.render.bundle import host_bundle
from tests.infra.scenes import ALL, GIVEN_KEY, Scene, scene


@pytest.fixture(params=ALL)
def made(request: pytest.FixtureRequest) -> Scene:
    """Each environment in turn."""
    return scene(request.param)


def test_hosts_come_up_and_are_registered(made: Scene) -> None:
    """The group has as many instances as asked for, each a target of the primary group."""
    ids = {instance["InstanceId"] for instance in made.live.instances}
    assert len(ids) == made.environment.fleet.hosts
    assert {target["Target"]["Id"] for target in made.live.targets} == ids


def test_pulumi_waits_for_nothing_and_leaves_the_running_fleet_alone(made: Scene) -> None:
    """Hosts become healthy after the first deploy; sizes and suspensions change at run time."""
    group = made.one(":Group")
    assert group.inputs["waitForCapacityTimeout"] == "0"
    assert group.inputs["healthCheckType"] == "EC2"
    assert group.ignore_changes == ("desiredCapacity", "suspendedProcesses")
    suspended = made.live.groups[0]["SuspendedProcesses"]
    assert [process["ProcessName"] for process in suspended] == ["AZRebalance"]


def test_a_host_that_is_ended_gets_the_time_to_say_goodbye(made: Scene) -> None:
    """The group waits for it, but not for ever; the host knows for whom and for how long."""
    (hook,) = made.live.hooks
    timeouts = chain(made.environment.engine)
    assert hook["AutoScalingGroupName"] == made.provisioned.outputs.asg_name
    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert hook["DefaultResult"] == "CONTINUE"
    assert hook["HeartbeatTimeout"] >= timeouts.front_read_s + timeouts.compose_grace_s
    told = json.loads(_host_json(base64.b64decode(made.live.template["UserData"]).decode()))
    assert told["hook"] == {
        "group": hook["AutoScalingGroupName"],
        "name": hook["LifecycleHookName"],
        "heartbeat_s": hook["HeartbeatTimeout"],
    }


def test_the_longest_answers_get_as_long_as_aws_allows() -> None:
    """Two hours is the most that a hook may wait."""
    base = scene("prod").environment
    longest = replace(base, engine=EngineSettings(longest_generation_s=3570))
    assert heartbeat_s(longest) == 7200


def test_a_host_finds_at_boot_what_user_data_reaches(made: Scene) -> None:
    """User data runs once: routes, endpoints, rights and the program come before the group."""
    needed = (":Route", ":VpcEndpoint", ":SecurityGroupEgressRule")
    others = ("load-balancer", "fallback-firewall")
    found = [d for kind in needed for d in made.of(kind)]
    keys = {d.key for d in found if not any(name in d.name for name in others)}
    keys.add(made.one(":BucketObject", "storage-host-program").key)
    keys.add(made.one(":RolePolicy", "identity-host").key)
    assert keys <= made.one(":Group").depends_on


def test_the_image_is_pinned(made: Scene) -> None:
    """By id: no parameter that moves."""
    assert re.fullmatch(r"ami-[0-9a-f]+", made.live.template["ImageId"])


def test_a_host_boots_with_the_program_that_was_uploaded(made: Scene) -> None:
    """User data names the object by key and digest, and the object is the host program."""
    text = base64.b64decode(made.live.template["UserData"]).decode()
    digest = hashlib.sha256(host_bundle()).hexdigest()
    assert made.live.bundle == host_bundle()
    assert digest in text
    assert f"bootstrap/host-{digest[:12]}.pyz" in text
    assert made.provisioned.outputs.bucket in text


def test_hosts_of_later_versions_find_the_program_of_earlier_ones(made: Scene) -> None:
    """An old program stays in the bucket: hosts launched with it still name it at boot."""
    assert made.one(":BucketObject", "storage-host-program").retain_on_delete


def test_hosts_encrypt_the_cache_with_the_environments_key() -> None:
    """The given key when there is one, else the key that was made; and they may use it."""
    for name in ALL:
        made = scene(name)
        text = base64.b64decode(made.live.template["UserData"]).decode()
        (key,) = set(re.findall(r"arn:aws:kms:[\w:/-]+", text))
        assert (key == GIVEN_KEY) == (name == "public")
        grants = [s for p, s in made.policies() if s["Sid"] == "LendCacheKey"]
        assert [s["Resource"] for s in grants] == [[key]]


@pytest.mark.parametrize(
    ("name", "market", "reservation"),
    [
        ("prod", None, None),
        ("public", "capacity-block", "cr-0123456789abcdef0"),
        ("adopted", "spot", None),
    ],
)
def test_capacity_is_bought_as_asked(
    name: str, market: str | None, reservation: str | None
) -> None:
    """On demand by default; a capacity block through its reservation; spot once."""
    template = scene(name).one(":LaunchTemplate").inputs
    assert template.get("instanceMarketOptions", {}).get("marketType") == market
    targeted = template.get("capacityReservationSpecification", {})
    found = targeted.get("capacityReservationTarget", {}).get("capacityReservationId")
    assert found == reservation


def test_hosts_stand_in_as_many_zones_as_asked(made: Scene) -> None:
    """The first private subnets, whatever the load balancer needs more."""
    subnets = made.one(":Group").inputs["vpcZoneIdentifiers"]
    assert len(subnets) == made.environment.fleet.zones
    assert made.one(":KeyPair").inputs["publicKey"].startswith("ssh-ed25519 ")


def test_without_a_way_out_every_service_has_an_endpoint() -> None:
    """No NAT gateway, no route to the world: endpoints, and S3 through its gateway."""
    made = scene("public")
    services = {e.inputs["serviceName"].split(".", 3)[3] for e in made.of(":VpcEndpoint")}
    assert services == {
        *("s3", "ssm", "ssmmessages", "ec2messages", "ecr.api", "ecr.dkr"),
        *("secretsmanager", "logs", "monitoring", "ec2", "autoscaling", "elasticloadbalancing"),
    }
    assert made.of(":NatGateway") == []
    out = [r.inputs.get("cidrIpv4") for r in made.of(":SecurityGroupEgressRule")]
    assert "0.0.0.0/0" not in out


def test_an_existing_network_is_left_as_it_is() -> None:
    """Nothing of it is made or changed; the load balancer and hosts stand in its subnets."""
    made = scene("adopted")
    types = {declared.type for declared in made.provisioned.declared}
    assert not {t for t in types if t.startswith("aws:ec2/")} - {
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/keyPair:KeyPair",
        "aws:ec2/launchTemplate:LaunchTemplate",
    }
    subnets = list(made.environment.network.private_subnet_ids)
    assert made.one(":LoadBalancer").inputs["subnets"] == subnets
    assert made.one(":Group").inputs["vpcZoneIdentifiers"] == subnets[:1]


def test_what_moto_cannot_do_is_checked_and_named() -> None:
    """Two resources exist on paper only: moto has no snapshot schedules, and reads a bucket's
    policy without its conditions."""
    recorded = {(r.service, r.operation): r.parameters for r in scene("prod").provisioned.recorded}
    assert set(recorded) == {("dlm", "CreateLifecyclePolicy"), ("s3", "PutBucketPolicy")}
    details = recorded["dlm", "CreateLifecyclePolicy"]["PolicyDetails"]
    assert details["TargetTags"] == [{"Key": "llm-fleet:cache", "Value": "prod"}]


def _host_json(user_data: str) -> str:
    """What user data writes for the host program."""
    return user_data.partition("host.json <<'JSON'\n")[2].partition("\nJSON\n")[0]
