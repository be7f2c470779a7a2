"""IAM policies as values: who may do what, to which resource. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.names import CACHE_TAG

Document = dict[str, Any]

PUBLISHER_WRITES = ("releases", "weights", "benchmarks")


@dataclass(frozen=True, slots=True)
class Scope:
    """The resources of one environment, by name and ARN."""

    environment: str
    region: str
    account_id: str
    bucket_arn: str
    repository_arn: str
    parameter_root: str
    asg_name: str
    log_group: str
    metric_namespace: str
    secret_arns: tuple[str, ...]
    cache_key_arn: str
    target_group_arn: str

    def arn(self, service: str, resource: str) -> str:
        """ARN of a *resource* of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"


def trust_service(service: str) -> Document:
    """Let an AWS *service* take the role."""
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
            }
        ]
    )


def trust_account(account_id: str) -> Document:
    """Let principals of the account take the role, if their own policies let them too."""
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
                "Action": "sts:AssumeRole",
            }
        ]
    )


def publisher_policy(scope: Scope) -> Document:
    """What an operator who publishes may do: write weights, releases and benchmarks."""
    objects = [f"{scope.bucket_arn}/{prefix}/*" for prefix in PUBLISHER_WRITES]
    actions = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ]
    return document([allow("Publish", actions, objects), list_bucket(scope)])


def bucket_policy(bucket_arn: str) -> Document:
    """Nobody, with any right, without TLS."""
    return document(
        [
            {
                "Sid": "OnlyTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket_arn, f"{bucket_arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    )


def key_policy(account_id: str, *, budget: bool = False) -> Document:
    """The account governs the key through IAM; alarms may use it to publish, and a *budget*.

    In a key's policy ``*`` means this key: there is no other way to say it.
    """
    use = ["kms:Decrypt", "kms:GenerateDataKey*"]
    account = {
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    alarms = _service("AlarmsPublish", "cloudwatch", use, "*", account_id=account_id)
    budgets = _service("BudgetsPublish", "budgets", use, "*", account_id=account_id)
    return document([account, alarms, *([budgets] if budget else [])])


def topic_policy(topic_arn: str, *, account_id: str, region: str, prefix: str) -> Document:
    """The environment's alarms and the account's budgets may publish to its topic.

    A topic's policy replaces the one that it was born with, and with it the alarms' right.
    """
    publish = ["sns:Publish"]
    alarms = f"arn:aws:cloudwatch:{region}:{account_id}:alarm:{prefix}-*"
    budgets = f"arn:aws:budgets::{account_id}:*"
    return document(
        [
            _service(
                *("AlarmsPublish", "cloudwatch", publish, topic_arn),
                account_id=account_id,
                source=alarms,
            ),
            _service(
                *("BudgetsPublish", "budgets", publish, topic_arn),
                account_id=account_id,
                source=budgets,
            ),
        ]
    )


def snapshot_policy(scope: Scope) -> Document:
    """What the snapshot schedule may do: snapshots of our cache volumes, and their removal."""
    ours = {f"aws:ResourceTag/{CACHE_TAG}": scope.environment}
    volumes, snapshots = ec2_arn(scope, "volume/*"), snapshot_arn(scope)
    return document(
        [
            allow("Look", ["ec2:DescribeVolumes", "ec2:DescribeSnapshots"], ["*"]),
            allow("SnapshotVolumes", ["ec2:CreateSnapshot"], [volumes], {"StringEquals": ours}),
            allow("MakeSnapshots", ["ec2:CreateSnapshot"], [snapshots]),
            allow("DropSnapshots", ["ec2:DeleteSnapshot"], [snapshots], {"StringEquals": ours}),
            allow(
                "TagSnapshots",
                ["ec2:CreateTags"],
                [snapshots],
                {"StringEquals": {"ec2:CreateAction": "CreateSnapshot"}},
            ),
        ]
    )


def _service(
    sid: str,
    name: str,
    actions: list[str],
    resource: str,
    *,
    account_id: str,
    source: str = "",
) -> Document:
    """Let a *service* of AWS do it, on behalf of this account only."""
    condition: Document = {"StringEquals": {"aws:SourceAccount": account_id}}
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": f"{name}.amazonaws.com"},
        "Action": actions,
        "Resource": resource,
        "Condition": {**condition, **({"ArnLike": {"aws:SourceArn": source}} if source else {})},
    }


def list_bucket(scope: Scope) -> Document:
    """See names in the bucket: without it a missing object is "access denied", not "not found".

    A condition on the prefix would bring that back, since reading an object carries no prefix.
    """
    return allow("List", ["s3:ListBucket"], [scope.bucket_arn])


def ec2_arn(scope: Scope, resource: str) -> str:
    """ARN of a *resource* of EC2, in this account and region."""
    return scope.arn("ec2", resource)


def snapshot_arn(scope: Scope) -> str:
    """Snapshots are the one resource of EC2 whose ARN names no account."""
    return f"arn:aws:ec2:{scope.region}::snapshot/*"


def allow(
    sid: str,
    actions: list[str],
    resources: list[str],
    condition: dict[str, Any] | None = None,
) -> Document:
    """One statement of a policy."""
    statement: Document = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": resources,
    }
    return {**statement, "Condition": condition} if condition else statement


def document(statements: list[Document]) -> Document:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": statements}
