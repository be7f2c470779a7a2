"""The AWS calls, against moto in this process; what moto can't say, against made-up answers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound
from moto import mock_aws

from provision.config.environment import AwsSettings
from provision.connectors.aws import AwsCloud
from provision.connectors.aws_client import AwsClients
from provision.errors import CloudError, OutputsMissing
from provision.secret import Secret
from provision.testing import samples

ENVIRONMENT = samples.environment()
REGION = "us-east-1"


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    """An empty account."""
    with mock_aws():
        yield


@pytest.fixture
def cloud() -> AwsCloud:
    """The environment's AWS, provisioned as far as SSM, bucket and secrets go."""
    outputs = samples.outputs()
    _client("ssm").put_parameter(
        Name="/llm-fleet/test/outputs", Type="String", Value=outputs.to_json()
    )
    _client("s3").create_bucket(Bucket=outputs.bucket)
    _client("secretsmanager").create_secret(Name=outputs.client_keys_secret)
    _client("ecr").create_repository(repositoryName="llm-fleet-test")
    return AwsCloud(ENVIRONMENT)


def _client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


def test_before_pulumi_up_there_are_no_outputs() -> None:
    """OutputsMissing names parameter, region and the command to run."""
    with pytest.raises(OutputsMissing) as missing:
        AwsCloud(ENVIRONMENT).outputs()
    assert "(/llm-fleet/test/outputs, us-east-1)" in str(missing.value)
    assert missing.value.hint == "run `pulumi up -s test` first"


def test_outputs_are_read_once(cloud: AwsCloud) -> None:
    """They don't change while a task runs."""
    assert cloud.outputs() == samples.outputs()
    _client("ssm").delete_parameter(Name="/llm-fleet/test/outputs")
    assert cloud.outputs() == samples.outputs()


def test_the_inventory_is_who_runs_and_what_they_published(cloud: AwsCloud) -> None:
    """Instances of the group with address, zone and host keys; a new one has none yet."""
    names = _launch(3)
    _client("ec2").stop_instances(InstanceIds=[names[2]])
    _client("ssm").put_parameter(
        Name=f"/llm-fleet/test/hosts/{names[0]}/host-key",
        Type="String",
        Value="ssh-ed25519 AAAA\necdsa-sha2-nistp256 BBBB\n",
    )
    hosts = {host.name: host for host in cloud.inventory()}
    assert sorted(hosts) == sorted(names[:2])
    first = hosts[names[0]]
    assert first.host_keys == ("ssh-ed25519 AAAA", "ecdsa-sha2-nistp256 BBBB")
    assert hosts[names[1]].host_keys == ()
    assert (first.zone, first.instance_type) == ("us-east-1a", "g5.xlarge")
    assert first.address.startswith("10.40.")
    assert first.launched_at.startswith("20")


def test_an_empty_fleet(cloud: AwsCloud) -> None:
    """A group without instances, or none at all, is an empty inventory."""
    assert len(cloud.inventory()) == 0


def test_objects(cloud: AwsCloud) -> None:
    """Write, read, list; what is not there is None."""
    cloud.put_object("releases/current", b"{}")
    assert cloud.get_object("releases/current") == b"{}"
    assert cloud.get_object("releases/nothing") is None
    assert cloud.list_objects("releases/") == ("releases/current",)


def test_images(cloud: AwsCloud) -> None:
    """A tag's digest, None before it was pushed; the password of the registry."""
    assert cloud.image_digest("engine-0123456789ab") is None
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 1,
            "digest": "sha256:" + "1" * 64,
        },
        "layers": [],
    }
    _client("ecr").put_image(
        repositoryName="llm-fleet-test",
        imageManifest=json.dumps(manifest),
        imageTag="engine-0123456789ab",
    )
    digest = cloud.image_digest("engine-0123456789ab")
    assert digest is not None
    assert digest.startswith("sha256:")
    assert cloud.registry_password().reveal()


def test_a_secret_without_a_value_is_none_and_one_that_is_not_there_an_error(
    cloud: AwsCloud,
) -> None:
    """The first is a fleet without keys, the second one that was not provisioned."""
    outputs = samples.outputs()
    assert cloud.get_secret(outputs.client_keys_secret) is None
    cloud.put_secret(outputs.client_keys_secret, Secret("text"))
    assert cloud.get_secret(outputs.client_keys_secret) == Secret("text")
    with pytest.raises(CloudError) as gone:
        cloud.get_secret("llm-fleet/test/probe-key")
    assert "pulumi up" in gone.value.hint


