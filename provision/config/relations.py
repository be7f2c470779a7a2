"""What values must be to each other. Each relation names the fields that it looks at."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from provision.config import flags
from provision.config.environment import Egress, Environment, OperatingSystem, Purchase, Scheme
from provision.config.fallback_rules import RELATIONS as FALLBACK
from provision.config.hub import is_public
from provision.config.images import PUBLIC, registry
from provision.config.relation import Relation
from provision.config.schema import concerns
from provision.errors import Problem

MIBPS_PER_IOPS = 0.25  # gp3: throughput for each provisioned IOPS
IOPS_PER_GIB = 500  # gp3, above the 3,000 that every volume has
FREE_IOPS = 3000
EXPECTED_TOKENS = 256  # room for the answer, and for what the agent puts before a question

USERS = {
    OperatingSystem.UBUNTU_2204: ("ubuntu",),
    OperatingSystem.UBUNTU_2404: ("ubuntu",),
    OperatingSystem.AL2023: ("ec2-user",),
    OperatingSystem.DEBIAN_12: ("admin", "root"),
}


def check(environment: Environment, *, except_for: Collection[str] = ()) -> Iterator[Problem]:
    """Problems between values, leaving out relations that involve one of *except_for*."""
    for relation in RELATIONS:
        if not any(concerns(path, field) for path in except_for for field in relation.fields):
            yield from relation.check(environment)


def _capacity(env: Environment) -> Iterator[Problem]:
    if env.fleet.max_hosts is not None and env.fleet.max_hosts < env.fleet.hosts:
        yield Problem(
            "fleet.max_hosts",
            f"{env.fleet.max_hosts} is less than fleet.hosts, {env.fleet.hosts}",
        )


def _reservation(env: Environment) -> Iterator[Problem]:
    fleet = env.fleet
    path = "fleet.capacity_reservation_id"
    if fleet.capacity_block and fleet.capacity_reservation_id is None:
        yield Problem(path, "is missing", "fleet.capacity_block needs the id of the block")
    if fleet.capacity_reservation_id is None:
        return
    if fleet.purchase is Purchase.SPOT:
        yield Problem(
            "fleet.purchase",
            "spot instances can't use a capacity reservation",
            f"write on-demand, or leave {path} out",
        )
    if fleet.zones > 1:
        yield Problem(
            "fleet.zones", "a capacity reservation stands in one zone", f"write 1, or drop {path}"
        )


def _existing_network(env: Environment) -> Iterator[Problem]:
    network = env.network
    subnets = {
        "network.private_subnet_ids": network.private_subnet_ids,
        "network.public_subnet_ids": network.public_subnet_ids,
    }
    if network.vpc_id is None:
        for path, ids in subnets.items():
            if ids:
                yield Problem(path, "belongs to an existing VPC", "set network.vpc_id too")
        return
    least = max(2, env.fleet.zones)
    needed = ["network.private_subnet_ids"]
    if env.load_balancer.scheme is Scheme.INTERNET_FACING:
        needed.append("network.public_subnet_ids")
    for path in needed:
        if len(set(subnets[path])) < least:
            yield Problem(
                path,
                f"{len(set(subnets[path]))} subnet(s); network.vpc_id needs at least {least}",
                "one in each of as many zones: a load balancer stands in two or more",
            )


def _isolated_network(env: Environment) -> Iterator[Problem]:
    if env.network.egress is not Egress.ENDPOINTS:
        return
    hint = "name a mirror inside the network, or use network.egress: nat"
    if is_public(env.hub.endpoint):
        yield Problem("hub.endpoint", f"hosts without NAT can't reach {env.hub.endpoint}", hint)
    for path, image in (("engine.image", env.engine.image), ("front.image", env.front.image)):
        if registry(image) in PUBLIC:
            yield Problem(path, f"hosts without NAT can't reach {registry(image)}", hint)


def _volume(env: Environment) -> Iterator[Problem]:
    cache = env.model_cache
    if cache.throughput_mibps > cache.iops * MIBPS_PER_IOPS:
        yield Problem(
            "model_cache.throughput_mibps",
            f"{cache.throughput_mibps} MiB/s needs {cache.throughput_mibps / MIBPS_PER_IOPS:.0f}"
            f" IOPS; model_cache.iops is {cache.iops}",
            "gp3 gives 0.25 MiB/s for each IOPS",
        )
    most = max(FREE_IOPS, cache.size_gib * IOPS_PER_GIB)
    if cache.iops > most:
        yield Problem(
            "model_cache.iops",
            f"{cache.iops} is more than {most}, the most that {cache.size_gib} GiB can have",
            f"gp3 gives {IOPS_PER_GIB} IOPS for each GiB",
        )


def _certificate(env: Environment) -> Iterator[Problem]:
    arn = env.load_balancer.certificate_arn
    if arn is None:
        return
    if env.load_balancer.domain_name is None:
        message = "is missing: clients check the certificate against it"
        yield Problem("load_balancer.domain_name", message, "write the name on the certificate")
    if arn.split(":")[3] != env.region:
        yield Problem(
            "load_balancer.certificate_arn",
            f"stands in {arn.split(':')[3]}, the load balancer in {env.region}",
            f"ask ACM for a certificate in {env.region}",
        )


def _clients(env: Environment) -> Iterator[Problem]:
    balancer = env.load_balancer
    path = "load_balancer.allowed_cidrs"
    if balancer.scheme is Scheme.INTERNET_FACING and not balancer.allowed_cidrs:
        yield Problem(
            path, "is empty: nobody could come in", 'say who may; ["0.0.0.0/0"] is everyone'
        )
    if balancer.scheme is Scheme.INTERNAL and "0.0.0.0/0" in balancer.allowed_cidrs:
        yield Problem(
            path,
            "0.0.0.0/0 makes no sense for an internal load balancer",
            "name the networks that reach it (VPN, peered VPCs), or leave it empty",
        )


def _user(env: Environment) -> Iterator[Problem]:
    usual = USERS[env.fleet.os]
    if env.access.user in {name for names in USERS.values() for name in names} - set(usual):
        yield Problem(
            "access.user",
            f"{env.access.user} is not the user of {env.fleet.os.value}",
            f"write {' or '.join(usual)}",
        )


def _batch(env: Environment) -> Iterator[Problem]:
    tokens, sequences = env.engine.max_num_batched_tokens, env.engine.max_num_seqs
    if tokens is not None and sequences is not None and tokens < sequences:
        yield Problem(
            "engine.max_num_batched_tokens",
            f"{tokens} is less than engine.max_num_seqs, {sequences}",
            "every running sequence takes at least one token a step",
        )


def _expectation(env: Environment) -> Iterator[Problem]:
    expect, context = env.health.warmup_expect, env.engine.max_model_len
    if (expect.prompt is None) != (expect.matches is None):
        known, missing = ("prompt", "matches") if expect.prompt else ("matches", "prompt")
        yield Problem(
            f"health.warmup_expect.{missing}", "is missing", f"{known} alone can't be checked"
        )
    elif expect.prompt is not None and len(expect.prompt) + EXPECTED_TOKENS >= context:
        yield Problem(
            "health.warmup_expect.prompt",
            f"{len(expect.prompt)} characters may not fit into engine.max_model_len, {context},"
            f" beside the answer",
            "a shorter question",
        )


def _flags(env: Environment) -> Iterator[Problem]:
    yield from flags.check(env.engine)


RELATIONS = (
    Relation(("fleet.hosts", "fleet.max_hosts"), _capacity),
    Relation(
        (
            "fleet.capacity_block",
            "fleet.capacity_reservation_id",
            "fleet.purchase",
            "fleet.zones",
        ),
        _reservation,
    ),
    Relation(
        (
            "network.vpc_id",
            "network.private_subnet_ids",
            "network.public_subnet_ids",
            "load_balancer.scheme",
            "fleet.zones",
        ),
        _existing_network,
    ),
    Relation(("network.egress", "hub.endpoint", "engine.image", "front.image"), _isolated_network),
    Relation(("model_cache.size_gib", "model_cache.iops", "model_cache.throughput_mibps"), _volume),
    Relation(
        ("load_balancer.certificate_arn", "load_balancer.domain_name", "region"), _certificate
    ),
    Relation(("load_balancer.scheme", "load_balancer.allowed_cidrs"), _clients),
    Relation(("fleet.os", "access.user"), _user),
    Relation(("engine.max_num_batched_tokens", "engine.max_num_seqs"), _batch),
    Relation(
        ("health.warmup_expect.prompt", "health.warmup_expect.matches", "engine.max_model_len"),
        _expectation,
    ),
    Relation(("engine.extra_args", "engine.env"), _flags),
    *FALLBACK,
)
