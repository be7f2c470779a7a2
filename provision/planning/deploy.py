"""What a deploy changes, host by host, and why: values in, a Plan out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from provision.commands.host_program import release_folder
from provision.config.environment import Environment
from provision.errors import PlanError, Refused
from provision.facts.host import HostFacts
from provision.facts.inventory import Host, Inventory
from provision.planning.disk import Disk
from provision.planning.plan import (
    AcceptProbeKey,
    ApplyRelease,
    AskThroughLoadBalancer,
    ImageSpec,
    MirrorImages,
    Plan,
    ProveGpu,
    PublishRelease,
    SeedWeights,
    SetCurrent,
    Step,
    UploadFiles,
    WaitInTraffic,
    WaitReady,
    Wave,
)
from provision.planning.release import Release
from provision.secret import Secret

TRAFFIC_TIMEOUT_S = 300.0
ANSWER_TIMEOUT_S = 120.0
_ON_THE_WAY = {"starting", "warming"}


@dataclass(frozen=True, slots=True)
class Target:
    """What shall run: a release, and the images and weights that it needs.

    ``gated`` None: nobody knows whether the Hub asks for a token.
    """

    release: Release
    images: tuple[ImageSpec, ...]
    repository: str
    revision: str
    weights_folder: str  # in the environment's bucket
    gated: bool | None = False
    chat: bool = True
    disk: Disk | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What is there now.

    Attributes:
        inventory: the hosts to deploy to.
        facts: what each host said; a host without facts is in *unreachable* with the reason.
        in_traffic: hosts that the load balancer calls healthy.
        published: the release is in the bucket, whole.
        weights_published: the weights are in the bucket, whole.
        mirrored: image target -> the registry has it.
        current: the release that booting hosts take.
        hub_token: the environment holds a token for the Hub.
        new_probe_key: the key to make known to the fronts, None when they have one already.
        partial: only some of the fleet's hosts were asked for.
    """

    inventory: Inventory
    facts: Mapping[str, HostFacts]
    in_traffic: frozenset[str] = frozenset()
    unreachable: Mapping[str, str] = field(default_factory=dict)
    published: bool = False
    weights_published: bool = False
    mirrored: Mapping[str, bool] = field(default_factory=dict)
    current: str | None = None
    hub_token: bool = False
    new_probe_key: Secret | None = None
    partial: bool = False

    @property
    def reachable(self) -> tuple[Host, ...]:
        """Hosts that can be worked on."""
        return tuple(host for host in self.inventory if host.name in self.facts)


def plan_deploy(
    environment: Environment,
    target: Target,
    situation: Situation,
    *,
    setup: Sequence[Wave] = (),
    hub_token_secret: str = "",
    accept_downtime: bool = False,
) -> Plan:
    """Bring every host of *situation* to *target*; empty when all serve it already.

    *setup* are the waves that make the hosts able to run containers at all. Raises Refused when
    serving hosts would all restart at once (unless *accept_downtime*), when a disk is too small,
    and when the weights need a token that is not there; PlanError when there is nobody to deploy
    to.
    """
    if not len(situation.inventory):
        raise PlanError(
            f"environment {environment.name!r} has no running host",
            hint="is the Auto Scaling group still launching? `fab status` shows what is there",
        )
    if not situation.reachable:
        reasons = "\n".join(f"  {name}: {why}" for name, why in situation.unreachable.items())
        raise PlanError(f"no host can be reached\n{reasons}", hint="`fab doctor` finds the cause")
    _guard_serving(target, situation, accept_downtime=accept_downtime)
    _guard_token(target, situation, hub_token_secret)
    waves = (
        *setup,
        _publish(target, situation),
        _fill_stores(environment, target, situation),
        _start(environment, target, situation),
    )
    work = tuple(wave for wave in waves if wave.steps)
    last = _finish(target, situation, changed=bool(work))
    return Plan(
        title=f"deploy {target.release.id} ({target.release.model}) to {environment.name}",
        waves=(*work, last) if last.steps else work,
        expects={host.name: situation.facts[host.name].release for host in situation.reachable},
        notes=tuple(_notes(target, situation)),
        left_out=dict(situation.unreachable),
    )


def serves(host: Host, situation: Situation) -> bool:
    """Whether clients get answers from the host now."""
    facts = situation.facts[host.name]
    if facts.release is None:
        return False
    return host.name in situation.in_traffic or (facts.agent or {}).get("state") == "ready"


def _guard_serving(target: Target, situation: Situation, *, accept_downtime: bool) -> None:
    restarted = [
        host.name
        for host in situation.reachable
        if serves(host, situation) and situation.facts[host.name].release != target.release.id
    ]
    if restarted and not accept_downtime:
        raise Refused(
            f"{len(restarted)} host(s) serve now and would all restart at once:"
            f" {_some(restarted)}; nothing was changed",
            hint="deploy to free hosts with --hosts, or say --accept-downtime",
        )


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


def _fill_stores(environment: Environment, target: Target, situation: Situation) -> Wave:
    """Images and weights, each through one host; through two hosts at a time when there are two."""
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
    return Wave("fill registry and bucket", tuple(steps))


def _start(environment: Environment, target: Target, situation: Situation) -> Wave:
    steps: list[Step] = []
    for host in situation.reachable:
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
            yield Step(host, f"start {release.id}", _why(facts, release), ApplyRelease(release.id))
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
    state = (facts.agent or {}).get("state")
    return f"its engine is {state}" if state else "its agent does not answer"


def _finish(target: Target, situation: Situation, *, changed: bool) -> Wave:
    release = target.release
    promote = situation.current != release.id and not situation.partial
    if not changed and not promote:
        return Wave("finish", ())
    ask = AskThroughLoadBalancer(release.model, ANSWER_TIMEOUT_S, target.chat)
    steps = [
        Step(None, "ask through the load balancer", "an answer must come from our own engine", ask)
    ]
    if promote:
        reason = f"booting hosts take {situation.current or 'nothing'} now"
        steps.append(Step(None, f"make {release.id} current", reason, SetCurrent(release.id)))
    return Wave("finish", tuple(steps), needs_all=True)


def _notes(target: Target, situation: Situation) -> Iterator[str]:
    for name, reason in situation.unreachable.items():
        yield f"{name} is left out: {reason.splitlines()[0]}"
    if situation.partial and situation.current != target.release.id:
        yield "only some hosts: booting hosts keep taking " + (situation.current or "nothing")
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
