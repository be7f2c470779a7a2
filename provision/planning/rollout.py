"""Changing hosts while the fleet serves: who is away when, and what each goes through. Pure.

A host leaves traffic before its engine is told anything, is emptied, gets what it shall run in its
own place, is warmed, comes back, and is watched for a while; only then the next one goes. No spare
GPU is needed, and no request is lost: the load balancer sends none to a host that is away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from provision.config.environment import Environment
from provision.config.timeouts import chain
from provision.errors import Refused
from provision.facts.host import HostFacts
from provision.facts.inventory import Host
from provision.planning.actions import (
    ApplyRelease,
    AskFront,
    Bake,
    BeginMaintenance,
    DrainHost,
    EnterTraffic,
    FreeFleet,
    HoldFleet,
    LeaveTraffic,
    WaitReady,
)
from provision.planning.intent import Intent, Kind
from provision.planning.pace import Pace
from provision.planning.plan import Step, Wave
from provision.planning.situation import Situation, serves

TRAFFIC_TIMEOUT_S = 300.0
LEAVE_TIMEOUT_S = 60.0
FRONT_TIMEOUT_S = 60.0
_MARGIN_S = 120.0
_NOTHING_TO_EMPTY = {"hung", "crash-loop", "stopped", "no-release"}

# What the Auto Scaling group would do to a host that is away. (AZRebalance is off for good.)
HELD = ("Launch", "Terminate", "ReplaceUnhealthy")


@dataclass(frozen=True, slots=True)
class Move:
    """One host, and the release that it shall run; with *restart* also when it runs it already.

    With *fetch* the host takes it from the bucket, for nobody uploads it. One that is ready counts
    as *in_traffic*, whether or not the load balancer calls it healthy (*sent_to*) at the moment.
    """

    host: Host
    facts: HostFacts
    in_traffic: bool
    wanted: str
    why: str
    restart: bool = False
    fetch: bool = False
    sent_to: bool = True

    @property
    def away(self) -> bool:
        """Nobody counts on it now, so changing it costs no capacity."""
        return not self.in_traffic


@dataclass(frozen=True, slots=True)
class Asked:
    """How a host's front is asked before it is sent clients: by what it serves, or for *model*."""

    model: str | None = None
    chat: bool = False


ANYTHING = Asked()


def rollout(
    moves: Sequence[Move],
    environment: Environment,
    pace: Pace,
    *,
    serving: int,
    asked: Asked = ANYTHING,
    whatever_serves: bool = False,
) -> tuple[Wave, ...]:
    """The waves in which *moves* happen; *serving* hosts get traffic now, in all of the fleet.

    Hosts that are away already come first, and serve then; after them one that serves alone, then
    ``max_unavailable`` at a time, each only when all before it went well. Raises Refused
    when fewer than ``min_healthy`` hosts would serve meanwhile; *whatever_serves* says that it
    shall be tried, for no host leaves traffic anyway before so many others are in it.
    """
    idle = [move for move in moves if move.away]
    busy = sorted((move for move in moves if not move.away), key=lambda move: move.sent_to)
    if not whatever_serves:
        _guard(busy, pace, serving + len(idle))
    waves = []
    if idle:
        title = f"bring back {_names(idle)}: {serving} of {serving} keep serving"
        waves.append(Wave(title, _wave(idle, environment, pace, asked)))
        serving += len(idle)
    for batch in _batches(busy, pace.max_unavailable):
        left = serving - len(batch)
        title = f"change {_names(batch)}: {left} of {serving} keep serving"
        waves.append(Wave(title, _wave(batch, environment, pace, asked), needs_all=True))
    return tuple(waves)


def refuse_unseen(moves: Sequence[Move], unreachable: Mapping[str, str]) -> None:
    """Raise Refused when serving hosts move and another can't be reached: nobody knows whether that
    one serves or is coming."""
    if unreachable and not all(move.away for move in moves):
        reasons = "".join(f"\n  {name}: {why.splitlines()[0]}" for name, why in unreachable.items())
        raise Refused(
            f"serving hosts are changed only while all hosts can be seen{reasons}",
            hint="`fab doctor` finds the cause; or leave it out with --hosts",
        )


def held(waves: tuple[Wave, ...], processes: Sequence[str]) -> tuple[Wave, ...]:
    """*waves* of a rollout behind the one that suspends *processes*; nothing for nothing."""
    if not waves or not processes:
        return waves
    reason = f"suspends {', '.join(processes)}"
    step = Step(None, "hold the group", reason, HoldFleet(tuple(processes)))
    return (Wave("before", (step,)), *waves)


def freed(waves: tuple[Wave, ...], processes: Sequence[str]) -> tuple[Step, ...]:
    """What is done in every ending of a rollout of *waves*."""
    return (free(processes),) if waves and processes else ()


def free(processes: Sequence[str]) -> Step:
    """The group does again what it is for."""
    reason = f"resumes {', '.join(processes)}"
    return Step(None, "free the group", reason, FreeFleet(tuple(processes)))


