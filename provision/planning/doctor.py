"""What is wrong with a host: checks in the order in which one cause explains the next ones."""

from __future__ import annotations

from provision.catalog.instances import instance_type
from provision.config.environment import Environment
from provision.errors import CatalogError
from provision.facts import doctor as evidence
from provision.facts.host import HostFacts
from provision.facts.inventory import Host
from provision.planning import doctor_docker, doctor_gpu, doctor_system
from provision.planning.doctor_case import Case
from provision.planning.finding import Finding

CHECKS = (*doctor_system.FIRST, *doctor_gpu.CHECKS, *doctor_docker.CHECKS, *doctor_system.CHECKS)


def diagnose(
    environment: Environment, host: Host, facts: HostFacts, *, now_s: float
) -> tuple[Finding, ...]:
    """Every check on one host, from a thorough look at it; *now_s* is our own clock."""
    case = Case(
        environment=environment,
        host=host,
        facts=facts,
        evidence=evidence.parse(facts.raw),
        expected_gpus=_gpus_of(host.instance_type),
        now_s=now_s,
    )
    return tuple(check(case) for check in CHECKS)


def _gpus_of(name: str) -> int | None:
    try:
        return instance_type(name).gpus
    except CatalogError:
        return None
