"""What everything else in an environment stands on, and the doors through which traffic comes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pulumi
from pulumi import InvokeOutputOptions, Output, ResourceOptions
from pulumi_aws.get_caller_identity import get_caller_identity_output
from pulumi_aws.provider import Provider

from infra.encryption import Encryption, EncryptionArgs
from infra.endpoints import Endpoints, EndpointsArgs
from infra.firewall import Firewall, FirewallArgs
from infra.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.names import common_tags, log_group_name, metric_namespace
from infra.network import Network, NetworkArgs
from infra.policies import Scope
from infra.registry import Registry, RegistryArgs
from infra.secret_store import SecretStore, SecretStoreArgs
from infra.storage import Storage, StorageArgs
from provision.commands.first_boot import set_up_script
from provision.config.environment import Environment
from provision.render.bundle import host_bundle
from provision.render.user_data import render_user_data


@dataclass(frozen=True)
class Ground:
    """Whose account it is, and what is kept there."""

    environment: Environment
    account_id: Output[str]
    options: ResourceOptions
    storage: Storage
    registry: Registry
    secrets: SecretStore
    cache_key_arn: Output[str]
    alarm_key_arn: Output[str]

    def arn(self, service: str, resource: str) -> Output[str]:
        """ARN of a *resource* of this account and region, by its name alone."""
        region = self.environment.region
        return Output.concat(f"arn:aws:{service}:{region}:", self.account_id, f":{resource}")


@dataclass(frozen=True)
class Doors:
    """Where traffic comes in, and how hosts get out."""

    network: Network
    firewall: Firewall
    balancer: LoadBalancer
    ways_out: tuple[pulumi.Resource, ...]


def provider_of(environment: Environment) -> Provider:
    """How Pulumi reaches AWS for *environment*."""
    return Provider(
        "aws",
        region=environment.region,
        profile=environment.aws.profile,
        default_tags={"tags": common_tags(environment)},
    )


def ground_of(environment: Environment, provider: Provider) -> Ground:
    """Declare what is kept: key, bucket, registry, secrets."""
    options = ResourceOptions(providers=[provider])
    caller = get_caller_identity_output(opts=InvokeOutputOptions(provider=provider))
    account_id = caller.account_id
    own_key = Encryption("encryption", EncryptionArgs(environment, account_id), options).key_arn
    given_key = environment.model_cache.kms_key_arn
    return Ground(
        environment=environment,
        account_id=account_id,
        options=options,
        storage=Storage("storage", StorageArgs(environment, account_id, host_bundle()), options),
        registry=Registry("registry", RegistryArgs(environment), options),
        secrets=SecretStore("secrets", SecretStoreArgs(environment), options),
        cache_key_arn=Output.from_input(given_key) if given_key else own_key,
        alarm_key_arn=own_key,
    )


def doors_of(ground: Ground) -> Doors:
    """Declare network, firewall and load balancer."""
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
    return Doors(network, firewall, balancer, tuple(ways_out))


def scope_of(ground: Ground, doors: Doors) -> Output[Scope]:
    """The environment's resources, for the policies of those who work on them."""
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


def user_data_of(ground: Ground, doors: Doors) -> Output[str]:
    """What a host runs when it boots for the first time."""
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
