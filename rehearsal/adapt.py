"""Turn any environment into one that this machine can rehearse, and say what was changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from provision.config.environment import Environment, LoadBalancerSettings, Scheme
from provision.config.fallback import FallbackSettings

_MOST_ENGINES = 2  # a host: enough for one to serve while the other is changed


@dataclass(frozen=True, slots=True)
class Adapted:
    """An environment for the machine room, and in words what differs from the one asked for."""

    environment: Environment
    changes: tuple[str, ...]


def adapt(
    wanted: Environment,
    room: Environment,
    *,
    mounts: tuple[str, ...],
    hosts: int | None,
    outage: bool = False,
) -> Adapted:
    """Rehearse *wanted* in the machine room that *room* (``Pulumi.rehearsal.yaml``) describes.

    Model, region, zones, instance type, cache and health policy stay as *wanted* says. Addresses,
    images, access and the way to AWS come from *room*, and what a tiny model on shared CPUs can't
    keep: knowing answers, and being as fast as before. *mounts* let the engine's image use the
    engine installed on this machine. With *outage* there is a fallback, the room's; without it
    there is none, whatever *wanted* says.
    """
    count = hosts or min(wanted.fleet.hosts, room.fleet.hosts)
    engine = replace(
        wanted.engine,
        image=room.engine.image,
        max_model_len=min(wanted.engine.max_model_len, room.engine.max_model_len),
        max_num_batched_tokens=None,
        tensor_parallel_size=1,
        replicas_per_host=min(wanted.engine.replicas_per_host or 1, _MOST_ENGINES),
        extra_args=dict(room.engine.extra_args),
        env=dict(room.engine.env),
        extra_pip=(),
        mounts=mounts,
    )
    fleet = replace(
        wanted.fleet,
        hosts=count,
        max_hosts=max(count + 1, wanted.fleet.max_hosts or 0),
        os=room.fleet.os,
        ami=room.fleet.ami,
        capacity_reservation_id=None,
        capacity_block=False,
    )
    health = replace(
        wanted.health,
        warmup_slowdown=room.health.warmup_slowdown,
        warmup_expect=room.health.warmup_expect,
    )
    environment = replace(
        wanted,
        name=room.name,
        engine=engine,
        fleet=fleet,
        network=room.network,
        load_balancer=LoadBalancerSettings(scheme=Scheme.INTERNAL),
        access=room.access,
        front=replace(wanted.front, image=room.front.image),
        health=health,
        fallback=room.fallback if outage else FallbackSettings(),
        toolkit=room.toolkit,
        hub=room.hub,
        aws=room.aws,
    )
    return Adapted(environment, tuple(_changes(wanted, environment)))


def _changes(wanted: Environment, rehearsed: Environment) -> list[str]:
    lines = [
        "AWS is a moto server on this machine; hosts are network namespaces with sshd and Docker",
        "the engine is vLLM for CPUs with a tiny random model under the real name",
    ]
    if wanted.fleet.hosts != rehearsed.fleet.hosts:
        lines.append(f"{rehearsed.fleet.hosts} host(s) instead of {wanted.fleet.hosts}")
    engines = rehearsed.engine.replicas_per_host
    if wanted.engine.replicas_per_host not in (None, engines):
        lines.append(f"{engines} engines a host instead of {wanted.engine.replicas_per_host}")
    if wanted.engine.max_model_len != rehearsed.engine.max_model_len:
        lines.append(
            f"max_model_len {rehearsed.engine.max_model_len} instead of"
            f" {wanted.engine.max_model_len}"
        )
    if wanted.health.warmup_expect != rehearsed.health.warmup_expect:
        lines.append("health.warmup_expect is left out: the tiny model knows no answer")
    if rehearsed.fallback.exists:
        lines.append("hosted answers come from a stand-in; the switch has shorter times")
    elif wanted.fallback.exists:
        lines.append("there is no fallback: `fab rehearse --outage` rehearses one")
    if wanted.load_balancer.certificate_arn:
        lines.append("plain HTTP inside this machine instead of TLS at the load balancer")
    return lines
