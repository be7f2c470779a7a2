"""The gateways' counter of what hosted APIs cost."""

from __future__ import annotations

from provision.config.environment import Environment
from provision.connectors.ami import Calls
from provision.connectors.aws_client import AwsClients
from provision.facts.spend import HostedSpend, key, parse
from provision.render.gateway import spend_table


def read_spend(environment: Environment, day: str, *, aws: Calls | None = None) -> HostedSpend:
    """What was spent on *day* (``2026-11-21``, UTC) and in its month. Raises CloudError."""
    aws = aws or AwsClients(environment)
    table = spend_table(environment)
    answer = aws.call(
        "dynamodb", "get_item", table, TableName=table, Key=key(day), ConsistentRead=True
    )
    return parse(answer.get("Item", {}), day)
