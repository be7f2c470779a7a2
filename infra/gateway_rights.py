"""What ECS may do for the gateway's tasks. What the tasks themselves may do stands beside their
definition, in provision.render.gateway_task. Pure."""

from __future__ import annotations

from infra.policies import Document, allow, document


def execution_policy(*, repository_arn: str, log_group_arn: str) -> Document:
    """Fetch the images of this environment, and write what their containers say."""
    pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    write = ["logs:CreateLogStream", "logs:PutLogEvents"]
    return document(
        [
            allow("Pull", pull, [repository_arn]),
            allow("RegistryToken", ["ecr:GetAuthorizationToken"], ["*"]),
            allow("Logs", write, [f"{log_group_arn}:*"]),
        ]
    )
