"""The image repository: what hosts pull, so that no public hub is needed at 3 am."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws.ecr as ecr
from pulumi import Output, ResourceOptions

from provision.config.environment import Environment

IMAGES_KEPT = 40  # engine and front of twenty releases; hosts keep five
UNTAGGED_KEPT_DAYS = 14


@dataclass(frozen=True)
class RegistryArgs:
    """Whose repository."""

    environment: Environment


class Registry(pulumi.ComponentResource):
    """Tags never move, images are scanned when they come, old ones go."""

    url: Output[str]
    arn: Output[str]

    def __init__(self, name: str, args: RegistryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Registry", name, None, opts)
        repository = ecr.Repository(
            f"{name}-repository",
            name=args.environment.prefix,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(
                scan_on_push=True
            ),
            encryption_configurations=[
                ecr.RepositoryEncryptionConfigurationArgs(encryption_type="AES256")
            ],
            tags={"Name": args.environment.prefix},
            opts=ResourceOptions(parent=self),
        )
        ecr.LifecyclePolicy(
            f"{name}-lifecycle",
            repository=repository.name,
            policy=json.dumps(_lifecycle()),
            opts=ResourceOptions(parent=self),
        )
        self.url, self.arn = repository.repository_url, repository.arn
        self.register_outputs({"url": self.url})


def _lifecycle() -> dict[str, object]:
    expire = {"type": "expire"}
    untagged = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_KEPT_DAYS,
    }
    tagged = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": IMAGES_KEPT}
    return {
        "rules": [
            {"rulePriority": 1, "description": "untagged", "selection": untagged, "action": expire},
            {"rulePriority": 2, "description": "old", "selection": tagged, "action": expire},
        ]
    }
