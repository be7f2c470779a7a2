"""What the Pulumi program left in SSM, so that Fabric needs no Pulumi binary."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from provision.errors import OutputsMissing

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Outputs:
    """The resources that tasks and hosts work on. Written by infra, read by everyone else."""

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

    def to_json(self) -> str:
        """The parameter's text; a standard parameter holds 4,096 characters."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True)


def parse(text: str, *, parameter: str) -> Outputs:
    """Read the parameter's text. Raises OutputsMissing when it is not one that we know."""
    try:
        data = json.loads(text)
        if data.pop("schema") != SCHEMA:
            raise KeyError("schema")
        names = {field.name for field in fields(Outputs)}
        return Outputs(**{name: str(data[name]) for name in names})
    except (ValueError, KeyError, AttributeError) as error:
        raise OutputsMissing(
            f"SSM parameter {parameter} is not an outputs document of this version ({error})",
            hint="run `pulumi up` with this version of llm-fleet",
        ) from error
