"""What a deploy changes, host by host, and why: values in, a Plan out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from provision.commands.host_program import release_folder
from provision.config.environment import Environment
from provision.errors import PlanError, Refused
from provision.facts.host import HostFacts
from provision.facts.inventory import Host
from provision.planning import gateway as way_out
from provision.planning.actions import (
    AcceptProbeKey,
    ApplyRelease,
    MirrorImages,
    ProveGpu,
    PublishRelease,
    SeedWeights,
    UploadFiles,
    WaitInTraffic,
    WaitReady,
)
from provision.planning.finish import finish, lagging, promotes
from provision.planning.gateway import Gateway
from provision.planning.pace import CAREFUL, Pace
from provision.planning.plan import Plan, Step, Wave
from provision.planning.release import Release
from provision.planning.rollout import (
    eased,
    freed,
    grip,
    held,
    intend,
    loose,
    prepared,
    refuse_unseen,
    rollout,
)
from provision.planning.situation import Situation, Target, premise, serving
from provision.planning.stations import Asked, Move, Shape, move

TRAFFIC_TIMEOUT_S = 300.0
_ON_THE_WAY = {"starting", "warming"}


def plan_deploy(
    environment: Environment,
    target: Target,
    situation: Situation,
    *,
    setup: Sequence[Wave] = (),
    hub_token_secret: str = "",
    pace: Pace = CAREFUL,
    accept_downtime: bool = False,
    gateway: Gateway | None = None,
) -> Plan:
    """Bring every host of *situation* to *target*; empty when all serve it already.

    *setup* are the waves that make the hosts able to run containers at all. Hosts that serve are
    changed one after the other at *pace*, or with *accept_downtime* all at once. The *gateway*
    comes along; None leaves it as it is. Raises Refused when too few would serve meanwhile, when
    the weights need a token that is not there, and when the gateway's guard says no; PlanError when
    there is nobody to deploy to.
    """
    if not len(situation.inventory):
        raise PlanError(
            f"environment {environment.name!r} has no running host",
            hint="is the Auto Scaling group still launching? `fab status` shows what is there",
        )
    if not situation.reachable:
        reasons = "\n".join(f"  {name}: {why}" for name, why in situation.unreachable.items())
        raise PlanError(f"no host can be reached\n{reasons}", hint="`fab doctor` finds the cause")
    moves = tuple(_moves(target, situation))
    ease = eased(pace, situation)
    if accept_downtime:
        # All at once; but where engines can be changed one by one, that is the quicker way back.
        moves, ease = tuple(one for one in moves if one.engines), replace(ease, min_healthy=0)
    refuse_unseen(moves, situation.unreachable)
    rolled = rollout(
        moves,
        environment,
        ease,
        serving=len(serving(situation)),
        asked=Asked(target.release.model, target.chat),
    )
    processes = grip(situation)
    _guard_token(target, situation, hub_token_secret)
    if gateway is not None:
        way_out.guard(environment, gateway, model=target.release.model)
    waves = (
        *setup,
        _publish(target, situation),
        _fill_stores(environment, target, situation, gateway),
        # The gateway before any host: it is where answers come from when a rollout goes wrong. When
        # it does not come up, no later wave begins, and every host still runs what it ran.
        *_bring_gateway(environment, target, gateway),
        _start(environment, target, situation, later={move.host.name for move in moves}),
        *prepared(moves),
        *held(rolled, processes),
    )
    work = tuple(wave for wave in waves if wave.steps)
    release, promote = target.release, promotes(target.release.id, situation)
    last = finish(
        release.model,
        chat=target.chat,
        promote=release.id if promote else None,
        before=situation.current,
    )
    return Plan(
        title=f"deploy {target.release.id} ({target.release.model}) to {environment.name}",
        waves=(*work, last) if work or promote else work,
        expects={host.name: situation.facts[host.name].release for host in situation.reachable},
        premise=premise(situation),
        notes=tuple(_notes(environment, target, situation, gateway)),
        left_out=dict(situation.unreachable),
        afterwards=freed(rolled, processes) or (loose(situation) if work or promote else ()),
        intent=intend(situation, pace, release.model, chat=target.chat, release=release.id)
        if rolled
        else None,
    )


def _moves(target: Target, situation: Situation) -> Iterator[Move]:
    """Hosts with an engine of another release, or one that will not serve by itself.

    Also those out of traffic: they may be in it again before their turn comes.
    """
    release, shape = target.release, Shape(target.engines, target.release.model)
    for host in situation.reachable:
        facts = situation.facts[host.name]
        if facts.release is not None and not _comes_by_itself(facts, release):
            why = _why(facts, release)
            one = move(situation, host.name, why=why, wanted=release.id, shape=shape)
            yield replace(one, fetch=False)  # it was uploaded by then


def _comes_by_itself(facts: HostFacts, release: Release) -> bool:
    agent = facts.agent or {}
    well = agent.get("ready_for") == release.id or agent.get("state") in _ON_THE_WAY
    return facts.release == release.id and well and not agent.get("maintenance")


def _guard_token(target: Target, situation: Situation, secret: str) -> None:
    if target.gated and not situation.weights_published and not situation.hub_token:
        raise Refused(
            f"{target.repository} is gated and the environment has no Hub token",
            hint=f"accept its licence on the Hub, then put a token into the secret {secret}",
        )


def _publish(target: Target, situation: Situation) -> Wave:
    release = target.release
    steps = []
    if situation.new_probe_key:
        key = AcceptProbeKey(situation.new_probe_key)
        steps.append(Step(None, "make a probe key", "there is none to ask with", key))
    if not situation.published:
        steps.append(
            Step(None, f"publish {release.id}", "not in the bucket yet", PublishRelease(release))
        )
    upload = UploadFiles(dict(release.files), release_folder(release.id))  # one copy for all
    for host in situation.reachable:
        if release.id not in situation.facts[host.name].releases:
            steps.append(Step(host, f"upload {release.id}", "not on the host yet", upload))
    return Wave("publish and upload", tuple(steps))


def _bring_gateway(
    environment: Environment, target: Target, gateway: Gateway | None
) -> tuple[Wave, ...]:
    if gateway is None:
        return ()
    model, chat = target.release.model, target.chat
    return (way_out.bring(environment, gateway, model=model, chat=chat),)


def _fill_stores(
    environment: Environment, target: Target, situation: Situation, gateway: Gateway | None
) -> Wave:
    """Images and weights, each through one host; through up to three of them at a time."""
    missing = tuple(image for image in target.images if not situation.mirrored.get(image.target))
    first, *others = situation.reachable
    steps = []
    if missing:
        names = ", ".join(image.tag for image in missing)
        action = MirrorImages(target.release.id, missing)
        steps.append(Step(first, f"mirror {names}", "not in the registry yet", action))
    if not situation.weights_published:
        seed = SeedWeights(
            repository=target.repository,
            revision=target.revision,
            folder=target.weights_folder,
            endpoint=environment.hub.endpoint,
            gated=bool(target.gated),
            release_id=target.release.id,
        )
        summary = f"fetch {target.repository} into the bucket"
        host = others[0] if others else first
        steps.append(Step(host, summary, "not in the bucket yet", seed))
    if gateway is not None:
        host = others[1] if len(others) > 1 else first
        steps += way_out.build(gateway, target.release.id, host)
    return Wave("fill registry and bucket", tuple(steps))


def _start(
    environment: Environment, target: Target, situation: Situation, *, later: Set[str]
) -> Wave:
    """Start what carries no traffic; hosts that do come *later*, in their turn."""
    steps: list[Step] = []
    for host in (host for host in situation.reachable if host.name not in later):
        steps += _start_one(environment, target, situation, host)
    return Wave("start", tuple(steps))


def _start_one(
    environment: Environment, target: Target, situation: Situation, host: Host
) -> Iterator[Step]:
    release = target.release
    facts = situation.facts[host.name]
    agent = facts.agent or {}
    ready = facts.release == release.id and agent.get("ready_for") == release.id
    on_the_way = facts.release == release.id and agent.get("state") in _ON_THE_WAY
    if not ready:
        if not on_the_way:
            if facts.gpus:
                action = ProveGpu(release.id, _engine_image(target), len(facts.gpus))
                yield Step(host, "prove the GPU in a container", "before the engine starts", action)
            start = ApplyRelease(release.id, first=facts.release is None)
            yield Step(host, f"start {release.id}", _why(facts, release), start)
        waiting = WaitReady(release.id, float(environment.health.ready_timeout_s))
        yield Step(host, "wait until ready", "the agent warms the engine", waiting)
    if not ready or host.name not in situation.in_traffic:
        reason = "the load balancer checks the agent"
        yield Step(host, "wait for traffic", reason, WaitInTraffic(TRAFFIC_TIMEOUT_S))


def _why(facts: HostFacts, release: Release) -> str:
    if facts.release is None:
        return "runs nothing"
    if facts.release != release.id:
        return f"runs {facts.release}"
    if (facts.agent or {}).get("maintenance"):
        return "is away on purpose"
    state = (facts.agent or {}).get("state")
    return f"its engine is {state}" if state else "its agent does not answer"


def _notes(
    environment: Environment, target: Target, situation: Situation, gateway: Gateway | None
) -> Iterator[str]:
    for name, reason in situation.unreachable.items():
        yield f"{name} is left out: {reason.splitlines()[0]}"
    yield from lagging(target.release.id, situation)
    if situation.partial and environment.fallback.exists:
        yield "only some hosts: the gateway stays as it is"
    if gateway is not None:
        yield from way_out.notes(gateway)
    if target.gated is None and not situation.weights_published and not situation.hub_token:
        yield f"nobody knows whether {target.repository} is gated; there is no Hub token"
    blind = [host.name for host in situation.reachable if not situation.facts[host.name].gpus]
    if blind:
        yield f"no GPU was seen on {_some(blind)}"
    yield from _short_of_disk(target, situation)


def _short_of_disk(target: Target, situation: Situation) -> Iterator[str]:
    """Hosts that may not hold two images and five releases: a note, for image sizes are guesses.

    The host program itself checks the exact sizes before it fetches.
    """
    needed = target.disk.root_volume_gib if target.disk else 0.0
    for host in situation.reachable:
        facts = situation.facts[host.name]
        new = target.release.id not in facts.releases
        if new and facts.root_free_gib is not None and facts.root_free_gib < needed:
            yield (
                f"{host.name} has {facts.root_free_gib:.0f} GiB free; two engine images and five"
                f" releases may need {needed:.0f}"
            )


def _engine_image(target: Target) -> str:
    return next(image.target for image in target.images if image.tag.startswith("engine-"))


def _some(names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
