"""What the program asks before it declares: data sources, answered by moto."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.aws_resources.account import Account

Lookup = Callable[[Account, Mapping[str, Any]], dict[str, Any]]


def caller_identity(account: Account, arguments: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Whose account it is."""
    found = account.client("sts").get_caller_identity()
    return {"accountId": found["Account"], "arn": found["Arn"], "id": found["Account"]}


def availability_zones(account: Account, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Zones of the region."""
    found = account.client("ec2").describe_availability_zones(
        Filters=[{"Name": "state", "Values": [arguments["state"]]}]
    )["AvailabilityZones"]
    return {"id": account.region, "names": [zone["ZoneName"] for zone in found]}


def instance_type_offerings(account: Account, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Zones that sell a type."""
    found = account.client("ec2").describe_instance_type_offerings(
        LocationType=arguments["locationType"],
        Filters=[{"Name": f["name"], "Values": f["values"]} for f in arguments["filters"]],
    )["InstanceTypeOfferings"]
    return {"id": account.region, "locations": [offering["Location"] for offering in found]}


def vpc(account: Account, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A VPC that exists."""
    found = account.client("ec2").describe_vpcs(VpcIds=[arguments["id"]])["Vpcs"][0]
    return {"id": found["VpcId"], "cidrBlock": found["CidrBlock"]}


def prefix_list(account: Account, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Addresses of an AWS service, as a list to name in rules."""
    found = account.client("ec2").describe_managed_prefix_lists()["PrefixLists"]
    matching = [entry for entry in found if entry["PrefixListName"] == arguments["name"]]
    return {"id": matching[0]["PrefixListId"], "name": arguments["name"]}


def parameters_by_path(account: Account, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters right below a path."""
    found = account.client("ssm").get_parameters_by_path(Path=arguments["path"])["Parameters"]
    return {
        "id": arguments["path"],
        "path": arguments["path"],
        "names": [one["Name"] for one in found],
        "values": [one["Value"] for one in found],
    }


def listener_rule(account: Account, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A rule, with the weights that it has now."""
    arn = arguments["arn"]
    (found,) = account.client("elbv2").describe_rules(RuleArns=[arn])["Rules"]
    actions = [
        {
            "order": order,
            "type": action["Type"],
            "forwards": [
                {
                    "targetGroups": [
                        {"arn": group["TargetGroupArn"], "weight": group["Weight"]}
                        for group in action["ForwardConfig"]["TargetGroups"]
                    ]
                }
            ],
        }
        for order, action in enumerate(found["Actions"], start=1)
    ]
    return {"id": arn, "arn": arn, "actions": actions}


LOOKUPS: dict[str, Lookup] = {
    "aws:index/getCallerIdentity:getCallerIdentity": caller_identity,
    "aws:index/getAvailabilityZones:getAvailabilityZones": availability_zones,
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": instance_type_offerings,
    "aws:ec2/getVpc:getVpc": vpc,
    "aws:lb/getListenerRule:getListenerRule": listener_rule,
    "aws:ssm/getParametersByPath:getParametersByPath": parameters_by_path,
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": prefix_list,
}
