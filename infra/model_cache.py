"""The model cache's safety net. The volumes themselves are claimed and created by hosts."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws.dlm as dlm
import pulumi_aws.iam as iam
from pulumi import Output, ResourceOptions

from infra.names import cache_tags
from infra.policies import Scope, snapshot_policy, trust_service
from provision.config.environment import Environment


@dataclass(frozen=True)
class ModelCacheArgs:
    """Whose volumes."""

    environment: Environment
    scope: Output[Scope]


class ModelCache(pulumi.ComponentResource):
    """Snapshots of every volume with the cache tag; a host without a free volume starts from one.

    Nothing is made when ``model_cache.snapshot_every_hours`` is not set.
    """

    def __init__(
        self, name: str, args: ModelCacheArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-fleet:infra:ModelCache", name, None, opts)
        self._name, self._args = name, args
        hours = args.environment.model_cache.snapshot_every_hours
        if hours is not None:
            self._schedule(hours, self._role())
        self.register_outputs({})

    def _role(self) -> iam.Role:
        environment = self._args.environment
        role = iam.Role(
            f"{self._name}-snapshots",
            name=f"{environment.prefix}-{environment.region}-snapshots",
            description=f"Snapshots of the model cache of {environment.prefix}",
            assume_role_policy=json.dumps(trust_service("dlm.amazonaws.com")),
            tags={"Name": f"{environment.prefix}-snapshots"},
            opts=ResourceOptions(parent=self),
        )
        iam.RolePolicy(
            f"{self._name}-snapshots",
            name="snapshots",
            role=role.name,
            policy=self._args.scope.apply(lambda scope: json.dumps(snapshot_policy(scope))),
            opts=ResourceOptions(parent=self),
        )
        return role

    def _schedule(self, hours: int, role: iam.Role) -> None:
        environment = self._args.environment
        schedule = dlm.LifecyclePolicyPolicyDetailsScheduleArgs(
            name=f"every {hours} hours",
            create_rule=dlm.LifecyclePolicyPolicyDetailsScheduleCreateRuleArgs(
                interval=hours, interval_unit="HOURS", times="03:00"
            ),
            retain_rule=dlm.LifecyclePolicyPolicyDetailsScheduleRetainRuleArgs(
                count=environment.model_cache.snapshots_kept
            ),
            copy_tags=True,  # a host finds a snapshot by the tag of its volume
        )
        dlm.LifecyclePolicy(
            f"{self._name}-snapshots",
            description=f"Model cache of {environment.prefix}",
            execution_role_arn=role.arn,
            state="ENABLED",
            policy_details=dlm.LifecyclePolicyPolicyDetailsArgs(
                resource_types=["VOLUME"],
                target_tags=cache_tags(environment),
                schedules=[schedule],
            ),
            tags={"Name": f"{environment.prefix}-snapshots"},
            opts=ResourceOptions(parent=self),
        )
