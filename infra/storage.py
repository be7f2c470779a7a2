"""The bucket: releases, weights, benchmarks, and the program that a booting host starts with."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass

import pulumi
import pulumi_aws.s3 as s3
from pulumi import Output, ResourceOptions

from infra.names import bucket_name
from infra.policies import bucket_policy
from provision.config.environment import Environment

OLD_VERSIONS_KEPT_DAYS = 30
UNFINISHED_UPLOADS_KEPT_DAYS = 7


@dataclass(frozen=True)
class StorageArgs:
    """Whose bucket, and the host program (a zipapp) that goes into it."""

    environment: Environment
    account_id: Output[str]
    host_bundle: bytes


class Storage(pulumi.ComponentResource):
    """Versioned, encrypted, private, TLS only; protected, and kept when the stack goes."""

    bucket: Output[str]
    bucket_arn: Output[str]
    bundle_key: str
    bundle_sha256: str

    def __init__(self, name: str, args: StorageArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Storage", name, None, opts)
        self._name = name
        bucket = s3.Bucket(
            f"{name}-bucket",
            bucket=args.account_id.apply(lambda account: bucket_name(args.environment, account)),
            tags={"Name": args.environment.prefix},
            opts=ResourceOptions(parent=self, protect=True, retain_on_delete=True),
        )
        self.bucket, self.bucket_arn = bucket.bucket, bucket.arn
        block = self._close()
        self._keep()
        self._only_tls(block)
        self.bundle_sha256 = hashlib.sha256(args.host_bundle).hexdigest()
        self.bundle_key = f"bootstrap/host-{self.bundle_sha256[:12]}.pyz"
        self._bundle(args.host_bundle)
        self.register_outputs({"bucket": self.bucket})

    def _close(self) -> s3.BucketPublicAccessBlock:
        s3.BucketOwnershipControls(
            f"{self._name}-ownership",
            bucket=self.bucket,
            rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=ResourceOptions(parent=self),
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{self._name}-encryption",
            bucket=self.bucket,
            rules=[
                s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=(
                        s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                            sse_algorithm="AES256"
                        )
                    )
                )
            ],
            opts=ResourceOptions(parent=self),
        )
        return s3.BucketPublicAccessBlock(
            f"{self._name}-private",
            bucket=self.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=ResourceOptions(parent=self),
        )

    def _keep(self) -> None:
        """Old versions are the way back from a deletion; unfinished uploads only cost."""
        versioning = s3.BucketVersioning(
            f"{self._name}-versioning",
            bucket=self.bucket,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(
                status="Enabled"
            ),
            opts=ResourceOptions(parent=self),
        )
        s3.BucketLifecycleConfiguration(
            f"{self._name}-lifecycle",
            bucket=self.bucket,
            rules=[
                s3.BucketLifecycleConfigurationRuleArgs(
                    id="tidy",
                    status="Enabled",
                    filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    noncurrent_version_expiration=(
                        s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                            noncurrent_days=OLD_VERSIONS_KEPT_DAYS
                        )
                    ),
                    abort_incomplete_multipart_upload=(
                        s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                            days_after_initiation=UNFINISHED_UPLOADS_KEPT_DAYS
                        )
                    ),
                )
            ],
            opts=ResourceOptions(parent=self, depends_on=[versioning]),
        )

    def _only_tls(self, block: s3.BucketPublicAccessBlock) -> None:
        s3.BucketPolicy(
            f"{self._name}-policy",
            bucket=self.bucket,
            policy=self.bucket_arn.apply(lambda arn: json.dumps(bucket_policy(arn))),
            # Two changes to one bucket's access at a time answer "conflicting operation".
            opts=ResourceOptions(parent=self, depends_on=[block]),
        )

    def _bundle(self, content: bytes) -> None:
        s3.BucketObject(
            f"{self._name}-host-program",
            bucket=self.bucket,
            key=self.bundle_key,
            content_base64=base64.b64encode(content).decode(),
            content_type="application/zip",
            # Hosts launched before a change of the program still name the one before at boot.
            opts=ResourceOptions(parent=self, retain_on_delete=True),
        )
