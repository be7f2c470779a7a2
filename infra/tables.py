"""The gateways' tables: what hosted answers cost, and old answers where they are kept."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws.dynamodb as dynamodb
from pulumi import ResourceOptions

from provision.config.environment import Environment
from provision.render.gateway_task import tables


@dataclass(frozen=True)
class TablesArgs:
    """Whose tables."""

    environment: Environment


class Tables(pulumi.ComponentResource):
    """On demand, encrypted under AWS's own key.

    Without backups: a counter that is set back to yesterday is wrong, and answers are old anyway.
    """

    def __init__(self, name: str, args: TablesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Tables", name, None, opts)
        for table in tables(args.environment):
            full, key, expires = table["name"], table["hash_key"], table["ttl"]
            dynamodb.Table(
                f"{name}-{full.removeprefix(f'{args.environment.prefix}-')}",
                name=full,
                billing_mode="PAY_PER_REQUEST",
                hash_key=key,
                attributes=[dynamodb.TableAttributeArgs(name=key, type="S")],
                ttl=dynamodb.TableTtlArgs(attribute_name=expires, enabled=True)
                if expires
                else None,
                tags={"Name": full},
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})
