"""The outputs: one SSM parameter, so that tasks need no Pulumi binary and no state; and beside
it, in the bucket, what a month was estimated to cost when they were written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws.s3 as s3
import pulumi_aws.ssm as ssm
from pulumi import Input, Output, ResourceOptions

from infra.names import outputs_parameter
from provision.config.environment import Environment
from provision.planning.cost.bill import Bill
from provision.planning.cost.document import ESTIMATE_KEY, document

SCHEMA = 2  # of the document; provision.facts.outputs reads this one


@dataclass(frozen=True)
class PublishedArgs:
    """The parameter's text, and the estimate that goes into the bucket."""

    environment: Environment
    text: Output[str]
    bucket: Output[str]
    estimate: str


class Published(pulumi.ComponentResource):
    """``<parameter_root>/outputs``, and ``estimates/latest.json`` in the bucket."""

    parameter: Output[str]

    def __init__(self, name: str, args: PublishedArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Published", name, None, opts)
        path = outputs_parameter(args.environment)
        parameter = ssm.Parameter(
            f"{name}-parameter",
            name=path,
            type=ssm.ParameterType.STRING,
            value=args.text,
            description="What `pulumi up` made; read by fab",
            tags={"Name": path},
            opts=ResourceOptions(parent=self),
        )
        s3.BucketObject(
            f"{name}-estimate",
            bucket=args.bucket,
            key=ESTIMATE_KEY,
            content=args.estimate,
            content_type="application/json",
            opts=ResourceOptions(parent=self),
        )
        self.parameter = parameter.name
        self.register_outputs({})


def outputs_text(
    values: Mapping[str, Input[str]], fallback: Mapping[str, Input[str]] | None
) -> Output[str]:
    """The parameter's text: what ``provision.facts.outputs`` reads, as soon as all is known."""
    both = Output.all(Output.all(**values), Output.all(**fallback) if fallback else None)
    return both.apply(
        lambda known: json.dumps(
            {"schema": SCHEMA, **known[0], "fallback": known[1]}, sort_keys=True
        )
    )


def estimate_text(bill: Bill) -> str:
    """The estimate as ``fab cost.preview --against deployed`` reads it."""
    return json.dumps(document(bill), sort_keys=True)
