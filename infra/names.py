"""What resources are called, inside the limits that AWS sets, and which tags they carry."""

from __future__ import annotations

from provision.config.environment import Environment

CACHE_TAG = "llm-fleet:cache"
ENVIRONMENT_TAG = "llm-fleet:environment"

PRIMARY = "primary"
FALLBACK = "fallback"


def target_group_name(environment: Environment, side: str) -> str:
    """Name of the target group of one *side* of the switch."""
    return f"{environment.prefix}-{side}"


def bucket_name(environment: Environment, account_id: str) -> str:
    """Bucket names are global: the account keeps two owners of one environment name apart."""
    return f"{environment.prefix}-{account_id}-{environment.region}"


def log_group_name(environment: Environment) -> str:
    """Where the hosts' agents write."""
    return f"{environment.parameter_root}/hosts"


def outputs_parameter(environment: Environment) -> str:
    """Where the program writes what tasks must know."""
    return f"{environment.parameter_root}/outputs"


def gateway_log_group(environment: Environment) -> str:
    """Where the gateway's tasks write."""
    return f"{environment.parameter_root}/gateway"


def switch_name(environment: Environment) -> str:
    """The switch's function, its role's and its schedule's name."""
    return f"{environment.prefix}-switch"


def switch_log_group(environment: Environment) -> str:
    """Where Lambda writes what the switch says: the name is Lambda's choice."""
    return f"/aws/lambda/{switch_name(environment)}"


def alarm_name(environment: Environment, name: str) -> str:
    """Full name of the alarm that :mod:`infra.alarms` calls *name*."""
    return f"{environment.prefix}-{name}"


def topic_name(environment: Environment) -> str:
    """The topic that tells people."""
    return f"{environment.prefix}-alarms"


def metric_namespace(environment: Environment) -> str:
    """The only namespace that hosts may write metrics to."""
    return f"llm-fleet/{environment.name}"


def common_tags(environment: Environment) -> dict[str, str]:
    """Tags of every resource: what it belongs to, and whom to ask."""
    return {
        ENVIRONMENT_TAG: environment.name,
        "llm-fleet:owner": environment.owner,
        "Project": "llm-fleet",
    }


def cache_tags(environment: Environment) -> dict[str, str]:
    """The tag by which hosts, their rights and the snapshots know a cache volume."""
    return {CACHE_TAG: environment.name}