def test_a_publisher_may_write_below_one_prefix_only(
    cloud: AwsCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session policy names the bucket's folder; the keys are temporary."""
    given: dict[str, Any] = {}
    sts = cloud._aws.client("sts")
    assume = sts.assume_role
    monkeypatch.setattr(sts, "assume_role", lambda **said: given.update(said) or assume(**said))
    keys = cloud.publisher_keys("weights/mistral-7b/abc")
    assert keys.access_key_id.startswith("ASIA")
    first, second = json.loads(given["Policy"])["Statement"]
    assert first["Resource"] == "arn:aws:s3:::llm-fleet-test-123456789012/weights/mistral-7b/abc/*"
    assert second["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
    assert given["DurationSeconds"] == 3600


def test_target_health(cloud: AwsCloud) -> None:
    """Each registered host with the load balancer's word."""
    vpc = _client("ec2").create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    elb = _client("elbv2")
    group = elb.create_target_group(Name="primary", Protocol="HTTP", Port=8000, VpcId=vpc)
    arn = group["TargetGroups"][0]["TargetGroupArn"]
    [name] = _launch(1)
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": name}])
    outputs = replace(samples.outputs(), primary_target_group_arn=arn)
    _client("ssm").put_parameter(
        Name="/llm-fleet/test/outputs", Value=outputs.to_json(), Overwrite=True
    )
    assert [(one.host, one.state) for one in cloud.target_health()] == [(name, "healthy")]
    cloud.deregister(name)
    cloud.deregister(name)  # who is killed does it again
    assert "healthy" not in [one.state for one in cloud.target_health()]
    cloud.register(name)
    assert [one.state for one in cloud.target_health()] == ["healthy"]


@pytest.mark.parametrize(
    ("operation", "right"),
    [
        ("deregister", "elasticloadbalancing:DeregisterTargets"),
        ("register", "elasticloadbalancing:RegisterTargets"),
        ("target_health", "elasticloadbalancing:DescribeTargetHealth"),
    ],
)
def test_who_may_not_move_hosts_is_told_what_is_missing(
    cloud: AwsCloud, monkeypatch: pytest.MonkeyPatch, operation: str, right: str
) -> None:
    """By the name that stands in an IAM policy."""

    def deny(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, operation)

    for name in ("deregister_targets", "register_targets", "describe_target_health"):
        monkeypatch.setattr(cloud._aws.client("elbv2"), name, deny)
    with pytest.raises(CloudError) as denied:
        getattr(cloud, operation)(*([] if operation == "target_health" else ["i-1"]))
    assert denied.value.hint == f"your role needs permission for {right} on it"


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (
            ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject"),
            "permission for s3:GetObject on",
        ),
        (ClientError({"Error": {"Code": "ExpiredToken"}}, "GetObject"), "`aws sso login`"),
        (ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"), "run the same command again"),
        (ClientError({"Error": {"Code": "NoSuchBucket"}}, "GetObject"), "`pulumi up`"),
        (
            ClientError({"Error": {"Code": "RequestTimeTooSkewed"}}, "GetObject"),
            "is this machine's clock right?",
        ),
        (ClientError({"Error": {"Code": "Strange"}}, "GetObject"), "get-caller-identity"),
        (NoCredentialsError(), "no AWS credentials here"),
        (ProfileNotFound(profile="nope"), "aws.profile"),
    ],
)
def test_every_failure_names_the_call_the_resource_and_the_next_step(
    cloud: AwsCloud, monkeypatch: pytest.MonkeyPatch, error: Exception, hint: str
) -> None:
    """AWS's own words are kept."""

    def fail(**_: Any) -> Any:
        raise error

    monkeypatch.setattr(cloud._aws.client("s3"), "get_object", fail)
    with pytest.raises(CloudError) as failed:
        cloud.get_object("releases/current")
    bucket = samples.outputs().bucket
    assert f"s3:get_object on s3://{bucket}/releases/current failed" in failed.value.message
    assert hint in failed.value.hint


def test_a_private_endpoint_never_sees_a_persons_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Credentials are made up, also where the person's profile is gone; proxies are left out."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "personal")
    local = replace(ENVIRONMENT, aws=AwsSettings(endpoint_url="http://10.97.0.1:5000"))
    with monkeypatch.context() as stale:
        stale.setenv("AWS_PROFILE", "gone")
        client = AwsClients(local).client("s3")
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.token) == ("rehearsal", None)
    public = AwsClients(ENVIRONMENT).client("s3")
    assert public._request_signer._credentials.token == "personal"


