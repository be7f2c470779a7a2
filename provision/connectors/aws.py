"""The AWS calls that tasks need, by what they mean, through boto3."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from provision.config.environment import Environment
from provision.connectors import stamped
from provision.connectors.aws_client import AwsClients, code_of
from provision.connectors.group import ScalingGroup
from provision.connectors.protocols import Stamped, TargetHealth, TemporaryKeys, Written
from provision.connectors.targets import target_health
from provision.errors import CloudError, OutputsMissing
from provision.facts import outputs as outputs_document
from provision.facts.inventory import Host, Inventory
from provision.facts.outputs import Outputs
from provision.secret import Secret

_FILTER_VALUES = 200  # EC2 takes no more values in one filter
_NO_OBJECT = {"NoSuchKey", "404"}
_NO_TARGET = "InvalidTarget"


class AwsCloud:
    """Implements :class:`provision.connectors.protocols.Cloud`; safe to share between threads."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._aws = AwsClients(environment)
        self._group = ScalingGroup(self._aws, lambda: self.outputs().asg_name)

    def outputs(self) -> Outputs:
        """The environment's outputs, read once. Raises OutputsMissing before ``pulumi up``."""
        return self._outputs

    @cached_property
    def _outputs(self) -> Outputs:
        name = f"{self._environment.parameter_root}/outputs"
        try:
            found = self._aws.call("ssm", "get_parameter", name, Name=name)
        except CloudError as error:
            if code_of(error) != "ParameterNotFound":
                raise
            raise OutputsMissing(
                f"environment {self._environment.name!r} has no outputs in SSM"
                f" ({name}, {self._environment.region})",
                hint=f"run `pulumi up -s {self._environment.name}` first",
            ) from error
        return outputs_document.parse(found["Parameter"]["Value"], parameter=name)

    def inventory(self) -> Inventory:
        """Running hosts of the fleet's Auto Scaling group, with the keys that they published."""
        members = self._group.members()
        if not members.versions:
            return Inventory(())
        keys = self._host_keys()
        hosts = [
            _host(found, keys, members.versions) for found in self._instances([*members.versions])
        ]
        return Inventory(tuple(sorted(hosts)), members.template)

    def target_health(self) -> tuple[TargetHealth, ...]:
        """The primary target group as the load balancer sees it."""
        return target_health(self._aws, self.outputs().primary_target_group_arn)

    def register(self, host: str) -> None:
        """Put the host into the primary target group, on the group's own port."""
        self._targets("register_targets", host)

    def deregister(self, host: str) -> None:
        """Take the host out of the primary target group; what it carries may end.

        No matter if it is not there.
        """
        try:
            self._targets("deregister_targets", host)
        except CloudError as error:
            if code_of(error) != _NO_TARGET:
                raise

    def suspend(self, processes: Sequence[str]) -> None:
        """Suspend these processes of the fleet's Auto Scaling group."""
        self._group.suspend(processes)

    def resume(self, processes: Sequence[str]) -> None:
        """Resume these processes of the fleet's Auto Scaling group."""
        self._group.resume(processes)

    def suspended(self) -> frozenset[str]:
        """The processes of the fleet's Auto Scaling group that are suspended now."""
        return self._group.suspended()

    def terminate(self, host: str) -> None:
        """End the host (its name); the group brings another one in its place."""
        self._group.terminate(host)

    def primary_weight(self) -> int | None:
        """The primary group's share of the traffic rule's weights, in percent, rounded."""
        rule, primary = self.outputs().traffic_rule_arn, self.outputs().primary_target_group_arn
        found = self._aws.call("elbv2", "describe_rules", rule, RuleArns=[rule])["Rules"]
        weights = {
            group["TargetGroupArn"]: int(group.get("Weight", 1))
            for action in found[0]["Actions"]
            for group in action.get("ForwardConfig", {}).get("TargetGroups", ())
        }
        total = sum(weights.values())
        return round(100 * weights.get(primary, 0) / total) if total else None

    def get_object(self, key: str) -> bytes | None:
        """An object of the environment's bucket, None when there is none."""
        bucket = self.outputs().bucket
        try:
            found = self._aws.call(
                "s3", "get_object", f"s3://{bucket}/{key}", Bucket=bucket, Key=key
            )
        except CloudError as error:
            if code_of(error) in _NO_OBJECT:
                return None
            raise
        return self._aws.read(found["Body"], "s3:get_object", f"s3://{bucket}/{key}")

    def put_object(self, key: str, data: bytes) -> None:
        """Write an object of the environment's bucket."""
        bucket = self.outputs().bucket
        self._aws.call(
            "s3", "put_object", f"s3://{bucket}/{key}", Bucket=bucket, Key=key, Body=data
        )

    def get_stamped(self, key: str) -> Stamped:
        """An object of the environment's bucket with its version and the server's times."""
        return stamped.read(self._aws, self.outputs().bucket, key)

    def put_if(self, key: str, data: bytes, *, etag: str | None) -> Written:
        """Write an object if it still has this *etag*, or (None) if there is none."""
        return stamped.write(self._aws, self.outputs().bucket, key, data, etag=etag)

    def identity(self) -> str:
        """The ARN by which AWS knows the caller."""
        return str(self._aws.call("sts", "get_caller_identity", "the account")["Arn"])

    def list_objects(self, prefix: str) -> tuple[str, ...]:
        """Keys under *prefix*."""
        bucket = self.outputs().bucket
        where = f"s3://{bucket}/{prefix}"
        pages = self._aws.pages("s3", "list_objects_v2", where, Bucket=bucket, Prefix=prefix)
        return tuple(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def image_digest(self, tag: str) -> str | None:
        """Digest of the environment's image with *tag*, None when it was not pushed."""
        repository = self.outputs().repository_url.split("/", 1)[-1]
        try:
            found = self._aws.call(
                "ecr",
                "describe_images",
                f"{repository}:{tag}",
                repositoryName=repository,
                imageIds=[{"imageTag": tag}],
            )
        except CloudError as error:
            if code_of(error) == "ImageNotFoundException":
                return None
            raise
        return str(found["imageDetails"][0]["imageDigest"])

    def registry_password(self) -> Secret:
        """A token for ``docker login --username AWS``, good for twelve hours."""
        found = self._aws.call("ecr", "get_authorization_token", self.outputs().repository_url)
        token = base64.b64decode(found["authorizationData"][0]["authorizationToken"]).decode()
        return Secret(token.partition(":")[2])

    def publisher_keys(self, key_prefix: str) -> TemporaryKeys:
        """Keys that may write below *key_prefix* of the bucket and nothing else, for an hour."""
        role = self.outputs().publisher_role_arn
        found = self._aws.call(
            "sts",
            "assume_role",
            role,
            RoleArn=role,
            RoleSessionName=f"{self._environment.prefix}-publish"[:64],
            DurationSeconds=3600,
            Policy=_only_below(self.outputs().bucket, key_prefix, partition=role.split(":")[1]),
        )["Credentials"]
        return TemporaryKeys(
            found["AccessKeyId"], Secret(found["SecretAccessKey"]), Secret(found["SessionToken"])
        )

    def get_secret(self, name: str) -> Secret | None:
        """A secret's value, None when it has none yet."""
        try:
            found = self._aws.call("secretsmanager", "get_secret_value", name, SecretId=name)
        except CloudError as error:
            if code_of(error) == "ResourceNotFoundException" and "label" in str(error):
                return None  # the secret is there, a value is not
            raise
        return Secret(found["SecretString"])

    def put_secret(self, name: str, value: Secret) -> None:
        """Write a secret's value."""
        self._aws.call(
            "secretsmanager", "put_secret_value", name, SecretId=name, SecretString=value.reveal()
        )

    def _targets(self, operation: str, host: str) -> None:
        arn = self.outputs().primary_target_group_arn
        targets = [{"Id": host}]
        self._aws.call("elbv2", operation, f"{host} in {arn}", TargetGroupArn=arn, Targets=targets)

    def _instances(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(names), _FILTER_VALUES):
            some = list(names[start : start + _FILTER_VALUES])
            filters = [
                {"Name": "instance-id", "Values": some},
                {"Name": "instance-state-name", "Values": ["running"]},
            ]
            group = self.outputs().asg_name
            for page in self._aws.pages("ec2", "describe_instances", group, Filters=filters):
                for reservation in page["Reservations"]:
                    yield from reservation["Instances"]

    def _host_keys(self) -> dict[str, tuple[str, ...]]:
        root = f"{self._environment.parameter_root}/hosts"
        pages = self._aws.pages("ssm", "get_parameters_by_path", root, Path=root, Recursive=True)
        return {
            entry["Name"].removeprefix(f"{root}/").split("/")[0]: _lines(entry["Value"])
            for page in pages
            for entry in page["Parameters"]
            if entry["Name"].endswith("/host-key")
        }


def _host(
    found: dict[str, Any], keys: dict[str, tuple[str, ...]], versions: dict[str, str]
) -> Host:
    launched = found.get("LaunchTime")
    return Host(
        name=found["InstanceId"],
        address=found["PrivateIpAddress"],
        zone=found["Placement"]["AvailabilityZone"],
        instance_type=found["InstanceType"],
        host_keys=keys.get(found["InstanceId"], ()),
        launched_at=launched.isoformat() if launched else "",
        template=versions[found["InstanceId"]],
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _only_below(bucket: str, prefix: str, *, partition: str) -> str:
    """A session policy: read and write below *prefix*, through the bucket's key if it has one."""
    arn = f"arn:{partition}:s3:::{bucket}"
    objects = ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"]
    statements = [
        {"Effect": "Allow", "Action": objects, "Resource": f"{arn}/{prefix.rstrip('/')}/*"},
        {
            "Effect": "Allow",
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": "*",
            "Condition": {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}},
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
