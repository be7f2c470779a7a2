"""What the switch may do, statement by statement: docs/fallback-switch.md lists the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.policies import Document, allow, document

_INTERFACES = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]


@dataclass(frozen=True, slots=True)
class Reach:
    """The resources that the switch works on, by ARN; *inside* the VPC it needs interfaces."""

    function: str
    traffic_rule: str
    intent: str
    hints: str
    topic: str
    topic_key: str
    spend_table: str
    probe_key: str
    group: str
    log_group: str
    inside: bool


def switch_policy(reach: Reach) -> Document:
    """Move one rule, remember, tell, and keep one group from shrinking."""
    return document(
        [
            allow("MoveTraffic", ["elasticloadbalancing:ModifyRule"], [reach.traffic_rule]),
            allow(
                "Look",
                [
                    "autoscaling:DescribeAutoScalingGroups",
                    "cloudwatch:DescribeAlarms",
                    "elasticloadbalancing:DescribeRules",
                    "elasticloadbalancing:DescribeTargetHealth",
                ],
                ["*"],
            ),
            allow("ReadNotes", ["ssm:GetParameters"], [reach.intent, reach.hints]),
            allow("Remember", ["ssm:PutParameter"], [reach.hints]),
            allow("Tell", ["sns:Publish"], [reach.topic]),
            allow("TellUnderKey", ["kms:Decrypt", "kms:GenerateDataKey"], [reach.topic_key]),
            allow("ReadSpend", ["dynamodb:GetItem"], [reach.spend_table]),
            allow("Ask", ["secretsmanager:GetSecretValue"], [reach.probe_key]),
            allow(
                "KeepHosts",
                ["autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses"],
                [reach.group],
            ),
            allow(
                "Logs",
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                [f"{reach.log_group}:*"],
            ),
            *_interfaces(reach),
        ]
    )


def _interfaces(reach: Reach) -> Iterator[Document]:
    """Lambda makes its interfaces with the function's rights, and names no resource when it checks
    them; the function's own code is denied the same."""
    if reach.inside:
        yield allow("Interfaces", _INTERFACES, ["*"])
        own = {"ArnEquals": {"lambda:SourceFunctionArn": [reach.function]}}
        yield {**allow("NotItsOwnCode", _INTERFACES, ["*"], own), "Effect": "Deny"}
