"""Hosts of a changed launch template are replaced, one after the other, by new ones. Pure.

A rollout changes what runs on a host; this changes the host itself: its image, type, disk or user
data. The old one leaves traffic and is emptied before it is ended, and the next one goes only when
another is in traffic in its place. No spare GPU is needed: the group launches when one is free.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from provision.config.environment import Environment
from provision.config.farewell import heartbeat_s
from provision.errors import PlanError, Refused, TooFewServe
from provision.facts.inventory import Host
from provision.planning.actions import (
    AskThroughLoadBalancer,
    TerminateHost,
    WaitReplaced,
)
from provision.planning.finish import ANSWER_TIMEOUT_S
from provision.planning.intent import Intent
from provision.planning.pace import Pace
from provision.planning.plan import Plan, Step, Wave
from provision.planning.rollout import eased, intend
from provision.planning.situation import Situation, premise, serves, serving
from provision.planning.stations import departure, drain_s_of

_BOOT_S = 900.0  # to launch, to set up, to fetch image and weights: before the engine starts
_NEEDED = ("Launch", "Terminate")  # what the group must be free to do


def plan_refresh(
    environment: Environment, situation: Situation, pace: Pace, *, chat: bool = True
) -> Plan:
    """Replace every host of *situation* whose version is not the one that the group launches now.

    Raises PlanError when nobody knows that version, Refused when the group may not launch, when
    booting hosts would take no release, when too few would serve meanwhile, or when a host can't
    be reached.
    """
    version = situation.inventory.template
    if len(situation.inventory) and not version:
        raise PlanError(
            f"nobody knows from which version the group of {environment.name} launches",
            hint="`pulumi up` gives it a launch template",
        )
    old = [host for host in situation.inventory if host.template not in ("", version)]
    if old:
        _refuse_unseen(situation)
        _refuse_idle_group(situation)
    waves = tuple(_waves(old, environment, situation, eased(pace, situation), chat=chat))
    return Plan(
        title=f"replace the hosts of {environment.name} that are not of version {version}",
        waves=waves,
        expects={host.name: situation.facts[host.name].release for host in old},
        premise=premise(situation),
        notes=tuple(_notes(old, situation)),
        left_out=dict(situation.unreachable),
    )


def halfway(environment: Environment, plan: Plan, situation: Situation, pace: Pace) -> Intent:
    """What brings a host of *plan* back that left traffic and was not ended, as it is."""
    model = environment.model.served_name or environment.model.name
    back = intend(situation, pace, model, chat=False)
    return replace(back, before=dict(plan.expects), whole=False, held=())


def _refuse_unseen(situation: Situation) -> None:
    if situation.unreachable:
        reasons = "".join(
            f"\n  {name}: {why.splitlines()[0]}" for name, why in situation.unreachable.items()
        )
        raise Refused(
            f"hosts are replaced only while all of them can be seen{reasons}",
            hint="`fab doctor` finds the cause; or leave it out with --hosts",
        )


def _refuse_idle_group(situation: Situation) -> None:
    idle = [name for name in _NEEDED if name in situation.suspended]
    left = [name for name in _NEEDED if name in situation.still_held]
    if left:
        raise Refused(
            f"a rollout that broke off left {', '.join(left)} of the group suspended:"
            " no host would come; nothing was changed",
            hint="`fab deploy --resume` goes on with it, `--abort` takes it back",
        )
    if idle:
        raise Refused(
            f"{', '.join(idle)} of the Auto Scaling group is suspended: no host would come in the"
            " place of one that is ended; nothing was changed",
            hint=f"`aws autoscaling resume-processes --scaling-processes {' '.join(idle)}"
            " --auto-scaling-group-name ...`",
        )
    if situation.current is None:
        raise Refused(
            "booting hosts would take no release, there is no current one; nothing was changed",
            hint="`fab deploy` makes one current",
        )


def _waves(
    old: Sequence[Host], environment: Environment, situation: Situation, pace: Pace, *, chat: bool
) -> Iterator[Wave]:
    """Hosts from which nobody gets answers go first: they cost no capacity."""
    busy = [host for host in old if serves(host, situation)]
    idle = [host for host in old if host not in busy]
    beside = len(serving(situation) - {host.name for host in idle})
    if busy and beside + len(idle) - 1 < pace.min_healthy:
        raise TooFewServe(
            f"{beside + len(idle)} host(s) serve, and at least {pace.min_healthy} must while one is"
            " replaced; nothing was changed",
            hint="a host more (fleet.hosts), or --accept-downtime",
        )
    known = tuple(sorted(situation.fleet or {host.name for host in situation.inventory}))
    for count, host in enumerate([*idle, *busy], start=1):
        left = beside - 1 if host in busy else beside
        steps = tuple(_farewell(host, environment, situation, pace))
        title = f"replace {host.name}: {left} of {max(beside, left)} keep serving"
        yield Wave(title, steps, needs_all=True)
        beside = left + 1
        place = WaitReplaced(known, count, _patience_s(environment), pace.bake_s)
        yield Wave(
            f"another one in the place of {host.name}",
            tuple(_successor(place, environment, situation, chat=chat)),
            needs_all=True,
        )


def _farewell(
    host: Host, environment: Environment, situation: Situation, pace: Pace
) -> Iterator[Step]:
    """What a rollout does before it touches an engine; then the host is ended."""
    facts, drain_s = situation.facts[host.name], drain_s_of(environment, pace)
    if facts.release is not None:
        yield from departure(host, facts, drain_s=drain_s, others=pace.min_healthy)
    was = f"of version {host.template}; the group launches {situation.inventory.template}"
    yield Step(host, "end it", was, TerminateHost())


def _successor(
    place: WaitReplaced, environment: Environment, situation: Situation, *, chat: bool
) -> Iterator[Step]:
    reason = f"it boots, takes {situation.current}, warms, and is healthy for {place.bake_s:.0f} s"
    yield Step(None, "wait for another one in traffic", reason, place)
    model = environment.model.served_name or environment.model.name
    ask = AskThroughLoadBalancer(model, ANSWER_TIMEOUT_S, chat)
    reason = "an answer must come from our own engine"
    yield Step(None, "ask through the load balancer", reason, ask)


def _patience_s(environment: Environment) -> float:
    """The old one's farewell, the new one's boot, and its engine's start."""
    return heartbeat_s(environment) + _BOOT_S + environment.health.ready_timeout_s


def _notes(old: Sequence[Host], situation: Situation) -> Iterator[str]:
    for name, reason in situation.unreachable.items():
        yield f"{name} is left out: {reason.splitlines()[0]}"
    unknown = [host.name for host in situation.inventory if not host.template]
    if unknown:
        yield f"nobody knows from which version {', '.join(unknown)} came: left as they are"
    for host in old:
        runs = situation.facts[host.name].release
        if runs not in (None, situation.current):
            yield f"{host.name} runs {runs}; the one in its place takes {situation.current}"
