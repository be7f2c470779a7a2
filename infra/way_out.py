"""The way out, put together: tables, gateway, switch, and what tasks must know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi import Output

from infra.fallback_firewall import FallbackFirewall, FallbackFirewallArgs
from infra.fleet import Fleet
from infra.gateway import Gateway, GatewayArgs
from infra.ground import Doors, Ground
from infra.names import alarm_name, switch_log_group, switch_name, topic_name
from infra.switch import Switch, SwitchArgs
from infra.switch_rights import Reach
from infra.tables import Tables, TablesArgs
from provision.catalog.models import model
from provision.catalog.prices.book import PriceBook
from provision.render.gateway import gateway_document, spend_table
from provision.render.switch import HINTS, INTENT, Found, switch_bundle, switch_document


@dataclass(frozen=True)
class WayOut:
    """What was made, and what the outputs say of it."""

    switch_arn: Output[str]
    outputs: Mapping[str, pulumi.Input[str]]


def way_out(
    ground: Ground,
    doors: Doors,
    fleet: Fleet,
    *,
    book: PriceBook,
    alarms: Mapping[str, Sequence[str]],
) -> WayOut:
    """Declare it. *book* has what hosted tokens cost, *alarms* the switch's, by role.

    Raises CatalogError for a model that the catalogue lacks, ConfigError for a provider whose
    price nobody knows.
    """
    environment = ground.environment
    firewall = _firewall(ground, doors)
    Tables("tables", TablesArgs(environment), ground.options)
    gateway = _gateway(ground, doors, firewall, book)
    switch = _switch(ground, doors, fleet, firewall, alarms)
    root = environment.parameter_root
    outputs: dict[str, pulumi.Input[str]] = {
        "switch_function": switch.function_name,
        "switch_log_group": switch.log_group,
        "intent_parameter": f"{root}/{INTENT}",
        "hints_parameter": f"{root}/{HINTS}",
        "spend_table": spend_table(environment),
        "gateway_cluster": gateway.cluster,
        "gateway_service": gateway.service,
        "gateway_family": gateway.family,
        "gateway_log_group": gateway.log_group,
    }
    return WayOut(switch.function_arn, outputs)


def _firewall(ground: Ground, doors: Doors) -> FallbackFirewall:
    network, firewall = doors.network, doors.firewall
    return FallbackFirewall(
        "fallback-firewall",
        FallbackFirewallArgs(
            ground.environment,
            vpc_id=network.vpc_id,
            vpc_cidr=network.cidr,
            load_balancer_group_id=firewall.load_balancer_group_id,
            host_group_id=firewall.host_group_id,
            endpoint_group_id=firewall.endpoint_group_id,
            nat_address=network.nat_address,
        ),
        ground.options,
    )


def _gateway(ground: Ground, doors: Doors, firewall: FallbackFirewall, book: PriceBook) -> Gateway:
    environment = ground.environment
    return Gateway(
        "gateway",
        GatewayArgs(
            environment,
            account_id=ground.account_id,
            vpc_id=doors.network.vpc_id,
            subnet_ids=doors.network.private_subnet_ids,
            security_group_id=firewall.gateway_group_id,
            target_group_arn=doors.balancer.fallback.arn,
            repository_url=ground.registry.url,
            repository_arn=ground.registry.arn,
            document=gateway_document(environment, model=model(environment.model.name), book=book),
            reached_through=doors.balancer.traffic_rule,
        ),
        ground.options,
    )


def _switch(
    ground: Ground,
    doors: Doors,
    fleet: Fleet,
    firewall: FallbackFirewall,
    alarms: Mapping[str, Sequence[str]],
) -> Switch:
    environment = ground.environment
    group = firewall.switch_group_id
    callers = {name: alarm_name(environment, name) for some in alarms.values() for name in some}
    return Switch(
        "switch",
        SwitchArgs(
            environment,
            account_id=ground.account_id,
            bucket=ground.storage.bucket,
            bundle=switch_bundle(),
            document=_document(ground, doors, fleet, alarms),
            reach=_reach(ground, doors, fleet, inside=group is not None),
            callers={
                name: ground.arn("cloudwatch", f"alarm:{full}") for name, full in callers.items()
            },
            inside=None if group is None else (doors.network.private_subnet_ids, group),
        ),
        ground.options,
    )


def _document(
    ground: Ground, doors: Doors, fleet: Fleet, alarms: Mapping[str, Sequence[str]]
) -> Output[str]:
    environment, balancer = ground.environment, doors.balancer
    names = {
        role: [alarm_name(environment, name) for name in some] for role, some in alarms.items()
    }
    return Output.all(
        endpoint=balancer.endpoint,
        traffic_rule_arn=balancer.traffic_rule.arn,
        primary_target_group_arn=balancer.primary.arn,
        fallback_target_group_arn=balancer.fallback.arn,
        probe_key_secret=ground.secrets.probe_key.name,
        topic_arn=ground.arn("sns", topic_name(environment)),
        asg_name=fleet.asg_name,
    ).apply(
        lambda known: switch_document(
            environment, Found(**known), model=model(environment.model.name), alarms=names
        )
    )


def _reach(ground: Ground, doors: Doors, fleet: Fleet, *, inside: bool) -> Output[Reach]:
    """ARNs by name where the resource stands behind the switch in the program."""
    environment, arn = ground.environment, ground.arn
    root = environment.parameter_root
    return Output.all(
        function=arn("lambda", f"function:{switch_name(environment)}"),
        traffic_rule=doors.balancer.traffic_rule.arn,
        intent=arn("ssm", f"parameter{root}/{INTENT}"),
        hints=arn("ssm", f"parameter{root}/{HINTS}"),
        topic=arn("sns", topic_name(environment)),
        topic_key=ground.alarm_key_arn,
        spend_table=arn("dynamodb", f"table/{spend_table(environment)}"),
        probe_key=ground.secrets.probe_key.arn,
        group=fleet.asg_arn,
        log_group=arn("logs", f"log-group:{switch_log_group(environment)}"),
    ).apply(lambda known: Reach(**known, inside=inside))
