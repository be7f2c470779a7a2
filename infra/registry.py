"""The image repository: what hosts pull, so that no public hub is needed at 3 am."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws.ecr as ecr
from pulumi import Output, ResourceOptions

from provision.config.environment import Environment

IMAGES_KEPT = 40  # engines of as many releases; hosts keep five
# What changes seldom is old when it is needed: counted with the engines it would go first.
KEPT_APART = {"front-": 10, "gateway-": 10}
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
    untagged = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_KEPT_DAYS,
    }
    # A prefix each, for a rule with several means images that have all of them. ECR lets no later
    # rule take what an earlier one is about, and wants the one about any image last.
    apart = {
        f"old {prefix}*": {"tagStatus": "tagged", "tagPrefixList": [prefix], **_more_than(count)}
        for prefix, count in KEPT_APART.items()
    }
    rest = {"tagStatus": "any", **_more_than(IMAGES_KEPT)}
    selections = {"untagged": untagged, **apart, "old": rest}
    return {
        "rules": [
            {
                "rulePriority": number,
                "description": name,
                "selection": selection,
                "action": {"type": "expire"},
            }
            for number, (name, selection) in enumerate(selections.items(), start=1)
        ]
    }


def _more_than(count: int) -> dict[str, object]:
    return {"countType": "imageCountMoreThan", "countNumber": count}
