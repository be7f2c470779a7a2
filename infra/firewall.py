"""Who may talk to whom: security groups, one rule a resource."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceOptions

from infra.traffic_rules import EVERYWHERE, TrafficRules
from provision.config.environment import Egress, Environment, Scheme, Transport

FRONT_PORT = 8000
AGENT_PORT = 8081


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
        self._args = args
        self._rules = rules = TrafficRules(name, args.environment, args.vpc_id, parent=self)
        self.load_balancer_group_id = rules.group("load-balancer", "Clients of the load balancer")
        self.host_group_id = rules.group("hosts", "GPU hosts")
        self.endpoint_group_id = None
        self._clients()
        self._load_balancer_to_hosts()
        self._operators()
        self._hosts_out()
        self.register_outputs({})

    def _clients(self) -> None:
        settings = self._args.environment.load_balancer
        sources = [Output.from_input(cidr) for cidr in settings.allowed_cidrs] or [
            Output.from_input(EVERYWHERE)
            if settings.scheme is Scheme.INTERNET_FACING
            else self._args.vpc_cidr
        ]
        for port in client_ports(self._args.environment):
            for i, source in enumerate(sources):
                self._rules.let_in(
                    f"clients-{port}-{i}",
                    self.load_balancer_group_id,
                    port,
                    "Clients",
                    cidr=source,
                )

    def _load_balancer_to_hosts(self) -> None:
        for what, port in (("front", FRONT_PORT), ("agent", AGENT_PORT)):
            self._rules.let_in(
                f"load-balancer-to-{what}",
                self.host_group_id,
                port,
                f"Load balancer to {what}",
                group=self.load_balancer_group_id,
            )
            self._rules.let_out(
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
            self._rules.let_in(
                "operators",
                self.host_group_id,
                access.port,
                "Operators inside the network",
                cidr=self._args.vpc_cidr,
            )

    def _hosts_out(self) -> None:
        rules, hosts = self._rules, self.host_group_id
        if self._args.environment.network.egress is Egress.NAT:
            everywhere = Output.from_input(EVERYWHERE)
            rules.let_out("hosts-https", hosts, 443, "AWS and mirrors", cidr=everywhere)
            rules.let_out("hosts-http", hosts, 80, "Package mirrors", cidr=everywhere)
            return
        rules.let_out("hosts-endpoints", hosts, 443, "AWS", cidr=self._args.vpc_cidr)
        rules.let_out("hosts-s3", hosts, 443, "S3", prefix_list=rules.prefix_list("s3"))
        if self._args.environment.network.vpc_id is None:
            self.endpoint_group_id = rules.group("endpoints", "Interface endpoints of AWS services")
            rules.let_in("hosts-to-endpoints", self.endpoint_group_id, 443, "Hosts", group=hosts)


def client_ports(environment: Environment) -> tuple[int, ...]:
    """Where clients knock at the load balancer."""
    return (443, 80) if environment.load_balancer.certificate_arn else (80,)
