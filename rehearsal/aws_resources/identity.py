"""Roles, their policies and the instance profile; keys."""

from __future__ import annotations

from rehearsal.aws_resources.account import Account, Made, Maker, Request


def role(account: Account, request: Request) -> Made:
    """A role and who may take it."""
    made = account.client("iam").create_role(
        **request.given(
            RoleName="name",
            Description="description",
            AssumeRolePolicyDocument="assumeRolePolicy",
            MaxSessionDuration="maxSessionDuration",
        ),
        Tags=request.tag_list(),
    )["Role"]
    return Made(made["RoleName"], {"arn": made["Arn"], "uniqueId": made["RoleId"]})


def role_policy(account: Account, request: Request) -> Made:
    """An inline policy of a role."""
    account.client("iam").put_role_policy(
        **request.given(RoleName="role", PolicyName="name", PolicyDocument="policy")
    )
    return Made(f"{request.inputs['role']}:{request.inputs['name']}")


def instance_profile(account: Account, request: Request) -> Made:
    """A profile that carries one role."""
    iam = account.client("iam")
    name = request.inputs["name"]
    made = iam.create_instance_profile(InstanceProfileName=name, Tags=request.tag_list())
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=request.inputs["role"])
    return Made(name, {"arn": made["InstanceProfile"]["Arn"]})


def key(account: Account, request: Request) -> Made:
    """A KMS key, rotating."""
    kms = account.client("kms")
    made = kms.create_key(
        **request.given(Description="description", Policy="policy"),
        Tags=[{"TagKey": k, "TagValue": v} for k, v in sorted(request.tags.items())],
    )["KeyMetadata"]
    if request.inputs.get("enableKeyRotation"):
        kms.enable_key_rotation(KeyId=made["KeyId"])
    return Made(made["KeyId"], {"arn": made["Arn"], "keyId": made["KeyId"]})


def alias(account: Account, request: Request) -> Made:
    """A name for a key."""
    account.client("kms").create_alias(
        AliasName=request.inputs["name"], TargetKeyId=request.inputs["targetKeyId"]
    )
    arn = f"arn:aws:kms:{account.region}:{account.id}:{request.inputs['name']}"
    return Made(request.inputs["name"], {"arn": arn})


MAKERS: dict[str, Maker] = {
    "aws:iam/role:Role": role,
    "aws:iam/rolePolicy:RolePolicy": role_policy,
    "aws:iam/instanceProfile:InstanceProfile": instance_profile,
    "aws:kms/key:Key": key,
    "aws:kms/alias:Alias": alias,
}
