"""Policies that hold for every environment, whatever it says."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from provision.config.environment import Scheme
from provision.config.hosted import key_secrets
from provision.planning.lock import FOLDER
from tests.infra.scenes import ALL, FILES, Scene, scene

EVERYWHERE = "0.0.0.0/0"

# AWS gives these types no tags.
UNTAGGED = {
    "aws:autoscaling/group:Group",  # tagged one by one, and each is asserted below
    "aws:autoscaling/lifecycleHook:LifecycleHook",
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:ec2/route:Route",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:kms/alias:Alias",
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
    "aws:lambda/permission:Permission",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketObject:BucketObject",  # carries the common tags, but a name says nothing
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sns/topicSubscription:TopicSubscription",
}

# Statements on every resource, and why AWS leaves no other way.
WILDCARDS = {
    ("identity-host", "RegistryToken"): "GetAuthorizationToken has no resource",
    ("identity-host", "SessionManager"): "message channels have no resource",
    ("identity-host", "Look"): "Describe calls of EC2 have no resource",
    ("identity-host", "Metrics"): "PutMetricData has no resource; the namespace is a condition",
    ("model-cache-snapshots", "Look"): "Describe calls of EC2 have no resource",
    ("gateway-execution", "RegistryToken"): "GetAuthorizationToken has no resource",
    ("switch-function", "Look"): "Describe calls of load balancers and groups have no resource",
    ("switch-function", "Interfaces"): "Lambda checks the rights before there is an interface",
    ("switch-function", "NotItsOwnCode"): "takes the same away from the function's own code",
}

# Field -> longest name that AWS takes.
NAME_LIMITS = {
    "aws:budgets/budget:Budget": 100,
    "aws:lb/loadBalancer:LoadBalancer": 32,
    "aws:lb/targetGroup:TargetGroup": 32,
    "aws:iam/role:Role": 64,
    "aws:iam/instanceProfile:InstanceProfile": 128,
    "aws:ec2/securityGroup:SecurityGroup": 255,
    "aws:ec2/launchTemplate:LaunchTemplate": 128,
    "aws:autoscaling/group:Group": 255,
    "aws:sns/topic:Topic": 256,
    "aws:cloudwatch/metricAlarm:MetricAlarm": 255,
    "aws:secretsmanager/secret:Secret": 512,
    "aws:cloudwatch/logGroup:LogGroup": 512,
    "aws:ecr/repository:Repository": 256,
    "aws:kms/alias:Alias": 256,
    "aws:dynamodb/table:Table": 255,
    "aws:ecs/cluster:Cluster": 255,
    "aws:ecs/service:Service": 255,
    "aws:lambda/function:Function": 64,
    "aws:cloudwatch/eventRule:EventRule": 64,
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": 253,
}


@pytest.fixture(params=ALL)
def made(request: pytest.FixtureRequest) -> Scene:
    """Each environment in turn."""
    return scene(request.param)


def test_nothing_but_the_load_balancer_is_open_to_the_world(made: Scene) -> None:
    """No rule lets everyone in, except to an internet-facing load balancer's TLS ports."""
    rules = made.of(":SecurityGroupIngressRule")
    open_ports = {r.inputs["fromPort"] for r in rules if r.inputs.get("cidrIpv4") == EVERYWHERE}
    assert open_ports == set()
    assert all(r.inputs["fromPort"] == r.inputs["toPort"] for r in rules)


def test_ssh_comes_only_from_inside_and_only_when_direct(made: Scene) -> None:
    """Port 22 is closed where SSH goes through Session Manager."""
    sources = [
        rule.inputs.get("cidrIpv4")
        for rule in made.of(":SecurityGroupIngressRule")
        if rule.inputs["fromPort"] <= 22 <= rule.inputs["toPort"]
    ]
    direct = made.environment.access.transport == "direct"
    assert sources == ([made.environment.network.cidr] if direct else [])


def test_groups_hold_the_declared_rules_and_no_others(made: Scene) -> None:
    """The rules that AWS puts into a new group are gone, and its default group is empty."""
    groups = dict(made.live.security_groups)
    default = groups.pop("default")
    if made.environment.network.vpc_id is None:
        assert (default["IpPermissions"], default["IpPermissionsEgress"]) == ([], [])
    for group in groups.values():
        for permission in group["IpPermissions"] + group["IpPermissionsEgress"]:
            assert permission["IpProtocol"] == "tcp", group["GroupName"]


def test_hosts_have_no_public_address(made: Scene) -> None:
    """Every subnet keeps addresses private, also those of the load balancer."""
    assert not any(subnet.inputs["mapPublicIpOnLaunch"] for subnet in made.of(":Subnet"))