def test_a_body_that_ends_early_is_a_cloud_error(
    cloud: AwsCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection cut in the middle of an object is said in words, too."""
    from botocore.response import StreamingBody

    body = StreamingBody(io.BytesIO(b"{"), content_length=10)
    monkeypatch.setattr(cloud._aws.client("s3"), "get_object", lambda **_: {"Body": body})
    with pytest.raises(CloudError, match="get_object on"):
        cloud.get_object("releases/current")


def _launch(count: int) -> list[str]:
    """An Auto Scaling group with *count* g5.xlarge in a subnet of 10.40.0.0/24."""
    ec2, scaling = _client("ec2"), _client("autoscaling")
    vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.40.0.0/24", AvailabilityZone="us-east-1a")[
        "Subnet"
    ]["SubnetId"]
    ami = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    ec2.create_launch_template(
        LaunchTemplateName="fleet",
        LaunchTemplateData={"ImageId": ami, "InstanceType": "g5.xlarge"},
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="llm-fleet-test",
        LaunchTemplate={"LaunchTemplateName": "fleet"},
        MinSize=count,
        MaxSize=count,
        DesiredCapacity=count,
        VPCZoneIdentifier=subnet,
    )
    group = scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    return sorted(one["InstanceId"] for one in group["Instances"])


def test_suspended_processes_of_the_group(cloud: AwsCloud) -> None:
    """What anybody suspended, and nothing of what was resumed."""
    _launch(1)
    assert cloud.suspended() == frozenset()
    cloud.suspend(("Launch", "Terminate"))
    cloud.resume(("Launch",))
    assert cloud.suspended() == {"Terminate"}


class TestPrimaryWeight:
    def rule(self, weights: dict[str, int]) -> None:
        """A traffic rule with these weights by side."""
        elb, ec2 = _client("elbv2"), _client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=zone)
            for n, zone in enumerate(("us-east-1a", "us-east-1b"))
        ]
        balancer = elb.create_load_balancer(
            Name="lb", Subnets=[one["Subnet"]["SubnetId"] for one in subnets]
        )["LoadBalancers"][0]["LoadBalancerArn"]
        groups = {
            side: elb.create_target_group(Name=side, Protocol="HTTP", Port=80, VpcId=vpc)[
                "TargetGroups"
            ][0]["TargetGroupArn"]
            for side in ("primary", "fallback")
        }
        shares = [{"TargetGroupArn": groups[side], "Weight": w} for side, w in weights.items()]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": shares}}
        listener = elb.create_listener(
            LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[action]
        )["Listeners"][0]["ListenerArn"]
        rule = elb.create_rule(
            ListenerArn=listener,
            Priority=10,
            Conditions=[{"Field": "path-pattern", "Values": ["/v1/*"]}],
            Actions=[action],
        )["Rules"][0]["RuleArn"]
        outputs = replace(
            samples.outputs(), traffic_rule_arn=rule, primary_target_group_arn=groups["primary"]
        )
        _client("ssm").put_parameter(
            Name="/llm-fleet/test/outputs", Type="String", Value=outputs.to_json(), Overwrite=True
        )

    @pytest.mark.parametrize(
        ("weights", "share"),
        [
            ({"primary": 100, "fallback": 0}, 100),
            ({"primary": 0, "fallback": 100}, 0),
            ({"primary": 7, "fallback": 3}, 70),
            ({"primary": 0, "fallback": 0}, None),
        ],
    )
    def test_its_share(self, cloud: AwsCloud, weights: dict[str, int], share: int | None) -> None:
        """In percent of all weights; unknown where nobody has any."""
        self.rule(weights)
        assert cloud.primary_weight() == share
