"""Who may talk to the gateway, and to whom gateway and switch may talk."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
from pulumi import Output, ResourceOptions

from infra.firewall import FRONT_PORT, client_ports
from infra.traffic_rules import EVERYWHERE, TrafficRules
from provision.config import switch_place
from provision.config.environment import Egress, Environment

REDIS_PORT = 6379


@dataclass(frozen=True)
class FallbackFirewallArgs:
    """The network, the groups that are there, and the address from which its members go out."""

    environment: Environment
    vpc_id: Output[str]
    vpc_cidr: Output[str]
    load_balancer_group_id: Output[str]
    host_group_id: Output[str]
    endpoint_group_id: Output[str] | None
    nat_address: Output[str] | None


class FallbackFirewall(pulumi.ComponentResource):
    """The load balancer and the hosts reach the gateway's front, and nobody else does.

    The switch has a group only where it stands in the VPC (provision.config.switch_place).
    """

    gateway_group_id: Output[str]
    switch_group_id: Output[str] | None

    def __init__(
        self, name: str, args: FallbackFirewallArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-fleet:infra:FallbackFirewall", name, None, opts)
        self._args = args
        self._rules = TrafficRules(name, args.environment, args.vpc_id, parent=self)
        self.gateway_group_id = self._rules.group("gateway", "Gateways to hosted APIs")
        self._to_the_gateway()
        self._out("gateway", self.gateway_group_id, needs=("s3", "dynamodb"))
        self._redis()
        self.switch_group_id = None
        if switch_place.inside(args.environment):
            self.switch_group_id = self._rules.group("switch", "What moves the traffic")
            self._out("switch", self.switch_group_id, needs=("dynamodb",))
            self._switch_to_the_load_balancer(self.switch_group_id)
        self.register_outputs({})

    def _to_the_gateway(self) -> None:
        callers = {
            "load-balancer": self._args.load_balancer_group_id,
            "hosts": self._args.host_group_id,
        }
        for who, group in callers.items():
            name, port = f"{who}-to-gateway", FRONT_PORT
            self._rules.let_in(name, self.gateway_group_id, port, f"From {who}", group=group)
            self._rules.let_out(name, group, port, "To the gateway", group=self.gateway_group_id)

    def _out(self, who: str, group: Output[str], *, needs: tuple[str, ...]) -> None:
        """To AWS, and with NAT to hosted APIs; *needs* are services behind gateway endpoints."""
        rules = self._rules
        if self._args.environment.network.egress is Egress.NAT:
            everywhere = Output.from_input(EVERYWHERE)
            rules.let_out(f"{who}-https", group, 443, "AWS, hosted APIs", cidr=everywhere)
            return
        rules.let_out(f"{who}-endpoints", group, 443, "AWS", cidr=self._args.vpc_cidr)
        for service in needs:
            addresses = rules.prefix_list(service)
            rules.let_out(f"{who}-{service}", group, 443, service, prefix_list=addresses)
        if self._args.endpoint_group_id is not None:
            rules.let_in(f"{who}-to-endpoints", self._args.endpoint_group_id, 443, who, group=group)

    def _redis(self) -> None:
        url = self._args.environment.fallback.redis_url
        if url is not None:
            port = urlsplit(url).port or REDIS_PORT
            group, cidr = self.gateway_group_id, self._args.vpc_cidr
            self._rules.let_out("gateway-redis", group, port, "Redis in the VPC", cidr=cidr)

    def _switch_to_the_load_balancer(self, switch: Output[str]) -> None:
        """As a client; through NAT the load balancer sees an address instead of the group."""
        balancer, port = self._args.load_balancer_group_id, client_ports(self._args.environment)[0]
        if not switch_place.comes_through_nat(self._args.environment):
            name = "switch-to-load-balancer"
            self._rules.let_in(name, balancer, port, "The switch", group=switch)
            self._rules.let_out(name, switch, port, "To the load balancer", group=balancer)
        elif self._args.nat_address is not None:
            address = Output.concat(self._args.nat_address, "/32")
            self._rules.let_in("nat-to-load-balancer", balancer, port, "The switch", cidr=address)