def test_the_world_comes_in_through_tls_only(made: Scene) -> None:
    """A load balancer that faces the internet listens to HTTP only to send it to HTTPS."""
    facing = made.environment.load_balancer.scheme is Scheme.INTERNET_FACING
    assert made.one(":LoadBalancer").inputs["internal"] is not facing
    for listener in made.of(":Listener"):
        if facing and listener.inputs["protocol"] != "HTTPS":
            assert [a["type"] for a in listener.inputs["defaultActions"]] == ["redirect"]


def test_everything_is_tagged(made: Scene) -> None:
    """Environment, owner, project and a name, wherever AWS takes tags."""
    common = {
        "llm-fleet:environment": made.environment.name,
        "llm-fleet:owner": made.environment.owner,
        "Project": "llm-fleet",
    }
    for declared in made.provisioned.declared:
        assert common.items() <= declared.tags.items(), declared.key
        if declared.type not in UNTAGGED:
            assert declared.tags.get("Name"), declared.key


def test_hosts_and_their_volumes_are_tagged(made: Scene) -> None:
    """Default tags of the provider don't reach what the group launches."""
    expected = {"llm-fleet:environment", "llm-fleet:owner", "Project", "Name"}
    group = made.one(":Group")
    assert {tag["key"] for tag in group.inputs["tags"]} == expected
    assert all(tag["propagateAtLaunch"] for tag in group.inputs["tags"])
    kinds = {s["resourceType"]: set(s["tags"]) for s in _template(made)["tagSpecifications"]}
    assert kinds == dict.fromkeys(("instance", "volume", "network-interface"), expected)


