"""What moto held of a way out when the program was through."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from provision.config.environment import Environment
from provision.facts.outputs import Outputs


@dataclass(frozen=True)
class Away:
    """Gateway, switch and tables, as AWS's own calls describe them."""

    service: dict[str, Any]
    task: dict[str, Any]
    names: list[str]
    tables: dict[str, dict[str, Any]]
    function: dict[str, Any]
    code: dict[str, Any]
    calls: dict[str, Any]
    callers: list[dict[str, Any]]
    ticks: list[dict[str, Any]]
    targets: list[dict[str, Any]]
    alarms: dict[str, dict[str, Any]]
    retention: dict[str, int]


def look(environment: Environment, outputs: Outputs, client: Callable[[str], Any]) -> Away | None:
    """None where there is no way out."""
    known = outputs.fallback
    if known is None:
        return None
    ecs, functions, events = client("ecs"), client("lambda"), client("events")
    (service,) = ecs.describe_services(
        cluster=known.gateway_cluster, services=[known.gateway_service]
    )["services"]
    function = functions.get_function(FunctionName=known.switch_function)
    policy = json.loads(functions.get_policy(FunctionName=known.switch_function)["Policy"])
    (rule,) = events.list_rules(NamePrefix=known.switch_function)["Rules"]
    groups = client("logs").describe_log_groups()["logGroups"]
    return Away(
        service=service,
        task=ecs.describe_task_definition(taskDefinition=known.gateway_family)["taskDefinition"],
        names=_names(client("servicediscovery")),
        tables=_tables(environment, client("dynamodb")),
        function=function["Configuration"],
        code=function["Code"],
        calls=functions.get_function_event_invoke_config(FunctionName=known.switch_function),
        callers=policy["Statement"],
        ticks=[rule],
        targets=events.list_targets_by_rule(Rule=rule["Name"])["Targets"],
        alarms={a["AlarmName"]: a for a in client("cloudwatch").describe_alarms()["MetricAlarms"]},
        retention={group["logGroupName"]: group["retentionInDays"] for group in groups},
    )


def _names(discovery: Any) -> list[str]:
    """Full names inside the network."""
    zones = {zone["Id"]: zone["Name"] for zone in discovery.list_namespaces()["Namespaces"]}
    found = []
    for each in discovery.list_services()["Services"]:
        service = discovery.get_service(Id=each["Id"])["Service"]
        found.append(f"{service['Name']}.{zones[service['DnsConfig']['NamespaceId']]}")
    return found


def _tables(environment: Environment, dynamodb: Any) -> dict[str, dict[str, Any]]:
    found = {}
    for name in dynamodb.list_tables()["TableNames"]:
        table = dynamodb.describe_table(TableName=name)["Table"]
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        found[name.removeprefix(f"{environment.prefix}-")] = {**table, "ttl": ttl}
    return found
