"""One environment, declared: which components there are and what each hands to the next."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pulumi
from pulumi_aws.provider import Provider

from infra.alarms import switch_alarms
from infra.at_home import require_at_home
from infra.budget import Budget, BudgetArgs
from infra.collect import collect
from infra.fleet import Fleet, FleetArgs
from infra.ground import Doors, Ground, doors_of, ground_of, provider_of, scope_of, user_data_of
from infra.guards import check
from infra.identity import Identity, IdentityArgs
from infra.model_cache import ModelCache, ModelCacheArgs
from infra.observability import Observability, ObservabilityArgs
from infra.outputs import Published, PublishedArgs, estimate_text, outputs_text
from infra.way_out import WayOut, way_out
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.catalog.regions import require_sold
from provision.config.environment import Environment
from provision.planning.cost.budget import require_within
from provision.planning.cost.invoice import invoice
from provision.planning.cost.money import text
from provision.planning.cost.month import Month, weights_gb
from provision.planning.cost.usage import Usage, of


def declare(
    environment: Environment,
    *,
    public_key: str,
    prices: Path | None = None,
    during_fallback: bool = False,
) -> dict[str, pulumi.Input[Any]]:
    """Declare every resource of *environment*; the outputs that tasks will read.

    *public_key* is the operator's, in OpenSSH's form; *prices* the project's own folder of them.
    Raises Refused before the first resource when a guard objects, when a month is estimated above
    ``budget.max_monthly_usd``, or, unless *during_fallback*, when the traffic is away.
    """
    check(environment)
    # Pulumi carries out what was registered even when the program fails later: so the bill first.
    book = load(folder=prices if prices and prices.is_dir() else None)
    bill = invoice(month(environment, book, of(environment.usage)))
    limit = environment.budget.max_monthly_usd
    require_within(
        bill, None if limit is None else Decimal(str(limit)), said="budget.max_monthly_usd"
    )
    provider = provider_of(environment)
    if not during_fallback:
        require_at_home(environment, provider)
    outputs = _everything(environment, provider, book, public_key, estimate_text(bill))
    return {**outputs, "estimated_monthly_usd": text(bill.total)}


def month(environment: Environment, book: PriceBook, usage: Usage) -> Month:
    """All that :func:`declare` would declare, ready to be priced; nothing is asked or made.

    Raises CatalogError for an instance type that the region does not sell.
    """
    require_sold(environment.fleet.instance_type, environment.region)
    found = collect(
        lambda: _everything(
            environment, provider_of(environment), book, "ssh-ed25519 AAAA estimate", "{}"
        ),
        region=environment.region,
        stack=environment.name,
    )
    return Month(environment, usage, book, found, usage.weights_gb or weights_gb(environment))


def _everything(
    environment: Environment, provider: Provider, book: PriceBook, public_key: str, estimated: str
) -> dict[str, pulumi.Input[Any]]:
    ground = ground_of(environment, provider)
    doors = doors_of(ground)
    scope = scope_of(ground, doors)
    identity = Identity("identity", IdentityArgs(environment, scope), ground.options)
    ModelCache("model-cache", ModelCacheArgs(environment, scope), ground.options)
    fleet = Fleet(
        "fleet",
        FleetArgs(
            environment,
            subnet_ids=doors.network.host_subnet_ids,
            security_group_id=doors.firewall.host_group_id,
            instance_profile_arn=identity.instance_profile_arn,
            target_group_arn=doors.balancer.primary.arn,
            public_key=public_key,
            user_data=user_data_of(ground, doors),
            reached_at_boot=[*doors.ways_out, ground.storage, identity],
        ),
        ground.options,
    )
    out = None
    if environment.fallback.exists:
        alarms = {
            role.value: [alarm.name for alarm in some]
            for role, some in switch_alarms(environment).items()
        }
        out = way_out(ground, doors, fleet, book=book, alarms=alarms)
    watch = _observability(ground, doors, fleet, out)
    if environment.budget.max_monthly_usd is not None:
        told = BudgetArgs(environment, ground.account_id, watch.topic_arn)
        Budget("budget", told, ground.options)
    outputs = _outputs(ground, doors, identity, fleet, watch)
    fallback = out.outputs if out else None
    Published(
        "outputs",
        PublishedArgs(
            environment, outputs_text(outputs, fallback), ground.storage.bucket, estimated
        ),
        ground.options,
    )
    return {**outputs, **({"fallback": fallback} if fallback else {})}


def _observability(ground: Ground, doors: Doors, fleet: Fleet, out: WayOut | None) -> Observability:
    return Observability(
        "observability",
        ObservabilityArgs(
            ground.environment,
            key_arn=ground.alarm_key_arn,
            load_balancer_suffix=doors.balancer.arn_suffix,
            primary_suffix=doors.balancer.primary.arn_suffix,
            fallback_suffix=doors.balancer.fallback.arn_suffix,
            asg_name=fleet.asg_name,
            switch_arn=out.switch_arn if out else None,
        ),
        ground.options,
    )


def _outputs(
    ground: Ground, doors: Doors, identity: Identity, fleet: Fleet, watch: Observability
) -> dict[str, pulumi.Input[str]]:
    balancer, secrets = doors.balancer, ground.secrets
    return {
        "environment": ground.environment.name,
        "region": ground.environment.region,
        "account_id": ground.account_id,
        "vpc_id": doors.network.vpc_id,
        "endpoint": balancer.endpoint,
        "load_balancer_arn": balancer.arn,
        "listener_arn": balancer.listener.arn,
        "traffic_rule_arn": balancer.traffic_rule.arn,
        "probe_rule_arn": balancer.probe_rule.arn,
        "primary_target_group_arn": balancer.primary.arn,
        "fallback_target_group_arn": balancer.fallback.arn,
        "asg_name": fleet.asg_name,
        "bucket": ground.storage.bucket,
        "repository_url": ground.registry.url,
        "host_role_arn": identity.host_role_arn,
        "publisher_role_arn": identity.publisher_role_arn,
        "client_keys_secret": secrets.client_keys.name,
        "probe_key_secret": secrets.probe_key.name,
        "hub_token_secret": secrets.hub_token.name,
        "log_group": watch.log_group,
    }