def test_everything_is_encrypted(made: Scene) -> None:
    """Root volumes, bucket, images, alarm topic; keys rotate."""
    for mapping in _template(made)["blockDeviceMappings"]:
        assert mapping["ebs"]["encrypted"] == "true"
    (rule,) = made.one(":BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "AES256"
    assert made.one(":Repository").inputs["encryptionConfigurations"]
    assert made.one(":Topic").inputs["kmsMasterKeyId"].startswith("arn:aws:kms:")
    assert made.one(":Key").inputs["enableKeyRotation"] is True


def test_hosts_create_encrypted_cache_volumes_only(made: Scene) -> None:
    """The right to create a volume holds for encrypted ones with the environment's tag."""
    create = _statement(made, "identity-host", "CreateCache")
    assert create["Condition"] == {
        "StringEquals": {"aws:RequestTag/llm-fleet:cache": made.environment.name},
        "Bool": {"ec2:Encrypted": "true"},
    }


def test_the_instance_metadata_needs_a_token_and_stays_on_the_host(made: Scene) -> None:
    """IMDSv2 with one hop: a container on the bridge network does not reach the host's role."""
    options = made.live.template["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)


def test_names_are_within_the_limits_of_aws(made: Scene) -> None:
    """The names that are set are short enough for what they name."""
    for declared in made.provisioned.declared:
        limit = NAME_LIMITS.get(declared.type)
        if limit is not None:
            assert 0 < len(declared.inputs["name"]) <= limit, declared.key
    assert re.fullmatch(r"[a-z0-9-]{3,63}", made.one(":Bucket").inputs["bucket"])


def test_wildcards_are_explained(made: Scene) -> None:
    """No statement holds for every resource where AWS allows an ARN, none for every action."""
    for policy, statement in made.policies():
        assert "*" not in statement["Action"], statement
        assert not any(action.endswith(":*") for action in statement["Action"]), statement
        if "*" in statement["Resource"]:
            assert (policy, statement["Sid"]) in WILDCARDS


def test_hosts_may_not_write_what_they_run(made: Scene) -> None:
    """Releases and weights are the publisher's; hosts only read them."""
    host = {a for name, s in made.policies() if name == "identity-host" for a in s["Action"]}
    assert {a for a in host if a.startswith(("s3:", "ecr:"))} == {
        "s3:GetObject",
        "s3:ListBucket",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:BatchCheckLayerAvailability",
        "ecr:GetAuthorizationToken",
    }
    assert not any(a.startswith(("iam:", "sts:")) for a in host)


def test_a_host_comes_and_goes_in_its_own_groups_only(made: Scene) -> None:
    """Into and out of the primary target group, out of the Auto Scaling group; no rule, no size."""
    host = {a for name, s in made.policies() if name == "identity-host" for a in s["Action"]}
    assert {a for a in host if a.startswith(("elasticloadbalancing:", "autoscaling:"))} == {
        "elasticloadbalancing:RegisterTargets",
        "elasticloadbalancing:DeregisterTargets",
        "autoscaling:SetInstanceHealth",
        "autoscaling:CompleteLifecycleAction",
    }
    (targets,) = _statement(made, "identity-host", "LeaveAndReturn")["Resource"]
    assert ":targetgroup/" in targets
    assert "primary" in targets
    for sid in ("SayGoodbye", "CallItselfUnhealthy"):
        (group,) = _statement(made, "identity-host", sid)["Resource"]
        assert group.endswith(f":autoScalingGroupName/{made.provisioned.outputs.asg_name}")


def test_a_host_key_is_published_once(made: Scene) -> None:
    """A host that was taken over can't put its key in the place of another's."""
    publish = _statement(made, "identity-host", "PublishHostKeyOnce")
    assert publish["Action"] == ["ssm:PutParameter"]
    assert publish["Condition"] == {"StringEquals": {"ssm:Overwrite": "false"}}
    (resource,) = publish["Resource"]
    assert resource.endswith(f":parameter/llm-fleet/{made.environment.name}/hosts/*")


def test_publishers_write_weights_releases_and_benchmarks(made: Scene) -> None:
    """And nothing else: the program that hosts boot with is not theirs."""
    publish = _statement(made, "identity-publisher", "Publish")
    bucket = f"arn:aws:s3:::{made.provisioned.outputs.bucket}"
    folders = ("releases", "weights", "benchmarks")
    assert publish["Resource"] == [f"{bucket}/{folder}/*" for folder in folders]


def test_lock_and_journal_are_the_operators_alone(made: Scene) -> None:
    """No role that the program makes may touch them: neither hosts nor keys lent to hosts.

    A host can't even read who works on it; what it must know it is told.
    """
    ours = f"arn:aws:s3:::{made.provisioned.outputs.bucket}/{FOLDER}/lock.json"
    reaching = [
        (policy, statement["Sid"])
        for policy, statement in made.policies()
        if any(
            action.startswith("s3:") and action != "s3:ListBucket" for action in statement["Action"]
        )
        and any(fnmatch.fnmatchcase(ours, resource) for resource in statement["Resource"])
    ]
    assert reaching == []


def test_bucket_and_key_outlive_a_mistake(made: Scene) -> None:
    """`pulumi destroy` stops at the bucket and the key, and even then they are kept."""
    for declared in (made.one(":Bucket"), made.one(":Key")):
        assert (declared.protect, declared.retain_on_delete) == (True, True)
    assert made.live.versioning["Status"] == "Enabled"


def test_the_bucket_is_private_and_speaks_tls(made: Scene) -> None:
    """All four ways to be public are closed, and a request without TLS is denied."""
    block = made.one(":BucketPublicAccessBlock").inputs
    names = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert [block[name] for name in names] == [True] * 4
    (statement,) = json.loads(made.one(":BucketPolicy").inputs["policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


def test_no_secret_has_a_value(made: Scene) -> None:
    """Pulumi makes the places; values never pass through it."""
    assert len(made.of(":Secret")) == 3 + len(key_secrets(made.environment))
    assert made.of(":SecretVersion") == []


@pytest.mark.parametrize("name", FILES)
def test_snapshots_follow_the_tag_of_the_volumes(name: str) -> None:
    """The schedule finds volumes by the tag that hosts give them, and hands the tag on."""
    details = scene(name).one("dlm/lifecyclePolicy:LifecyclePolicy").inputs["policyDetails"]
    assert details["targetTags"] == {"llm-fleet:cache": name}
    assert details["schedules"][0]["copyTags"] is True


def test_seldom_changed_images_are_not_counted_with_the_engines(made: Scene) -> None:
    """ECR takes the oldest; the front's image may be older than forty engines, and still run."""
    policy = made.one("ecr/lifecyclePolicy:LifecyclePolicy").inputs["policy"]
    rules = json.loads(policy)["rules"]
    assert [rule["rulePriority"] for rule in rules] == [1, 2, 3, 4]
    apart = [rule["selection"]["tagPrefixList"] for rule in rules[1:3]]
    assert apart == [["front-"], ["gateway-"]]
    assert rules[-1]["selection"]["tagStatus"] == "any"


def _template(made: Scene) -> dict[str, Any]:
    return dict(made.one(":LaunchTemplate").inputs)


def _statement(made: Scene, policy: str, sid: str) -> dict[str, Any]:
    found: Iterator[dict[str, Any]] = (
        s for name, s in made.policies() if name == policy and s["Sid"] == sid
    )
    return next(found)
