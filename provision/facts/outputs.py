"""What the Pulumi program left in SSM, so that Fabric needs no Pulumi binary."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from provision.errors import OutputsMissing

SCHEMA = 2


@dataclass(frozen=True, slots=True)
class FallbackOutputs:
    """The way out: the switch, what people and switch write for each other, and the gateway."""

    switch_function: str
    switch_log_group: str
    intent_parameter: str
    hints_parameter: str
    spend_table: str
    gateway_cluster: str
    gateway_service: str
    gateway_family: str  # of its task definitions; the newest one is what `pulumi up` described
    gateway_log_group: str


@dataclass(frozen=True, slots=True)
class Outputs:
    """The resources that tasks and hosts work on. Written by infra, read by everyone else.

    ``fallback`` is None where the environment has none.
    """

    environment: str
    region: str
    account_id: str
    vpc_id: str
    endpoint: str  # where clients go: https://... or http://...
    load_balancer_arn: str
    listener_arn: str
    traffic_rule_arn: str
    probe_rule_arn: str
    primary_target_group_arn: str
    fallback_target_group_arn: str
    asg_name: str
    bucket: str
    repository_url: str
    host_role_arn: str
    publisher_role_arn: str
    client_keys_secret: str
    probe_key_secret: str
    hub_token_secret: str
    log_group: str
    fallback: FallbackOutputs | None = None

    def to_json(self) -> str:
        """The parameter's text; a standard parameter holds 4,096 characters."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True)


def parse(text: str, *, parameter: str) -> Outputs:
    """Read the parameter's text. Raises OutputsMissing when it is not one that we know."""
    try:
        data = json.loads(text)
        written = data.pop("schema")
        if written != SCHEMA:
            raise KeyError(f"schema {written}, not {SCHEMA}")
        return Outputs(**_texts(Outputs, data), fallback=_fallback(data["fallback"]))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise OutputsMissing(
            f"SSM parameter {parameter} is not an outputs document of this version ({error})",
            hint="run `pulumi up` with this version of llm-fleet",
        ) from error


def _fallback(data: dict[str, Any] | None) -> FallbackOutputs | None:
    return None if data is None else FallbackOutputs(**_texts(FallbackOutputs, data))


def _texts(kind: type, data: dict[str, Any]) -> dict[str, str]:
    names = [field.name for field in fields(kind) if field.name != "fallback"]
    return {name: str(data[name]) for name in names}
