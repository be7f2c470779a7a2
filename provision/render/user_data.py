"""User data: what a new instance runs once, so that it can apply releases by itself."""

from __future__ import annotations

import json
from typing import Any

from provision.config.environment import Environment
from provision.config.farewell import heartbeat_s, hook_name
from provision.render.places import ETC, HOST_PROGRAM, RUN
from provision.render.templates import render
from provision.render.units import units

LIMIT_BYTES = 16_384  # of EC2, before its base64


def render_user_data(
    environment: Environment,
    *,
    bucket: str,
    repository_url: str,
    target_group_arn: str,
    bundle_key: str,
    bundle_sha256: str,
    set_up: str,
) -> str:
    """A shell script for cloud-init, below :data:`LIMIT_BYTES`.

    It writes ``/etc/llm-fleet/host.json``, fetches the host program from *bundle_key* of *bucket*
    (checked against *bundle_sha256*), and enables the boot and agent units. *set_up* is the script
    that the host runs before it applies a release at boot. There is no secret in it.
    """
    facts = host_facts(
        environment,
        bucket=bucket,
        repository_url=repository_url,
        target_group_arn=target_group_arn,
    )
    return render(
        "user-data.sh",
        host_json=json.dumps(facts, indent=2),
        units=units(),
        etc=ETC,
        run=RUN,
        host_program=HOST_PROGRAM,
        region=environment.region,
        endpoint_url=environment.aws.endpoint_url or "",
        bucket=bucket,
        bundle_key=bundle_key,
        bundle_sha256=bundle_sha256,
        set_up=set_up,
    )


def host_facts(
    environment: Environment, *, bucket: str, repository_url: str, target_group_arn: str
) -> dict[str, Any]:
    """The content of ``/etc/llm-fleet/host.json``.

    ``max_volumes`` caps the cache volumes that hosts may create: one a host, and one a zone more,
    because volumes stay in their zone when hosts come back in another.
    """
    fleet, cache = environment.fleet, environment.model_cache
    return {
        "environment": environment.name,
        "region": environment.region,
        "bucket": bucket,
        "parameter_root": environment.parameter_root,
        "secret_root": environment.secret_root,
        "repository_url": repository_url,
        "target_group_arn": target_group_arn,
        "aws_endpoint_url": environment.aws.endpoint_url,
        "hook": {
            "group": environment.prefix,
            "name": hook_name(environment),
            "heartbeat_s": heartbeat_s(environment),
        },
        "cache": {
            "size_gib": cache.size_gib,
            "throughput_mibps": cache.throughput_mibps,
            "iops": cache.iops,
            "kms_key_arn": cache.kms_key_arn,
            "max_volumes": max(fleet.hosts, fleet.max_hosts or 0) + fleet.zones,
        },
    }
