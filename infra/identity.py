"""Identities: the role of the hosts, and the role of whoever publishes releases."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws.iam as iam
from pulumi import Output, ResourceOptions

from infra.host_policy import host_policy
from infra.policies import Scope, publisher_policy, trust_account, trust_service
from provision.config.environment import Environment


@dataclass(frozen=True)
class IdentityArgs:
    """What the roles are for."""

    environment: Environment
    scope: Output[Scope]


class Identity(pulumi.ComponentResource):
    """Hosts read, publishers write; nobody else does either."""

    host_role_arn: Output[str]
    instance_profile_arn: Output[str]
    publisher_role_arn: Output[str]

    def __init__(self, name: str, args: IdentityArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Identity", name, None, opts)
        children = ResourceOptions(parent=self)
        prefix, region = args.environment.prefix, args.environment.region
        host = iam.Role(
            f"{name}-host",
            name=f"{prefix}-{region}-host",  # role names are global in the account
            description=f"GPU hosts of {prefix}",
            assume_role_policy=json.dumps(trust_service("ec2.amazonaws.com")),
            tags={"Name": f"{prefix}-host"},
            opts=children,
        )
        host_rights = iam.RolePolicy(
            f"{name}-host",
            name="host",
            role=host.name,
            policy=args.scope.apply(lambda scope: json.dumps(host_policy(scope))),
            opts=children,
        )
        profile = iam.InstanceProfile(
            f"{name}-host",
            name=f"{prefix}-{region}-host",
            role=host.name,
            tags={"Name": f"{prefix}-host"},
            opts=ResourceOptions(parent=self, depends_on=[host_rights]),
        )
        publisher = iam.Role(
            f"{name}-publisher",
            name=f"{prefix}-{region}-publisher",
            description=f"Writes weights and releases of {prefix}",
            assume_role_policy=args.scope.apply(
                lambda scope: json.dumps(trust_account(scope.account_id))
            ),
            max_session_duration=3600,
            tags={"Name": f"{prefix}-publisher"},
            opts=children,
        )
        iam.RolePolicy(
            f"{name}-publisher",
            name="publisher",
            role=publisher.name,
            policy=args.scope.apply(lambda scope: json.dumps(publisher_policy(scope))),
            opts=children,
        )
        self.host_role_arn = host.arn
        self.instance_profile_arn = profile.arn
        self.publisher_role_arn = publisher.arn
        self.register_outputs({})
