"""The network: a new VPC over the zones of the fleet, or an existing one taken as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws.ec2 as ec2
from pulumi import InvokeOutputOptions, Output, ResourceOptions
from pulumi_aws.get_availability_zones import get_availability_zones_output

from infra.subnets import choose_zones, subnet_pairs, zone_count
from provision.config.environment import Egress, Environment, Scheme


@dataclass(frozen=True)
class NetworkArgs:
    """What the network is made for."""

    environment: Environment


class Network(pulumi.ComponentResource):
    """Subnets for hosts (always private) and for the load balancer.

    A new VPC spans two zones even when the hosts stand in one: a load balancer needs both. Its
    public subnets exist only when something stands in them: a NAT gateway or a load balancer that
    faces the internet. S3 is reached through a gateway endpoint, which costs nothing, so weights
    never pass a NAT gateway, which does.
    """

    vpc_id: Output[str]
    cidr: Output[str]
    host_subnet_ids: Sequence[Output[str]]
    load_balancer_subnet_ids: Sequence[Output[str]]
    private_subnet_ids: Sequence[Output[str]]
    nat_address: Output[str] | None  # None: there is none, or it is somebody else's

    def __init__(self, name: str, args: NetworkArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Network", name, None, opts)
        self._name = name
        self._environment = args.environment
        self._children = ResourceOptions(parent=self)
        self.nat_address = None
        if args.environment.network.vpc_id is None:
            self._build()
        else:
            self._adopt(args.environment.network.vpc_id)
        self.register_outputs({"vpc_id": self.vpc_id})

    def _adopt(self, vpc_id: str) -> None:
        """Use what is there: routes and endpoints are its owner's."""
        settings = self._environment.network
        vpc = ec2.get_vpc_output(id=vpc_id, opts=InvokeOutputOptions(parent=self))
        self.vpc_id = vpc.id
        self.cidr = vpc.cidr_block
        self.private_subnet_ids = [Output.from_input(s) for s in settings.private_subnet_ids]
        public = [Output.from_input(subnet) for subnet in settings.public_subnet_ids]
        self._assign(public)

    def _build(self) -> None:
        environment = self._environment
        vpc = ec2.Vpc(
            f"{self._name}-vpc",
            cidr_block=environment.network.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,  # private DNS names of interface endpoints need both
            tags=self._tags("vpc"),
            opts=self._children,
        )
        self.vpc_id, self.cidr = vpc.id, vpc.cidr_block
        ec2.DefaultSecurityGroup(
            f"{self._name}-default",  # AWS makes one that lets its members talk: close it
            vpc_id=vpc.id,
            ingress=[],
            egress=[],
            tags=self._tags("default-unused"),
            opts=self._children,
        )
        zones, count = self._zones(), zone_count(environment.fleet.zones)
        pairs = subnet_pairs(environment.network.cidr, count)
        self.private_subnet_ids = [
            self._subnet(f"private-{i}", pair.private, zones[i]) for i, pair in enumerate(pairs)
        ]
        public = []
        if self._nat or environment.load_balancer.scheme is Scheme.INTERNET_FACING:
            public = [
                self._subnet(f"public-{i}", pair.public, zones[i]) for i, pair in enumerate(pairs)
            ]
        self._assign(public)
        self._route(public)

    def _assign(self, public: Sequence[Output[str]]) -> None:
        faces_internet = self._environment.load_balancer.scheme is Scheme.INTERNET_FACING
        self.load_balancer_subnet_ids = public if faces_internet else self.private_subnet_ids
        self.host_subnet_ids = self.private_subnet_ids[: self._environment.fleet.zones]

    def _zones(self) -> Output[Sequence[str]]:
        fleet = self._environment.fleet
        invoke = InvokeOutputOptions(parent=self)
        available = get_availability_zones_output(state="available", opts=invoke)
        offering = ec2.get_instance_type_offerings_output(
            location_type="availability-zone",
            filters=[
                ec2.GetInstanceTypeOfferingsFilterArgs(
                    name="instance-type", values=[fleet.instance_type]
                )
            ],
            opts=invoke,
        )
        return Output.all(offering.locations, available.names).apply(
            lambda found: choose_zones(
                offering=found[0],
                available=found[1],
                hosts_in=fleet.zones,
                instance_type=fleet.instance_type,
            )
        )

    def _subnet(self, name: str, cidr: str, zone: Output[str]) -> Output[str]:
        subnet = ec2.Subnet(
            f"{self._name}-{name}",
            vpc_id=self.vpc_id,
            cidr_block=cidr,
            availability_zone=zone,
            map_public_ip_on_launch=False,
            tags=self._tags(name),
            # When AWS opens a zone or sells a type in one more, the choice may come out anew: a
            # subnet that exists stays where it is, or its hosts would be replaced.
            opts=ResourceOptions(parent=self, ignore_changes=["availability_zone"]),
        )
        return subnet.id

    def _route(self, public: Sequence[Output[str]]) -> None:
        inside = self._route_table("private", self.private_subnet_ids)
        self._gateway_endpoint("s3", inside)
        if self._environment.fallback.exists:
            self._gateway_endpoint("dynamodb", inside)  # what hosted answers cost is counted there
        if not public:
            return
        gateway = ec2.InternetGateway(
            f"{self._name}-internet",
            vpc_id=self.vpc_id,
            tags=self._tags("internet"),
            opts=self._children,
        )
        outside = self._route_table("public", public)
        self._default_route("public", outside, gateway_id=gateway.id)
        if self._nat:
            nat = self._nat_gateway(public[0], gateway)
            self._default_route("private", inside, nat_gateway_id=nat.id)

    def _gateway_endpoint(self, service: str, table: ec2.RouteTable) -> None:
        ec2.VpcEndpoint(
            f"{self._name}-{service}",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{self._environment.region}.{service}",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id],
            tags=self._tags(service),
            opts=self._children,
        )

    def _nat_gateway(self, subnet_id: Output[str], gateway: ec2.InternetGateway) -> ec2.NatGateway:
        """One, not one a zone: serving hosts reach all they need without it."""
        address = ec2.Eip(
            f"{self._name}-nat", domain="vpc", tags=self._tags("nat"), opts=self._children
        )
        self.nat_address = address.public_ip
        return ec2.NatGateway(
            f"{self._name}-nat",
            allocation_id=address.id,
            subnet_id=subnet_id,
            tags=self._tags("nat"),
            opts=ResourceOptions(parent=self, depends_on=[gateway]),
        )

    def _route_table(self, name: str, subnets: Sequence[Output[str]]) -> ec2.RouteTable:
        table = ec2.RouteTable(
            f"{self._name}-{name}",
            vpc_id=self.vpc_id,
            tags=self._tags(name),
            opts=self._children,
        )
        for i, subnet_id in enumerate(subnets):
            ec2.RouteTableAssociation(
                f"{self._name}-{name}-{i}",
                route_table_id=table.id,
                subnet_id=subnet_id,
                opts=self._children,
            )
        return table

    def _default_route(
        self,
        name: str,
        table: ec2.RouteTable,
        *,
        gateway_id: Output[str] | None = None,
        nat_gateway_id: Output[str] | None = None,
    ) -> None:
        ec2.Route(
            f"{self._name}-{name}-default",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=self._children,
        )

    @property
    def _nat(self) -> bool:
        return self._environment.network.egress is Egress.NAT

    def _tags(self, name: str) -> dict[str, str]:
        return {"Name": f"{self._environment.prefix}-{name}"}
