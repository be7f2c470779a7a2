"""One environment, declared: which components there are and what each hands to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pulumi
from pulumi import InvokeOutputOptions, Output, ResourceOptions
from pulumi_aws.get_caller_identity import get_caller_identity_output
from pulumi_aws.provider import Provider

from infra.budget import Budget, BudgetArgs
from infra.collect import collect
from infra.encryption import Encryption, EncryptionArgs
from infra.endpoints import Endpoints, EndpointsArgs
from infra.firewall import Firewall, FirewallArgs
from infra.fleet import Fleet, FleetArgs
from infra.guards import check
from infra.identity import Identity, IdentityArgs
from infra.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.model_cache import ModelCache, ModelCacheArgs
from infra.names import common_tags, log_group_name, metric_namespace
from infra.network import Network, NetworkArgs
from infra.observability import Observability, ObservabilityArgs
from infra.outputs import Published, PublishedArgs, estimate_text, outputs_text
from infra.policies import Scope
from infra.registry import Registry, RegistryArgs
from infra.secret_store import SecretStore, SecretStoreArgs
from infra.storage import Storage, StorageArgs
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.catalog.regions import require_sold
from provision.commands.first_boot import set_up_script
from provision.config.environment import Environment
from provision.planning.cost.budget import require_within
from provision.planning.cost.invoice import invoice
from provision.planning.cost.money import text
from provision.planning.cost.month import Month, weights_gb
from provision.planning.cost.usage import Usage, of
from provision.render.bundle import host_bundle
from provision.render.user_data import render_user_data


@dataclass(frozen=True)
class _Ground:
    """What everything else stands on."""

    environment: Environment
    account_id: Output[str]
    options: ResourceOptions
    storage: Storage
    registry: Registry
    secrets: SecretStore
    cache_key_arn: Output[str]
    alarm_key_arn: Output[str]


@dataclass(frozen=True)
class _Doors:
    """Where traffic comes in, and how hosts get out."""

    network: Network
    firewall: Firewall
    balancer: LoadBalancer
    ways_out: tuple[pulumi.Resource, ...]


def declare(
    environment: Environment, *, public_key: str, prices: Path | None = None
) -> dict[str, pulumi.Input[str]]:
    """Declare every resource of *environment*; the outputs that tasks will read.

    *public_key* is the operator's, in OpenSSH's form; *prices* the project's own folder of them.
    Raises Refused before the first resource when a guard objects, or when a month is estimated
    above ``budget.max_monthly_usd``.
    """
    check(environment)
    # Pulumi carries out what was registered even when the program fails later: so the bill first.
    bill = invoice(
        month(
            environment,
            load(folder=prices if prices and prices.is_dir() else None),
            of(environment.usage),
        )
    )
    limit = environment.budget.max_monthly_usd
    require_within(
        bill, None if limit is None else Decimal(str(limit)), said="budget.max_monthly_usd"
    )
    outputs = _everything(environment, public_key, estimate_text(bill))
    return {**outputs, "estimated_monthly_usd": text(bill.total)}


def month(environment: Environment, book: PriceBook, usage: Usage) -> Month:
    """All that :func:`declare` would declare, ready to be priced; nothing is asked or made.

    Raises CatalogError for an instance type that the region does not sell.
    """
    require_sold(environment.fleet.instance_type, environment.region)
    found = collect(
        lambda: _everything(environment, "ssh-ed25519 AAAA estimate", "{}"),
        region=environment.region,
        stack=environment.name,
    )
    return Month(environment, usage, book, found, usage.weights_gb or weights_gb(environment))


def _everything(
    environment: Environment, public_key: str, estimated: str
) -> dict[str, pulumi.Input[str]]:
    ground = _ground(environment)
    doors = _doors(ground)
    scope = _scope(ground, doors)
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
            user_data=_user_data(ground, doors),
            reached_at_boot=[*doors.ways_out, ground.storage, identity],
        ),
        ground.options,
    )
    watch = _observability(ground, doors, fleet)
    if environment.budget.max_monthly_usd is not None:
        told = BudgetArgs(environment, ground.account_id, watch.topic_arn)
        Budget("budget", told, ground.options)
    outputs = _outputs(ground, doors, identity, fleet, watch)
    Published(
        "outputs",
        PublishedArgs(environment, outputs_text(outputs), ground.storage.bucket, estimated),
        ground.options,
    )
    return outputs


def _ground(environment: Environment) -> _Ground:
    provider = Provider(
        "aws",
        region=environment.region,
        profile=environment.aws.profile,
        default_tags={"tags": common_tags(environment)},
    )
    options = ResourceOptions(providers=[provider])
    caller = get_caller_identity_output(opts=InvokeOutputOptions(provider=provider))
    account_id = caller.account_id
    own_key = Encryption("encryption", EncryptionArgs(environment, account_id), options).key_arn
    given_key = environment.model_cache.kms_key_arn
    return _Ground(
        environment=environment,
        account_id=account_id,
        options=options,
        storage=Storage("storage", StorageArgs(environment, account_id, host_bundle()), options),
        registry=Registry("registry", RegistryArgs(environment), options),
        secrets=SecretStore("secrets", SecretStoreArgs(environment), options),
        cache_key_arn=Output.from_input(given_key) if given_key else own_key,
        alarm_key_arn=own_key,
    )


def _doors(ground: _Ground) -> _Doors:
    environment = ground.environment
    network = Network("network", NetworkArgs(environment), ground.options)
    firewall = Firewall(
        "firewall", FirewallArgs(environment, network.vpc_id, network.cidr), ground.options
    )
    ways_out: list[pulumi.Resource] = [network, firewall]
    if firewall.endpoint_group_id is not None:
        endpoints = EndpointsArgs(
            environment, network.vpc_id, network.host_subnet_ids, firewall.endpoint_group_id
        )
        ways_out.append(Endpoints("endpoints", endpoints, ground.options))
    balancer = LoadBalancer(
        "load-balancer",
        LoadBalancerArgs(
            environment,
            network.vpc_id,
            network.load_balancer_subnet_ids,
            firewall.load_balancer_group_id,
        ),
        ground.options,
    )
    return _Doors(network, firewall, balancer, tuple(ways_out))


def _scope(ground: _Ground, doors: _Doors) -> Output[Scope]:
    environment = ground.environment

    def scope(
        account_id: str, bucket: str, repository: str, key: str, targets: str, *secrets: str
    ) -> Scope:
        return Scope(
            environment=environment.name,
            region=environment.region,
            account_id=account_id,
            bucket_arn=bucket,
            repository_arn=repository,
            parameter_root=environment.parameter_root,
            asg_name=environment.prefix,
            log_group=log_group_name(environment),
            metric_namespace=metric_namespace(environment),
            secret_arns=secrets,
            cache_key_arn=key,
            target_group_arn=targets,
        )

    return Output.all(
        ground.account_id,
        ground.storage.bucket_arn,
        ground.registry.arn,
        ground.cache_key_arn,
        doors.balancer.primary.arn,
        *ground.secrets.arns,
    ).apply(lambda known: scope(*known))


def _user_data(ground: _Ground, doors: _Doors) -> Output[str]:
    environment, storage = ground.environment, ground.storage

    def text(bucket: str, repository_url: str, key_arn: str, targets: str) -> str:
        cache = replace(environment.model_cache, kms_key_arn=key_arn)
        return render_user_data(
            replace(environment, model_cache=cache),
            bucket=bucket,
            repository_url=repository_url,
            target_group_arn=targets,
            bundle_key=storage.bundle_key,
            bundle_sha256=storage.bundle_sha256,
            set_up=set_up_script(environment.toolkit),
        )

    return Output.all(
        storage.bucket,
        ground.registry.url,
        ground.cache_key_arn,
        doors.balancer.primary.arn,
    ).apply(lambda known: text(*known))


def _observability(ground: _Ground, doors: _Doors, fleet: Fleet) -> Observability:
    return Observability(
        "observability",
        ObservabilityArgs(
            ground.environment,
            key_arn=ground.alarm_key_arn,
            load_balancer_suffix=doors.balancer.arn_suffix,
            primary_suffix=doors.balancer.primary.arn_suffix,
            fallback_suffix=doors.balancer.fallback.arn_suffix,
            asg_name=fleet.asg_name,
        ),
        ground.options,
    )


def _outputs(
    ground: _Ground, doors: _Doors, identity: Identity, fleet: Fleet, watch: Observability
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
