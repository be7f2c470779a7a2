"""The host program may do all that it does: its calls to AWS against its role's policy."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import botocore.session
from botocore import xform_name

from tests.infra.scenes import ROOT, scene

SERVICES = (
    "autoscaling",
    "cloudwatch",
    "ec2",
    "ecr",
    "elbv2",
    "logs",
    "s3",
    "secretsmanager",
    "ssm",
)

# A call of the host program -> the right that it needs. With the publisher's keys, not the role's:
# put_object.
RIGHTS = {
    "attach_volume": "ec2:AttachVolume",
    "complete_lifecycle_action": "autoscaling:CompleteLifecycleAction",
    "create_volume": "ec2:CreateVolume",
    "deregister_targets": "elasticloadbalancing:DeregisterTargets",
    "describe_snapshots": "ec2:DescribeSnapshots",
    "describe_volumes": "ec2:DescribeVolumes",
    "get_authorization_token": "ecr:GetAuthorizationToken",
    "get_object": "s3:GetObject",
    "get_parameter": "ssm:GetParameter",
    "get_secret_value": "secretsmanager:GetSecretValue",
    "head_object": "s3:GetObject",
    "list_objects": "s3:ListBucket",
    "list_objects_v2": "s3:ListBucket",
    "put_metric_data": "cloudwatch:PutMetricData",
    "put_parameter": "ssm:PutParameter",
    "register_targets": "elasticloadbalancing:RegisterTargets",
    "set_instance_health": "autoscaling:SetInstanceHealth",
}
PUBLISHERS = {"put_object": "s3:PutObject"}


def test_every_call_of_the_host_program_has_its_right() -> None:
    """A call that is added to the program needs a line here, and its right in the policy."""
    called = set(_names()) & _operations()
    assert called <= set(RIGHTS) | set(PUBLISHERS)
    assert {RIGHTS[name] for name in called & set(RIGHTS)} <= _actions("identity-host")
    assert set(PUBLISHERS.values()) <= _actions("identity-publisher")


def test_the_scan_sees_calls() -> None:
    """It would be blind if it did not find those that certainly are there."""
    assert {"attach_volume", "get_secret_value", "put_parameter"} <= set(_names())


def _names() -> Iterator[str]:
    """Names of methods and words in quotes: calls are made in both ways."""
    for path in sorted((ROOT / "provision" / "agent").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def _operations() -> set[str]:
    session = botocore.session.get_session()
    return {
        xform_name(operation)
        for service in SERVICES
        for operation in session.get_service_model(service).operation_names
    }


def _actions(policy: str) -> set[str]:
    return {a for name, s in scene("prod").policies() if name == policy for a in s["Action"]}
