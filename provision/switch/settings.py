"""What the function was told by Pulumi: one JSON document in its environment, ``SWITCH``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provision.switch.errors import SettingsError
from provision.switch.policy import Policy
from provision.switch.policy import parse as parse_policy
from provision.switch.rule import Groups
from provision.switch.values import Role

VARIABLE = "SWITCH"


@dataclass(frozen=True, slots=True)
class Settings:
    """The resources that the switch works on, and its policy.

    Attributes:
        endpoint: where clients go; with the probe header a request there reaches the primary only.
        gateway: where the fallback is asked directly.
        alarms: the names of the alarms of each role; one of them in ALARM speaks for the role.
        spend_table: the counter of what the fallback cost, None when nobody counts.
        asg_name: the group that must not shrink while its hosts have no traffic, None for none.
    """

    environment: str
    groups: Groups
    traffic_rule_arn: str
    endpoint: str
    gateway: str
    model: str
    chat: bool
    probe_key_secret: str
    parameter_root: str
    topic_arn: str
    alarms: Mapping[Role, tuple[str, ...]]
    spend_table: str | None
    asg_name: str | None
    aws_endpoint_url: str | None
    policy: Policy

    @property
    def intent_parameter(self) -> str:
        """What people want; the switch only reads it."""
        return f"{self.parameter_root}/switch/intent"

    @property
    def hints_parameter(self) -> str:
        """What the switch remembers; only the switch writes it."""
        return f"{self.parameter_root}/switch/hints"

    @property
    def metric_namespace(self) -> str:
        """Where the numbers of the audit lines go."""
        return f"llm-fleet/{self.environment}"


def parse(text: str | None) -> Settings:
    """Read the document. Raises SettingsError naming what is missing or wrong."""
    if not text:
        raise SettingsError(
            f"the function's environment has no {VARIABLE}", hint="`pulumi up` writes it"
        )
    try:
        settings = _settings(json.loads(text))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(
            f"{VARIABLE} of the function's environment is not as expected: {error!r}",
            hint="`pulumi up` with the version of llm-fleet that made the function",
        ) from None
    if settings.policy.daily_cap_usd is not None and settings.spend_table is None:
        raise SettingsError(
            "there is a daily cap, and no table that counts what is spent",
            hint="name spend_table, or take daily_cap_usd out",
        )
    return settings


def _settings(said: dict[str, Any]) -> Settings:
    return Settings(
        environment=_text(said, "environment"),
        groups=Groups(
            _text(said, "primary_target_group_arn"), _text(said, "fallback_target_group_arn")
        ),
        traffic_rule_arn=_text(said, "traffic_rule_arn"),
        endpoint=_text(said, "endpoint"),
        gateway=_text(said, "gateway"),
        model=_text(said, "model"),
        chat=bool(said["chat"]),
        probe_key_secret=_text(said, "probe_key_secret"),
        parameter_root=_text(said, "parameter_root"),
        topic_arn=_text(said, "topic_arn"),
        alarms={Role(role): _names(role, names) for role, names in said["alarms"].items()},
        spend_table=said.get("spend_table") or None,
        asg_name=said.get("asg_name") or None,
        aws_endpoint_url=said.get("aws_endpoint_url") or None,
        policy=parse_policy(said.get("policy", {})),
    )


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is empty or no text")
    return value


def _names(role: str, names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"alarms.{role} is not a list of names")
    return tuple(names)
