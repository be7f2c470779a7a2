"""Security groups and their rules, one rule a resource: declared the same way everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws.ec2 as ec2
import pulumi_aws.vpc as vpc
from pulumi import Output, ResourceOptions

from provision.config.environment import Environment

EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class TrafficRules:
    """Declares groups and rules as children of *parent*, whose name they begin with."""

    name: str
    environment: Environment
    vpc_id: Output[str]
    parent: pulumi.Resource

    def group(self, name: str, description: str) -> Output[str]:
        """An empty security group; its id."""
        full = f"{self.environment.prefix}-{name}"
        group = ec2.SecurityGroup(
            f"{self.name}-{name}",
            name=full,
            description=description,
            vpc_id=self.vpc_id,
            tags={"Name": full},
            opts=ResourceOptions(parent=self.parent),
        )
        return group.id

    def let_in(
        self,
        name: str,
        into: Output[str],
        port: int,
        description: str,
        *,
        cidr: Output[str] | None = None,
        group: Output[str] | None = None,
    ) -> None:
        """Members of *into* may be reached at *port*."""
        vpc.SecurityGroupIngressRule(
            f"{self.name}-{name}",
            security_group_id=into,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            cidr_ipv4=cidr,
            referenced_security_group_id=group,
            description=description,
            tags={"Name": name},
            opts=ResourceOptions(parent=self.parent),
        )

    def let_out(
        self,
        name: str,
        out_of: Output[str],
        port: int,
        description: str,
        *,
        cidr: Output[str] | None = None,
        group: Output[str] | None = None,
        prefix_list: Output[str] | None = None,
    ) -> None:
        """Members of *out_of* may reach *port*."""
        vpc.SecurityGroupEgressRule(
            f"{self.name}-{name}",
            security_group_id=out_of,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            cidr_ipv4=cidr,
            referenced_security_group_id=group,
            prefix_list_id=prefix_list,
            description=description,
            tags={"Name": name},
            opts=ResourceOptions(parent=self.parent),
        )

    def prefix_list(self, service: str) -> Output[str]:
        """The addresses of a service that is reached through a gateway endpoint."""
        found = ec2.get_managed_prefix_list_output(
            name=f"com.amazonaws.{self.environment.region}.{service}",
            opts=pulumi.InvokeOutputOptions(parent=self.parent),
        )
        return found.id
