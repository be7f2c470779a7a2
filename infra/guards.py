"""What is refused before anything is declared: mistakes that AWS would accept and someone regret,
or would answer with an error that does not say what to do.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.names import LOAD_BALANCER_NAME_MAX, longest_name
from infra.subnets import ZONES_MAX, ZONES_MIN, subnet_pairs
from provision.config.environment import Environment, Purchase, Scheme
from provision.config.timeouts import chain
from provision.errors import Refused


def check(environment: Environment) -> None:
    """Raise Refused with every reason not to provision *environment*."""
    found = list(_objections(environment))
    if found:
        raise Refused(
            "\n".join([f"environment {environment.name} is not provisioned:", *found]),
            hint=f"edit Pulumi.{environment.name}.yaml",
        )


def _objections(environment: Environment) -> Iterator[str]:
    yield from _load_balancer(environment)
    yield from _network(environment)
    yield from _fleet(environment)
    excess = len(longest_name(environment)) - LOAD_BALANCER_NAME_MAX
    if excess > 0:
        yield f"  the environment's name is {excess} letter(s) too long for a load balancer"
    for problem in chain(environment.engine).problems():
        yield f"  {problem.path}: {problem.message} ({problem.hint})"


def _load_balancer(environment: Environment) -> Iterator[str]:
    settings = environment.load_balancer
    if settings.scheme is Scheme.INTERNET_FACING and not settings.certificate_arn:
        yield (
            "  load_balancer.certificate_arn: internet-facing without a certificate would show"
            " client keys to the world (give one, or scheme: internal)"
        )
    if settings.certificate_arn and f":{environment.region}:" not in settings.certificate_arn:
        yield f"  load_balancer.certificate_arn: not a certificate of {environment.region}"
    if settings.certificate_arn and not settings.domain_name:
        yield "  load_balancer.domain_name: the name on the certificate, which clients check"


def _network(environment: Environment) -> Iterator[str]:
    settings, zones = environment.network, environment.fleet.zones
    if not 1 <= zones <= ZONES_MAX:
        yield f"  fleet.zones: {zones} is not between 1 and {ZONES_MAX}"
    elif settings.vpc_id is None:
        try:
            subnet_pairs(settings.cidr, zones)
        except Refused as refusal:
            yield f"  {refusal.message} ({refusal.hint})"
    else:
        yield from _existing_network(environment)


def _existing_network(environment: Environment) -> Iterator[str]:
    settings = environment.network
    public = environment.load_balancer.scheme is Scheme.INTERNET_FACING
    name = "public_subnet_ids" if public else "private_subnet_ids"
    if len(getattr(settings, name)) < ZONES_MIN:
        yield f"  network.{name}: a load balancer needs subnets in {ZONES_MIN} zones"
    if len(settings.private_subnet_ids) < environment.fleet.zones:
        yield "  network.private_subnet_ids: one subnet for each of fleet.zones"


def _fleet(environment: Environment) -> Iterator[str]:
    fleet = environment.fleet
    if fleet.ami is None:
        yield (
            "  fleet.ami: not pinned, and `latest` would mix drivers in a fleet"
            f" (`fab config.refresh-ami --env {environment.name}` shows and writes one)"
        )
    if fleet.capacity_block and not fleet.capacity_reservation_id:
        yield "  fleet.capacity_reservation_id: say which capacity block"
    if fleet.purchase is Purchase.SPOT and fleet.capacity_reservation_id:
        yield "  fleet.purchase: spot instances don't use a capacity reservation"
    if fleet.max_hosts is not None and fleet.max_hosts < fleet.hosts:
        yield f"  fleet.max_hosts: {fleet.max_hosts} is less than fleet.hosts {fleet.hosts}"
