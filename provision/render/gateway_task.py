"""The gateway's task on Fargate: containers, rights and tables, as values for who declares them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provision.config import hosted
from provision.config.environment import Environment
from provision.render.front import TASK_PLACES
from provision.render.gateway import STALE_TTL, TABLE_KEY, answer_s, spend_table, stale_table
from provision.render.places import FRONT_PORT, GATEWAY_PORT, GATEWAY_RUN

RUN_VOLUME = "run"
STOP_TIMEOUT_MAX_S = 120  # Fargate's own limit
READINESS = "/health/readiness"
FRONT_CONFIG = f"{TASK_PLACES.scratch}/nginx.conf"
# Models that are called through a profile of several regions begin with one of these.
_PROFILES = ("us.", "eu.", "apac.", "au.", "jp.", "us-gov.", "global.")


def containers(
    environment: Environment,
    *,
    gateway_image: str,
    front_image: str,
    document: str,
    nginx_config: str,
    log_group: str,
) -> list[dict[str, Any]]:
    """The container definitions: the gateway, and the front before it.

    *document* is :func:`provision.render.gateway.gateway_document`'s; *nginx_config* the front's,
    with the gateway as its only engine.
    """
    mount = {"sourceVolume": RUN_VOLUME, "containerPath": GATEWAY_RUN}
    gateway = {
        "name": "gateway",
        "image": gateway_image,
        "essential": True,
        "environment": [{"name": "GATEWAY", "value": document}],
        "mountPoints": [{**mount, "readOnly": False}],
        "healthCheck": _health_check(),
        "stopTimeout": stop_timeout_s(environment),
        "logConfiguration": _logs(environment, log_group, "gateway"),
    }
    front = {
        "name": "front",
        "image": front_image,
        "essential": True,
        "entryPoint": ["sh", "-c"],
        "command": [
            f'printf %s "$NGINX_CONF" > {FRONT_CONFIG}'
            f" && exec nginx -e /dev/stderr -c {FRONT_CONFIG}"
        ],
        "environment": [{"name": "NGINX_CONF", "value": nginx_config}],
        "portMappings": [{"containerPort": FRONT_PORT, "protocol": "tcp"}],
        "mountPoints": [{**mount, "readOnly": True}],
        "readonlyRootFilesystem": True,  # all that nginx writes goes to memory
        # The hop secret and the key socket are there when the gateway serves.
        "dependsOn": [{"containerName": "gateway", "condition": "HEALTHY"}],
        "stopTimeout": stop_timeout_s(environment),
        "logConfiguration": _logs(environment, log_group, "front"),
    }
    return [gateway, front]


def stop_timeout_s(environment: Environment) -> int:
    """How long a task has for its last answers, as far as Fargate lets it."""
    return min(STOP_TIMEOUT_MAX_S, answer_s(environment))


def statements(environment: Environment, *, account_id: str) -> list[dict[str, Any]]:
    """What the task's role may do. Nothing of the load balancer, of hosts, or of other secrets."""
    return [dict(statement) for statement in _statements(environment, account_id)]


def tables(environment: Environment) -> list[dict[str, Any]]:
    """The DynamoDB tables, in CreateTable's words; *ttl* is an attribute's name, or None."""
    found: list[dict[str, Any]] = [
        {"name": spend_table(environment), "hash_key": TABLE_KEY, "ttl": None}
    ]
    if environment.fallback.stale_answers:
        stale = {"name": stale_table(environment), "hash_key": TABLE_KEY, "ttl": STALE_TTL}
        found.append(stale)
    return found


def _statements(environment: Environment, account_id: str) -> Iterator[dict[str, Any]]:
    def arn(service: str, resource: str) -> str:
        return f"arn:aws:{service}:{environment.region}:{account_id}:{resource}"

    secrets = [f"{environment.secret_root}/client-keys", *hosted.key_secrets(environment).values()]
    yield _allow(
        "ReadKeys",
        ["secretsmanager:GetSecretValue"],
        # Secrets Manager puts six characters of its own behind a name.
        [arn("secretsmanager", f"secret:{name}-??????") for name in secrets],
    )
    yield _allow(
        "CountSpend",
        ["dynamodb:GetItem", "dynamodb:UpdateItem"],
        [arn("dynamodb", f"table/{spend_table(environment)}")],
    )
    if environment.fallback.stale_answers:
        yield _allow(
            "KeepAnswers",
            ["dynamodb:GetItem", "dynamodb:PutItem"],
            [arn("dynamodb", f"table/{stale_table(environment)}")],
        )
    models = [*_bedrock(environment, account_id)]
    if models:
        actions = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
        yield _allow("AskBedrock", actions, models)


def _bedrock(environment: Environment, account_id: str) -> Iterator[str]:
    """The models; those behind a profile are asked in whichever of its regions has room."""
    for provider in environment.fallback.providers:
        if hosted.company(provider) != hosted.BEDROCK:
            continue
        name = hosted.model_name(provider)
        prefix = next((prefix for prefix in _PROFILES if name.startswith(prefix)), "")
        where = "*" if prefix else environment.region
        if prefix:
            yield f"arn:aws:bedrock:{environment.region}:{account_id}:inference-profile/{name}"
        yield f"arn:aws:bedrock:{where}::foundation-model/{name.removeprefix(prefix)}"


def _allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def _health_check() -> dict[str, Any]:
    """As the image has it: ECS reads only what the task says."""
    url = f"http://127.0.0.1:{GATEWAY_PORT}{READINESS}"
    ask = f"import urllib.request as r; r.urlopen('{url}', timeout=3)"
    return {
        "command": ["CMD", "python3", "-c", ask],
        "interval": 5,
        "timeout": 4,
        "retries": 3,
        "startPeriod": 120,
    }


def _logs(environment: Environment, group: str, stream: str) -> dict[str, Any]:
    options = {
        "awslogs-group": group,
        "awslogs-region": environment.region,
        "awslogs-stream-prefix": stream,
    }
    return {"logDriver": "awslogs", "options": options}
