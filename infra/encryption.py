"""The environment's own key: for cache volumes, their snapshots, and the alarm topic."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws.kms as kms
from pulumi import Output, ResourceOptions

from infra.policies import key_policy
from provision.config.environment import Environment


@dataclass(frozen=True)
class EncryptionArgs:
    """Whose key."""

    environment: Environment
    account_id: Output[str]


class Encryption(pulumi.ComponentResource):
    """A key of our own, because alarms can't publish to a topic under the key that AWS manages.

    Protected: without it the cache and its snapshots are noise.
    """

    key_arn: Output[str]

    def __init__(
        self, name: str, args: EncryptionArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-fleet:infra:Encryption", name, None, opts)
        budget = args.environment.budget.max_monthly_usd is not None
        key = kms.Key(
            f"{name}-key",
            description=f"llm-fleet {args.environment.name}: cache volumes and alarm topic",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=args.account_id.apply(
                lambda account: json.dumps(key_policy(account, budget=budget))
            ),
            tags={"Name": args.environment.prefix},
            opts=ResourceOptions(parent=self, protect=True, retain_on_delete=True),
        )
        kms.Alias(
            f"{name}-alias",
            name=f"alias/{args.environment.prefix}",
            target_key_id=key.key_id,
            opts=ResourceOptions(parent=self),
        )
        self.key_arn = key.arn
        self.register_outputs({"key_arn": self.key_arn})
