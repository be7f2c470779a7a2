"""The switch as Lambda gets it: an archive of its sources, and a document in its environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from provision.catalog.model import Model
from provision.config.environment import Environment
from provision.render.bundle import AGENT, archive, sources
from provision.render.gateway import spend_table, switch_policy

SWITCH = AGENT.with_name("switch")
HANDLER = "provision.switch.handler.handler"
VARIABLE = "SWITCH"
INTENT, HINTS = "switch/intent", "switch/hints"  # below the environment's parameter root


@dataclass(frozen=True, slots=True)
class Found:
    """What is known when the environment has been provisioned."""

    endpoint: str
    traffic_rule_arn: str
    primary_target_group_arn: str
    fallback_target_group_arn: str
    probe_key_secret: str
    topic_arn: str
    asg_name: str


def switch_bundle() -> bytes:
    """``switch.zip``: the sources below provision/switch; the same bytes on every machine."""
    return archive(sources("switch", SWITCH))


def switch_document(
    environment: Environment, found: Found, *, model: Model, alarms: Mapping[str, Sequence[str]]
) -> str:
    """The variable ``SWITCH``, as provision.switch.settings reads it; no secret.

    *alarms* are names by the role that they have for the switch. The gateway is asked through the
    load balancer: a hosted token then proves the whole way that clients would take.
    """
    document = {
        "environment": environment.name,
        "model": environment.model.served_name or environment.model.name,
        "chat": model.chat is not False,
        **asdict(found),
        "gateway": found.endpoint,
        "parameter_root": environment.parameter_root,
        "alarms": {role: list(names) for role, names in alarms.items()},
        "spend_table": spend_table(environment),
        "aws_endpoint_url": environment.aws.endpoint_url,
        "policy": switch_policy(environment.fallback),
    }
    # Lambda takes 4 KiB of variables.
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
