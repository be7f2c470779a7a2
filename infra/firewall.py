"""Who may talk to whom: security groups, one rule a resource."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws.ec2 as ec2
import pulumi_aws.vpc as vpc
from pulumi import Output, ResourceOptions

from provision.config.environment import Egress, Environment, Scheme, Transport

FRONT_PORT = 8000
AGENT_PORT = 8081
EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class FirewallArgs:
    """The network that the groups belong to."""

    environment: Environment
    vpc_id: Output[str]
    vpc_cidr: Output[str]


class Firewall(pulumi.ComponentResource):
    """Clients reach the load balancer, the load balancer reaches hosts, nothing else comes in."""

    load_balancer_group_id: Output[str]
    host_group_id: Output[str]
    endpoint_group_id: Output[str] | None

    def __init__(self, name: str, args: FirewallArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Firewall", name, None, opts)
        self._name, self._args = name, args
        self.load_balancer_group_id = self._group("load-balancer", "Clients of the load balancer")
        self.host_group_id = self._group("hosts", "GPU hosts")
        self.endpoint_group_id = None
        self._clients()
        self._load_balancer_to_hosts()
        self._operators()
        self._hosts_out()
        self.register_outputs({})

    def _clients(self) -> None:
        settings = self._args.environment.load_balancer
        ports = (443, 80) if settings.certificate_arn else (80,)
        sources = [Output.from_input(cidr) for cidr in settings.allowed_cidrs] or [
            Output.from_input(EVERYWHERE)
            if settings.scheme is Scheme.INTERNET_FACING
            else self._args.vpc_cidr
        ]
        for port in ports:
            for i, source in enumerate(sources):
                self._let_in(
                    f"clients-{port}-{i}",
                    self.load_balancer_group_id,
                    port,
                    "Clients",
                    cidr=source,
                )

    def _load_balancer_to_hosts(self) -> None:
        for what, port in (("front", FRONT_PORT), ("agent", AGENT_PORT)):
            self._let_in(
                f"load-balancer-to-{what}",
                self.host_group_id,
                port,
                f"Load balancer to {what}",
                group=self.load_balancer_group_id,
            )
            self._let_out(
                f"load-balancer-to-{what}",
                self.load_balancer_group_id,
                port,
                f"To {what}",
                group=self.host_group_id,
            )

    def _operators(self) -> None:
        """Port 22 exists only for operators who are in the network already."""
        access = self._args.environment.access
        if access.transport is Transport.DIRECT:
            self._let_in(
                "operators",
                self.host_group_id,
                access.port,
                "Operators inside the network",
                cidr=self._args.vpc_cidr,
            )

    def _hosts_out(self) -> None:
        if self._args.environment.network.egress is Egress.NAT:
            everywhere = Output.from_input(EVERYWHERE)
            self._let_out(
                "hosts-https", self.host_group_id, 443, "AWS and mirrors", cidr=everywhere
            )
            self._let_out("hosts-http", self.host_group_id, 80, "Package mirrors", cidr=everywhere)
            return
        self._let_out("hosts-endpoints", self.host_group_id, 443, "AWS", cidr=self._args.vpc_cidr)
        s3 = ec2.get_managed_prefix_list_output(
            name=f"com.amazonaws.{self._args.environment.region}.s3",
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        self._let_out("hosts-s3", self.host_group_id, 443, "S3", prefix_list=s3.id)
        if self._args.environment.network.vpc_id is None:
            self.endpoint_group_id = self._group("endpoints", "Interface endpoints of AWS services")
            self._let_in(
                "hosts-to-endpoints",
                self.endpoint_group_id,
                443,
                "Hosts",
                group=self.host_group_id,
            )

    def _group(self, name: str, description: str) -> Output[str]:
        full = f"{self._args.environment.prefix}-{name}"
        group = ec2.SecurityGroup(
            f"{self._name}-{name}",
            name=full,
            description=description,
            vpc_id=self._args.vpc_id,
            tags={"Name": full},
            opts=ResourceOptions(parent=self),
        )
        return group.id

    def _let_in(
        self,
        name: str,
        into: Output[str],
        port: int,
        description: str,
        *,
        cidr: Output[str] | None = None,
        group: Output[str] | None = None,
    ) -> None:
        vpc.SecurityGroupIngressRule(
            f"{self._name}-{name}",
            security_group_id=into,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            cidr_ipv4=cidr,
            referenced_security_group_id=group,
            description=description,
            tags={"Name": name},
            opts=ResourceOptions(parent=self),
        )

    def _let_out(
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
        vpc.SecurityGroupEgressRule(
            f"{self._name}-{name}",
            security_group_id=out_of,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            cidr_ipv4=cidr,
            referenced_security_group_id=group,
            prefix_list_id=prefix_list,
            description=description,
            tags={"Name": name},
            opts=ResourceOptions(parent=self),
        )
