"""Interface endpoints: how hosts reach AWS from a network without a way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws.ec2 as ec2
from pulumi import Output, ResourceOptions

from provision.config import switch_place
from provision.config.environment import Environment
from provision.config.hosted import BEDROCK, company

# Service -> what stops working without it. Each is billed by the hour and zone.
SERVICES = {
    "ssm": "outputs, host keys; the SSM agent's own door",
    "ssmmessages": "SSH through Session Manager",
    "ec2messages": "SSM agents older than 3.3",
    "ecr.api": "the token for docker login",
    "ecr.dkr": "image manifests (layers come from S3)",
    "secretsmanager": "client keys",
    "logs": "logs",
    "monitoring": "metrics",
    "ec2": "cache volumes: find, create, attach",
    "autoscaling": "a host that says good-bye, or calls itself unhealthy",
    "elasticloadbalancing": "a host that leaves traffic, or returns to it, by itself",
}


def services(environment: Environment) -> dict[str, str]:
    """:data:`SERVICES`, and what the fallback needs beside them."""
    found = dict(SERVICES)
    if not environment.fallback.exists:
        return found
    if BEDROCK in map(company, environment.fallback.providers):
        found["bedrock-runtime"] = "hosted answers"
    if switch_place.inside(environment):
        found["sns"] = "the switch tells people"
    return found


@dataclass(frozen=True)
class EndpointsArgs:
    """Where the endpoints stand and who may use them."""

    environment: Environment
    vpc_id: Output[str]
    subnet_ids: Sequence[Output[str]]
    security_group_id: Output[str]


class Endpoints(pulumi.ComponentResource):
    """One interface endpoint for each of :func:`services`."""

    def __init__(self, name: str, args: EndpointsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Endpoints", name, None, opts)
        for service in services(args.environment):
            ec2.VpcEndpoint(
                f"{name}-{service.replace('.', '-')}",
                vpc_id=args.vpc_id,
                service_name=f"com.amazonaws.{args.environment.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=args.subnet_ids,
                security_group_ids=[args.security_group_id],
                tags={"Name": f"{args.environment.prefix}-{service}"},
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})
