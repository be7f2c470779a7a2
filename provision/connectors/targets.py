"""A target group as the load balancer sees it."""

from __future__ import annotations

from provision.connectors.aws_client import AwsClients
from provision.connectors.protocols import TargetHealth


def target_health(aws: AwsClients, group: str) -> tuple[TargetHealth, ...]:
    """Each target of *group* (an ARN) by its id: a host's, or a task's address.

    Raises CloudError.
    """
    found = aws.call("elbv2", "describe_target_health", group, TargetGroupArn=group)
    return tuple(
        TargetHealth(
            entry["Target"]["Id"],
            entry["TargetHealth"]["State"],
            entry["TargetHealth"].get("Description", ""),
        )
        for entry in found["TargetHealthDescriptions"]
    )
