"""Security groups and their rules."""

from __future__ import annotations

from typing import Any

from rehearsal.aws_resources.account import Account, Made, Maker, Request


def group(account: Account, request: Request) -> Made:
    """A group without rules: the provider removes the one that AWS gives to a new group."""
    ec2 = account.client("ec2")
    made = ec2.create_security_group(
        GroupName=request.inputs["name"],
        Description=request.inputs["description"],
        VpcId=request.inputs["vpcId"],
        TagSpecifications=[{"ResourceType": "security-group", "Tags": request.tag_list()}],
    )["GroupId"]
    _empty(ec2, made)
    arn = f"arn:aws:ec2:{account.region}:{account.id}:security-group/{made}"
    return Made(made, {"arn": arn})


def default_group(account: Account, request: Request) -> Made:
    """The group that came with the VPC, taken over and emptied."""
    ec2 = account.client("ec2")
    found = ec2.describe_security_groups(
        Filters=[
            {"Name": "vpc-id", "Values": [request.inputs["vpcId"]]},
            {"Name": "group-name", "Values": ["default"]},
        ]
    )["SecurityGroups"][0]["GroupId"]
    _empty(ec2, found)
    ec2.create_tags(Resources=[found], Tags=request.tag_list())
    return Made(found)


def ingress(account: Account, request: Request) -> Made:
    """One rule for who may come in."""
    made = account.client("ec2").authorize_security_group_ingress(**_rule(request))
    return Made(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])


def egress(account: Account, request: Request) -> Made:
    """One rule for where members may go."""
    made = account.client("ec2").authorize_security_group_egress(**_rule(request))
    return Made(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])


def _rule(request: Request) -> dict[str, Any]:
    said = {"Description": request.inputs["description"]}
    permission: dict[str, Any] = request.given(
        IpProtocol="ipProtocol", FromPort="fromPort", ToPort="toPort"
    )
    if "cidrIpv4" in request.inputs:
        permission["IpRanges"] = [{"CidrIp": request.inputs["cidrIpv4"], **said}]
    if "referencedSecurityGroupId" in request.inputs:
        other = request.inputs["referencedSecurityGroupId"]
        permission["UserIdGroupPairs"] = [{"GroupId": other, **said}]
    if "prefixListId" in request.inputs:
        permission["PrefixListIds"] = [{"PrefixListId": request.inputs["prefixListId"], **said}]
    return {
        "GroupId": request.inputs["securityGroupId"],
        "IpPermissions": [permission],
        "TagSpecifications": [{"ResourceType": "security-group-rule", "Tags": request.tag_list()}],
    }


def _empty(ec2: Any, group_id: str) -> None:
    found = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    if found["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=group_id, IpPermissions=found["IpPermissions"])
    if found["IpPermissionsEgress"]:
        ec2.revoke_security_group_egress(
            GroupId=group_id, IpPermissions=found["IpPermissionsEgress"]
        )


MAKERS: dict[str, Maker] = {
    "aws:ec2/securityGroup:SecurityGroup": group,
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": default_group,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ingress,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": egress,
}
