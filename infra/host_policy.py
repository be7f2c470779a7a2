"""What a GPU host may do, statement by statement. Pure."""

from __future__ import annotations

from infra.names import CACHE_TAG, ENVIRONMENT_TAG
from infra.policies import (
    Document,
    Scope,
    allow,
    document,
    ec2_arn,
    list_bucket,
    snapshot_arn,
)

HOST_READS = ("bootstrap", "releases", "weights")


def host_policy(scope: Scope) -> Document:
    """What a GPU host may do: read its release, keep its cache volume, tell how it is."""
    return document(
        [
            *_bucket_read(scope),
            *_images(scope),
            *_session_manager(scope),
            *_parameters(scope),
            *_volumes(scope),
            *_cache_key(scope),
            allow("Secrets", ["secretsmanager:GetSecretValue"], list(scope.secret_arns)),
            *_coming_and_going(scope),
            *_telemetry(scope),
        ]
    )


def _coming_and_going(scope: Scope) -> list[Document]:
    """Only in the groups that it belongs to: AWS knows no narrower resource than these."""
    group = scope.arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{scope.asg_name}")
    targets = [
        "elasticloadbalancing:RegisterTargets",  # after a maintenance that nobody ended
        "elasticloadbalancing:DeregisterTargets",  # when AWS takes it away
    ]
    return [
        allow("CallItselfUnhealthy", ["autoscaling:SetInstanceHealth"], [group]),
        allow("SayGoodbye", ["autoscaling:CompleteLifecycleAction"], [group]),
        allow("LeaveAndReturn", targets, [scope.target_group_arn]),
    ]


def _bucket_read(scope: Scope) -> list[Document]:
    objects = [f"{scope.bucket_arn}/{prefix}/*" for prefix in HOST_READS]
    return [allow("Read", ["s3:GetObject"], objects), list_bucket(scope)]


def _images(scope: Scope) -> list[Document]:
    pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    return [
        allow("Pull", pull, [scope.repository_arn]),
        allow("RegistryToken", ["ecr:GetAuthorizationToken"], ["*"]),
    ]


def _session_manager(scope: Scope) -> list[Document]:
    """The agent's part of AmazonSSMManagedInstanceCore, without its read of every parameter."""
    channels = [
        f"ssmmessages:{verb}{kind}Channel"
        for verb in ("Create", "Open")
        for kind in ("Control", "Data")
    ]
    mailbox = [
        f"ec2messages:{action}"
        for action in (
            "AcknowledgeMessage",
            "DeleteMessage",
            "FailMessage",
            "GetEndpoint",
            "GetMessages",
            "SendReply",
        )
    ]
    return [
        allow("SessionManager", channels + mailbox, ["*"]),
        allow("SsmAgent", ["ssm:UpdateInstanceInformation"], [ec2_arn(scope, "instance/*")]),
    ]


def _parameters(scope: Scope) -> list[Document]:
    keys = scope.arn("ssm", f"parameter{scope.parameter_root}/hosts/*")
    return [
        allow(
            "PublishHostKeyOnce",
            ["ssm:PutParameter"],
            [keys],
            {"StringEquals": {"ssm:Overwrite": "false"}},
        ),
        allow("ReadHostKeys", ["ssm:GetParameter"], [keys]),
    ]


def _volumes(scope: Scope) -> list[Document]:
    """Only volumes that carry this environment's cache tag, only on this environment's hosts."""
    requested = {f"aws:RequestTag/{CACHE_TAG}": scope.environment}
    tagged = {f"aws:ResourceTag/{CACHE_TAG}": scope.environment}
    volumes, snapshots = ec2_arn(scope, "volume/*"), snapshot_arn(scope)
    hosts = {f"aws:ResourceTag/{ENVIRONMENT_TAG}": scope.environment}
    move = ["ec2:AttachVolume", "ec2:DetachVolume"]
    return [
        allow("Look", ["ec2:DescribeVolumes", "ec2:DescribeSnapshots"], ["*"]),
        allow(
            "CreateCache",
            ["ec2:CreateVolume"],
            [volumes],
            {"StringEquals": requested, "Bool": {"ec2:Encrypted": "true"}},
        ),
        allow("FromSnapshot", ["ec2:CreateVolume"], [snapshots], {"StringEquals": tagged}),
        allow(
            "TagCache",
            ["ec2:CreateTags"],
            [volumes],
            {"StringEquals": {**requested, "ec2:CreateAction": "CreateVolume"}},
        ),
        allow("MoveCache", move, [volumes], {"StringEquals": tagged}),
        allow("MoveCacheOnHosts", move, [ec2_arn(scope, "instance/*")], {"StringEquals": hosts}),
    ]


def _cache_key(scope: Scope) -> list[Document]:
    """What EC2 does with the key in the host's name when it attaches an encrypted volume."""
    through_ec2 = {"kms:ViaService": f"ec2.{scope.region}.amazonaws.com"}
    use = [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ]
    return [
        allow("UseCacheKey", use, [scope.cache_key_arn], {"StringEquals": through_ec2}),
        allow(
            "LendCacheKey",
            ["kms:CreateGrant"],
            [scope.cache_key_arn],
            {"StringEquals": through_ec2, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]


def _telemetry(scope: Scope) -> list[Document]:
    stream = scope.arn("logs", f"log-group:{scope.log_group}:*")
    return [
        allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], [stream]),
        allow(
            "Metrics",
            ["cloudwatch:PutMetricData"],
            ["*"],
            {"StringEquals": {"cloudwatch:namespace": scope.metric_namespace}},
        ),
    ]
