"""Bucket, repository, secrets and parameters."""

from __future__ import annotations

import base64
from typing import Any

from rehearsal.aws_resources.account import Account, Made, Maker, Request, capitalised


def bucket(account: Account, request: Request) -> Made:
    """A bucket with its tags."""
    s3 = account.client("s3")
    name = request.inputs["bucket"]
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    s3.create_bucket(Bucket=name, **({} if account.region == "us-east-1" else elsewhere))
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": request.tag_list()})
    return Made(name, {"arn": f"arn:aws:s3:::{name}", "bucket": name})


def ownership(account: Account, request: Request) -> Made:
    """Who owns objects."""
    rule = {"ObjectOwnership": request.inputs["rule"]["objectOwnership"]}
    return _setting(account, request, "put_bucket_ownership_controls", OwnershipControls=[rule])


def encryption(account: Account, request: Request) -> Made:
    """How objects are encrypted when nobody says."""
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": {
                "SSEAlgorithm": rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"]
            }
        }
        for rule in request.inputs["rules"]
    ]
    configuration = {"Rules": rules}
    return _setting(
        account,
        request,
        "put_bucket_encryption",
        ServerSideEncryptionConfiguration=configuration,
    )


def public_access(account: Account, request: Request) -> Made:
    """The four ways to be public, closed."""
    configuration = request.given(
        BlockPublicAcls="blockPublicAcls",
        IgnorePublicAcls="ignorePublicAcls",
        BlockPublicPolicy="blockPublicPolicy",
        RestrictPublicBuckets="restrictPublicBuckets",
    )
    return _setting(
        account,
        request,
        "put_public_access_block",
        PublicAccessBlockConfiguration=configuration,
    )


def versioning(account: Account, request: Request) -> Made:
    """Whether old versions stay."""
    status = request.inputs["versioningConfiguration"]["status"]
    return _setting(
        account, request, "put_bucket_versioning", VersioningConfiguration={"Status": status}
    )


def lifecycle(account: Account, request: Request) -> Made:
    """When objects go."""
    rules = [{**capitalised(rule), "ID": rule["id"]} for rule in request.inputs["rules"]]
    for rule in rules:
        rule.pop("Id")
    return _setting(
        account,
        request,
        "put_bucket_lifecycle_configuration",
        LifecycleConfiguration={"Rules": rules},
    )


def bucket_policy(account: Account, request: Request) -> Made:
    """Recorded only: moto reads "deny" without its condition, and would deny everyone."""
    bucket_name, policy = request.inputs["bucket"], request.inputs["policy"]
    account.record("s3", "PutBucketPolicy", Bucket=bucket_name, Policy=policy)
    return Made(bucket_name)


def bucket_object(account: Account, request: Request) -> Made:
    """An object whose content the program holds."""
    inputs = request.inputs
    encoded = inputs.get("contentBase64")
    body = base64.b64decode(encoded) if encoded else inputs["content"].encode()
    account.client("s3").put_object(
        **request.given(Bucket="bucket", Key="key", ContentType="contentType"),
        Body=body,
        Tagging="&".join(f"{_quoted(k)}={_quoted(v)}" for k, v in sorted(request.tags.items())),
    )
    return Made(f"{request.inputs['bucket']}/{request.inputs['key']}")


def repository(account: Account, request: Request) -> Made:
    """An image repository."""
    encrypted = request.inputs["encryptionConfigurations"][0]["encryptionType"]
    scan = request.inputs["imageScanningConfiguration"]["scanOnPush"]
    made = account.client("ecr").create_repository(
        repositoryName=request.inputs["name"],
        imageTagMutability=request.inputs["imageTagMutability"],
        imageScanningConfiguration={"scanOnPush": scan},
        encryptionConfiguration={"encryptionType": encrypted},
        tags=request.tag_list(),
    )["repository"]
    return Made(
        made["repositoryName"],
        {"arn": made["repositoryArn"], "repositoryUrl": made["repositoryUri"]},
    )


def image_lifecycle(account: Account, request: Request) -> Made:
    """When images go."""
    account.client("ecr").put_lifecycle_policy(
        repositoryName=request.inputs["repository"], lifecyclePolicyText=request.inputs["policy"]
    )
    return Made(request.inputs["repository"])


def secret(account: Account, request: Request) -> Made:
    """A place for a secret, without a value."""
    made = account.client("secretsmanager").create_secret(
        **request.given(Name="name", Description="description"), Tags=request.tag_list()
    )["ARN"]
    return Made(made, {"arn": made})


def parameter(account: Account, request: Request) -> Made:
    """An SSM parameter."""
    name = request.inputs["name"]
    account.client("ssm").put_parameter(
        **request.given(Name="name", Type="type", Value="value", Description="description"),
        Tags=request.tag_list(),
    )
    arn = f"arn:aws:ssm:{account.region}:{account.id}:parameter{name}"
    return Made(name, {"arn": arn, "version": 1})


def _setting(account: Account, request: Request, call: str, **parameters: Any) -> Made:
    """One of a bucket's settings; each is a resource of its own, with the bucket's name as id."""
    if "OwnershipControls" in parameters:
        parameters["OwnershipControls"] = {"Rules": parameters["OwnershipControls"]}
    name = request.inputs["bucket"]
    getattr(account.client("s3"), call)(Bucket=name, **parameters)
    return Made(name)


def _quoted(text: str) -> str:
    return text.replace(":", "%3A").replace(" ", "%20")


MAKERS: dict[str, Maker] = {
    "aws:s3/bucket:Bucket": bucket,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ownership,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        encryption
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": public_access,
    "aws:s3/bucketVersioning:BucketVersioning": versioning,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": lifecycle,
    "aws:s3/bucketPolicy:BucketPolicy": bucket_policy,
    "aws:s3/bucketObject:BucketObject": bucket_object,
    "aws:ecr/repository:Repository": repository,
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": image_lifecycle,
    "aws:secretsmanager/secret:Secret": secret,
    "aws:ssm/parameter:Parameter": parameter,
}
