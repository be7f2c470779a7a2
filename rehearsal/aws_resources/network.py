"""VPC, subnets, routes, gateways and endpoints."""

from __future__ import annotations

from typing import Any

from rehearsal.aws_resources.account import Account, Made, Maker, Request


def vpc(account: Account, request: Request) -> Made:
    """A VPC, with what its DNS is asked to do."""
    ec2 = account.client("ec2")
    made = ec2.create_vpc(
        CidrBlock=request.inputs["cidrBlock"], TagSpecifications=_tagged("vpc", request)
    )["Vpc"]["VpcId"]
    for parameter, name in (
        ("EnableDnsSupport", "enableDnsSupport"),
        ("EnableDnsHostnames", "enableDnsHostnames"),
    ):
        if name in request.inputs:
            ec2.modify_vpc_attribute(VpcId=made, **{parameter: {"Value": request.inputs[name]}})
    return Made(made, {"arn": _arn(account, f"vpc/{made}")})


def subnet(account: Account, request: Request) -> Made:
    """A subnet in one zone."""
    made = account.client("ec2").create_subnet(
        **request.given(VpcId="vpcId", CidrBlock="cidrBlock", AvailabilityZone="availabilityZone"),
        TagSpecifications=_tagged("subnet", request),
    )["Subnet"]["SubnetId"]
    return Made(made, {"arn": _arn(account, f"subnet/{made}")})


def internet_gateway(account: Account, request: Request) -> Made:
    """A gateway, attached."""
    ec2 = account.client("ec2")
    made = ec2.create_internet_gateway(TagSpecifications=_tagged("internet-gateway", request))
    gateway_id = made["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=request.inputs["vpcId"])
    return Made(gateway_id)


def address(account: Account, request: Request) -> Made:
    """An elastic address."""
    made = account.client("ec2").allocate_address(
        Domain="vpc", TagSpecifications=_tagged("elastic-ip", request)
    )
    return Made(made["AllocationId"], {"publicIp": made["PublicIp"]})


def nat_gateway(account: Account, request: Request) -> Made:
    """A NAT gateway at an elastic address."""
    made = account.client("ec2").create_nat_gateway(
        **request.given(SubnetId="subnetId", AllocationId="allocationId"),
        TagSpecifications=_tagged("natgateway", request),
    )
    return Made(made["NatGateway"]["NatGatewayId"])


def route_table(account: Account, request: Request) -> Made:
    """An empty route table."""
    made = account.client("ec2").create_route_table(
        VpcId=request.inputs["vpcId"], TagSpecifications=_tagged("route-table", request)
    )
    return Made(made["RouteTable"]["RouteTableId"])


def association(account: Account, request: Request) -> Made:
    """A subnet that routes by a table."""
    made = account.client("ec2").associate_route_table(
        **request.given(RouteTableId="routeTableId", SubnetId="subnetId")
    )
    return Made(made["AssociationId"])


def route(account: Account, request: Request) -> Made:
    """One route, through a gateway of either kind."""
    account.client("ec2").create_route(
        **request.given(
            RouteTableId="routeTableId",
            DestinationCidrBlock="destinationCidrBlock",
            GatewayId="gatewayId",
            NatGatewayId="natGatewayId",
        )
    )
    table, to = request.inputs["routeTableId"], request.inputs["destinationCidrBlock"]
    return Made(f"{table}_{to}")


def endpoint(account: Account, request: Request) -> Made:
    """A gateway or interface endpoint."""
    made = account.client("ec2").create_vpc_endpoint(
        **request.given(
            VpcId="vpcId",
            ServiceName="serviceName",
            VpcEndpointType="vpcEndpointType",
            RouteTableIds="routeTableIds",
            SubnetIds="subnetIds",
            SecurityGroupIds="securityGroupIds",
            PrivateDnsEnabled="privateDnsEnabled",
        ),
        TagSpecifications=_tagged("vpc-endpoint", request),
    )
    return Made(made["VpcEndpoint"]["VpcEndpointId"])


def _tagged(kind: str, request: Request) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": request.tag_list()}]


def _arn(account: Account, resource: str) -> str:
    return f"arn:aws:ec2:{account.region}:{account.id}:{resource}"


MAKERS: dict[str, Maker] = {
    "aws:ec2/vpc:Vpc": vpc,
    "aws:ec2/subnet:Subnet": subnet,
    "aws:ec2/internetGateway:InternetGateway": internet_gateway,
    "aws:ec2/eip:Eip": address,
    "aws:ec2/natGateway:NatGateway": nat_gateway,
    "aws:ec2/routeTable:RouteTable": route_table,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": association,
    "aws:ec2/route:Route": route,
    "aws:ec2/vpcEndpoint:VpcEndpoint": endpoint,
}