def move(
    situation: Situation,
    name: str,
    *,
    why: str,
    wanted: str | None = None,
    restart: bool = False,
) -> Move:
    """The host *name*, brought to the release *wanted*, or (None) to the one that it runs."""
    facts = situation.facts[name]
    host = next(host for host in situation.inventory if host.name == name)
    release = wanted or facts.release or ""
    return Move(
        host=host,
        facts=facts,
        in_traffic=serves(host, situation),
        wanted=release,
        why=why,
        restart=restart,
        fetch=release not in facts.releases,
        sent_to=name in situation.in_traffic,
    )


def odd_hosts(situation: Situation) -> Iterator[str]:
    """Notes on hosts that can't be reached, and on those that run what booting hosts do not."""
    for name, reason in situation.unreachable.items():
        yield f"{name} is left out: {reason.splitlines()[0]}"
    strange = sorted(
        name
        for name, facts in situation.facts.items()
        if situation.current and facts.release not in (None, situation.current)
    )
    if strange:
        names = ", ".join(strange)
        yield f"{names} do not run {situation.current}, which booting hosts take: `fab deploy`"


def eased(pace: Pace, situation: Situation) -> Pace:
    """*pace*, with nobody who must serve while all traffic goes to the fallback."""
    return replace(pace, min_healthy=0) if situation.primary_weight == 0 else pace


def grip(situation: Situation) -> tuple[str, ...]:
    """Processes that a rollout suspends and resumes: those that nobody else has suspended."""
    return tuple(name for name in HELD if name not in situation.suspended)


def intend(
    situation: Situation, pace: Pace, model: str, *, chat: bool, release: str | None = None
) -> Intent:
    """A rollout of *release* to all of *situation*, or (None) of what each host runs already."""
    return Intent(
        kind=Kind.RESTART if release is None else Kind.RELEASE,
        model=model,
        chat=chat,
        pace=pace,
        before={name: facts.release for name, facts in sorted(situation.facts.items())},
        release=release,
        whole=not situation.partial,
        current=situation.current,
        previous=situation.previous,
        held=grip(situation),
    )


def _guard(busy: Sequence[Move], pace: Pace, serving: int) -> None:
    most = min(pace.max_unavailable, len(busy))
    if busy and serving - most < pace.min_healthy:
        raise Refused(
            f"{serving} host(s) serve; with {most} away {serving - most} would,"
            f" and at least {pace.min_healthy} must; nothing was changed",
            hint="fewer at a time (--max-unavailable), a host more (fleet.hosts),"
            " or --accept-downtime",
        )


def _batches(busy: Sequence[Move], size: int) -> Iterator[Sequence[Move]]:
    """The first alone: what is wrong with a release shows on one host."""
    if busy:
        yield busy[:1]
    for start in range(1, len(busy), size):
        yield busy[start : start + size]


def _wave(
    moves: Sequence[Move], environment: Environment, pace: Pace, asked: Asked
) -> tuple[Step, ...]:
    return tuple(step for move in moves for step in _steps(move, environment, pace, asked))


def _steps(move: Move, environment: Environment, pace: Pace, asked: Asked) -> Iterator[Step]:
    host, release = move.host, move.wanted
    ready_s = float(environment.health.ready_timeout_s)
    drain_s = pace.drain_s or float(chain(environment.engine).front_read_s)
    if move.facts.release is not None:  # also of who is away: it may come back before its turn
        # As long as it takes to leave and be emptied; a host that is longer without an operator
        # goes back into the load balancer by itself, which sends nothing before it is ready.
        lease = BeginMaintenance(LEAVE_TIMEOUT_S + drain_s + _MARGIN_S)
        yield Step(host, "mark as away on purpose", "ends by itself if nobody does", lease)
        leave = LeaveTraffic(LEAVE_TIMEOUT_S, others=pace.min_healthy)
        yield Step(host, "leave traffic", "before the engine is told anything", leave)
        state = (move.facts.agent or {}).get("state")
        if state not in _NOTHING_TO_EMPTY:
            reason = f"what runs may end, for {drain_s:.0f} s at most"
            yield Step(host, "wait until it is empty", reason, DrainHost(drain_s))
    yield _start(move)
    yield Step(host, "wait until ready", "the agent warms the engine", WaitReady(release, ready_s))
    ask = AskFront(FRONT_TIMEOUT_S, asked.model, asked.chat)
    yield Step(host, "ask its own front", "whole and streamed, where nobody else can answer", ask)
    reason = "registered, and healthy to the load balancer"
    yield Step(host, "enter traffic", reason, EnterTraffic(TRAFFIC_TIMEOUT_S))
    if pace.bake_s:
        reason = "no restart, no missed canary, no errors, no later tokens"
        yield Step(host, f"watch it for {pace.bake_s:.0f} s", reason, Bake(release, pace.bake_s))


def _start(move: Move) -> Step:
    """Also where nothing is to be started: who was killed may have left an apply that still runs,
    and the host ends that before it takes up the next."""
    agent, release = move.facts.agent or {}, move.wanted
    there = move.facts.release == release and agent.get("ready_for") == release
    action = ApplyRelease(release, restart=move.restart, fetch=move.fetch)
    if there and not move.restart:
        reason = "after whatever is still applied there"
        return Step(move.host, f"settle on {release}", reason, action)
    return Step(move.host, f"start {release}", move.why, action)


def _names(moves: Sequence[Move], limit: int = 3) -> str:
    names = [move.host.name for move in moves]
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
