"""What is refused before anything is declared: mistakes that AWS would accept and someone regret,
or would answer with an error that does not say what to do.

Most of them stand in :mod:`provision.config`, where ``fab config.check`` finds them too; here is
what only the resources themselves know.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.subnets import ZONES_MAX, subnet_pairs
from provision.config.check import require_provisionable
from provision.config.environment import Environment
from provision.errors import Refused


def check(environment: Environment) -> None:
    """Raise ConfigError (exit 2) or Refused (exit 3) with every reason not to provision it."""
    source = f"Pulumi.{environment.name}.yaml"
    require_provisionable(environment, source=source)
    found = list(_network(environment))
    if found:
        raise Refused(
            "\n".join([f"environment {environment.name} is not provisioned:", *found]),
            hint=f"edit {source}",
        )


def _network(environment: Environment) -> Iterator[str]:
    settings, zones = environment.network, environment.fleet.zones
    if not 1 <= zones <= ZONES_MAX:
        yield f"  fleet.zones: {zones} is not between 1 and {ZONES_MAX}"
    elif settings.vpc_id is None:
        try:
            subnet_pairs(settings.cidr, zones)
        except Refused as refusal:
            yield f"  {refusal.message} ({refusal.hint})"
