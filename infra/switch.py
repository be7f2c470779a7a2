"""The switch: a function that moves the traffic rule's weights, and who may call it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws.cloudwatch as cloudwatch
import pulumi_aws.iam as iam
import pulumi_aws.lambda_ as lambda_
import pulumi_aws.s3 as s3
from pulumi import Output, ResourceOptions

from infra.names import switch_log_group, switch_name
from infra.policies import trust_service
from infra.switch_rights import Reach, switch_policy
from provision.config.environment import Environment
from provision.render.switch import HANDLER, VARIABLE

RUNTIME = "python3.13"
MEMORY_MIB = 256
TIMEOUT_S = 90  # a tick stays for most of a minute
STALE_S = 60  # a call that waited so long has been overtaken by the next tick


@dataclass(frozen=True)
class SwitchArgs:
    """What it is told, what it may reach, and where it stands.

    *callers* are ARNs of alarms by their names; *inside* are subnets and group in the VPC, None
    outside of it.
    """

    environment: Environment
    account_id: Output[str]
    bucket: Output[str]
    bundle: bytes
    document: Output[str]
    reach: Output[Reach]
    callers: Mapping[str, Output[str]]
    inside: tuple[Sequence[Output[str]], Output[str]] | None


class Switch(pulumi.ComponentResource):
    """Called every minute, and by alarms. Nobody else writes the weights."""

    function_name: Output[str]
    function_arn: Output[str]
    log_group: Output[str]

    def __init__(self, name: str, args: SwitchArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Switch", name, None, opts)
        self._name, self._args = name, args
        self._full = switch_name(args.environment)
        self._children = ResourceOptions(parent=self)
        logs = self._logs()
        role, rights = self._role()
        function = self._function(role, [logs, rights])
        self._calls(function)
        self._schedule(function)
        self.function_name, self.function_arn = function.name, function.arn
        self.log_group = logs.name
        self.register_outputs({})

    def _logs(self) -> cloudwatch.LogGroup:
        name = switch_log_group(self._args.environment)
        return cloudwatch.LogGroup(
            f"{self._name}-logs",
            name=name,
            retention_in_days=self._args.environment.observability.log_retention_days,
            tags={"Name": name},
            opts=self._children,
        )

    def _role(self) -> tuple[iam.Role, iam.RolePolicy]:
        name = f"{self._args.environment.prefix}-{self._args.environment.region}-switch"
        role = iam.Role(
            f"{self._name}-function",
            name=name,  # role names are global in the account
            description=f"Moves the traffic of {self._args.environment.prefix}",
            assume_role_policy=json.dumps(trust_service("lambda.amazonaws.com")),
            tags={"Name": name},
            opts=self._children,
        )
        rights = iam.RolePolicy(
            f"{self._name}-function",
            name="switch",
            role=role.name,
            policy=self._args.reach.apply(lambda reach: json.dumps(switch_policy(reach))),
            opts=self._children,
        )
        return role, rights

    def _function(self, role: iam.Role, after: list[pulumi.Resource]) -> lambda_.Function:
        digest = hashlib.sha256(self._args.bundle).digest()
        archive = s3.BucketObject(
            f"{self._name}-program",
            bucket=self._args.bucket,
            key=f"bootstrap/switch-{digest.hex()[:12]}.zip",
            content_base64=base64.b64encode(self._args.bundle).decode(),
            content_type="application/zip",
            opts=self._children,
        )
        return lambda_.Function(
            f"{self._name}-function",
            name=self._full,
            description="Takes traffic off a fleet that is down, and gives it back",
            runtime=RUNTIME,
            architectures=["arm64"],
            handler=HANDLER,
            memory_size=MEMORY_MIB,
            timeout=TIMEOUT_S,
            role=role.arn,
            s3_bucket=archive.bucket,
            s3_key=archive.key,
            source_code_hash=base64.b64encode(digest).decode(),
            environment=lambda_.FunctionEnvironmentArgs(variables={VARIABLE: self._args.document}),
            vpc_config=self._inside(),
            tags={"Name": self._full},
            opts=ResourceOptions(parent=self, depends_on=after),
        )

    def _inside(self) -> lambda_.FunctionVpcConfigArgs | None:
        if self._args.inside is None:
            return None
        subnets, group = self._args.inside
        return lambda_.FunctionVpcConfigArgs(subnet_ids=subnets, security_group_ids=[group])

    def _calls(self, function: lambda_.Function) -> None:
        """A look is level-triggered: a call that failed is of no use a minute later."""
        lambda_.FunctionEventInvokeConfig(
            f"{self._name}-calls",
            function_name=function.name,
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=STALE_S,
            opts=self._children,
        )
        for name, arn in self._args.callers.items():
            lambda_.Permission(
                f"{self._name}-{name.removeprefix(f'{self._name}-')}",
                statement_id=name,
                function=function.name,
                action="lambda:InvokeFunction",
                principal="lambda.alarms.cloudwatch.amazonaws.com",
                source_account=self._args.account_id,
                source_arn=arn,
                opts=self._children,
            )

    def _schedule(self, function: lambda_.Function) -> None:
        rule = cloudwatch.EventRule(
            f"{self._name}-tick",
            name=self._full,
            description="Calls the switch",
            schedule_expression="rate(1 minute)",
            tags={"Name": self._full},
            opts=self._children,
        )
        may = lambda_.Permission(
            f"{self._name}-tick",
            statement_id="tick",
            function=function.name,
            action="lambda:InvokeFunction",
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=self._children,
        )
        cloudwatch.EventTarget(
            f"{self._name}-tick",
            rule=rule.name,
            target_id="switch",
            arn=function.arn,
            retry_policy=cloudwatch.EventTargetRetryPolicyArgs(
                maximum_retry_attempts=0, maximum_event_age_in_seconds=STALE_S
            ),
            opts=ResourceOptions(parent=self, depends_on=[may]),
        )
