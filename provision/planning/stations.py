"""What a host goes through when it is changed while the fleet serves. Pure.

Out of traffic before its engine is told anything, emptied, started in its own place, warmed,
asked, back in traffic, and watched for a while. The engines of a host that has several are changed
one at a time before that, while it serves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from provision.config.environment import Environment
from provision.config.timeouts import chain
from provision.facts.host import HostFacts
from provision.facts.inventory import Host
from provision.planning.actions import (
    ApplyRelease,
    AskFront,
    Bake,
    BeginMaintenance,
    DrainHost,
    EnterTraffic,
    LeaveTraffic,
    PrepareRelease,
    WaitReady,
)
from provision.planning.engines import Times, engines_of, one_by_one, singly
from provision.planning.pace import Pace
from provision.planning.plan import Step
from provision.planning.situation import Situation, serves

TRAFFIC_TIMEOUT_S = 300.0
LEAVE_TIMEOUT_S = 60.0
FRONT_TIMEOUT_S = 60.0
_MARGIN_S = 120.0
# What it carries never ends. One that is down is empty within seconds; it may be up by then.
_NEVER_EMPTY = {"hung"}


@dataclass(frozen=True, slots=True)
class Move:
    """One host, and the release that it shall run; with *restart* also when it runs it already.

    With *fetch* the host takes it from the bucket, for nobody uploads it. One that is ready counts
    as *in_traffic*, whether or not the load balancer calls it healthy (*sent_to*) at the moment.
    *engines* of it are changed one at a time while it serves; () is the host as a whole.
    """

    host: Host
    facts: HostFacts
    in_traffic: bool
    wanted: str
    why: str
    restart: bool = False
    fetch: bool = False
    sent_to: bool = True
    engines: tuple[int, ...] = ()

    @property
    def new(self) -> bool:
        """The host as a whole runs another release now, or none."""
        return self.facts.release != self.wanted

    @property
    def leaves(self) -> bool:
        """It leaves traffic on the way, if only for its front."""
        return not self.engines or self.new

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


@dataclass(frozen=True, slots=True)
class Shape:
    """How a release uses a host: how many engines it runs there, and what they are called."""

    engines: int | None = None
    model: str | None = None


UNKNOWN = Shape()


def move(
    situation: Situation,
    name: str,
    *,
    why: str,
    wanted: str | None = None,
    restart: bool = False,
    older_than_s: float | None = None,
    shape: Shape = UNKNOWN,
) -> Move:
    """The host *name*, brought to the release *wanted*, or (None) to the one that it runs.

    With *restart* engines that run it already start anew, or (*older_than_s*) on a host with
    several those that have run for longer. *shape* is that of *wanted*.
    """
    facts = situation.facts[name]
    host = next(host for host in situation.inventory if host.name == name)
    release, serving = wanted or facts.release or "", serves(host, situation)
    age = (older_than_s or 0.0) if restart else None
    one_at_a_time = singly(
        facts, release, same_shape=_same(facts, release, shape), older_than_s=age
    )
    return Move(
        host=host,
        facts=facts,
        in_traffic=serving,
        wanted=release,
        why=why,
        restart=restart,
        fetch=release not in facts.releases,
        sent_to=name in situation.in_traffic,
        engines=one_at_a_time if serving else (),
    )


def get_ready(move: Move) -> Step:
    """Bring to the host what it will run, while it serves: that takes as long as it takes."""
    action = PrepareRelease(move.wanted, fetch=move.fetch)
    return Step(move.host, f"fetch what {move.wanted} needs", "while it serves", action)


def stations(move: Move, environment: Environment, pace: Pace, asked: Asked) -> Iterator[Step]:
    """The steps of one host, in order: its engines one at a time, then the host if need be."""
    times = Times(
        drain_s=drain_s_of(environment, pace),
        ready_s=float(environment.health.ready_timeout_s),
        bake_s=pace.bake_s,
    )
    if move.engines:
        yield from one_by_one(
            move.host, move.facts, move.engines, _apply(move), why=move.why, times=times
        )
        if not move.new:
            yield from _watch(move, times)
            return
        move = replace(move, restart=False, why="its front and what the engines share")
    yield from _whole(move, times, pace, asked)


def drain_s_of(environment: Environment, pace: Pace) -> float:
    """For how long a host may empty itself: what was said, or the longest answer and its queue."""
    return pace.drain_s or float(chain(environment.engine).front_read_s)


def departure(host: Host, facts: HostFacts, *, drain_s: float, others: int) -> Iterator[Step]:
    """A host leaves while at least *others* are in traffic, and ends what it has begun."""
    # As long as it takes to leave and be emptied; a host that is longer without an operator
    # goes back into the load balancer by itself, which sends nothing before it is ready.
    lease_s = LEAVE_TIMEOUT_S + drain_s + _MARGIN_S
    lease = BeginMaintenance(lease_s, others=others, wait_s=LEAVE_TIMEOUT_S)
    yield Step(host, "mark as away on purpose", "ends by itself if nobody does", lease)
    leave = LeaveTraffic(LEAVE_TIMEOUT_S, others=others)
    yield Step(host, "leave traffic", "before the engine is told anything", leave)
    if (facts.agent or {}).get("state") not in _NEVER_EMPTY:
        reason = f"what runs may end, for {drain_s:.0f} s at most"
        yield Step(host, "wait until it is empty", reason, DrainHost(drain_s))


def _whole(move: Move, times: Times, pace: Pace, asked: Asked) -> Iterator[Step]:
    host, release = move.host, move.wanted
    if move.facts.release is not None:  # also of who is away: it may come back before its turn
        yield from departure(host, move.facts, drain_s=times.drain_s, others=pace.min_healthy)
    yield _start(move)
    ready = WaitReady(release, times.ready_s)
    yield Step(host, "wait until ready", "the agent warms the engine", ready)
    ask = AskFront(FRONT_TIMEOUT_S, asked.model, asked.chat)
    yield Step(host, "ask its own front", "whole and streamed, where nobody else can answer", ask)
    reason = "registered, and healthy to the load balancer"
    yield Step(host, "enter traffic", reason, EnterTraffic(TRAFFIC_TIMEOUT_S))
    yield from _watch(move, times)


def _watch(move: Move, times: Times) -> Iterator[Step]:
    if times.bake_s:
        reason = "no restart, no missed canary, no errors, no later tokens"
        bake = Bake(move.wanted, times.bake_s)
        yield Step(move.host, f"watch it for {times.bake_s:.0f} s", reason, bake)


def _start(move: Move) -> Step:
    """Also where nothing is to be started: who was killed may have left an apply that still runs,
    and the host ends that before it takes up the next."""
    agent, release = move.facts.agent or {}, move.wanted
    there = move.facts.release == release and agent.get("ready_for") == release
    action = _apply(move)
    if there and not move.restart:
        reason = "after whatever is still applied there"
        return Step(move.host, f"settle on {release}", reason, action)
    return Step(move.host, f"start {release}", move.why, action)


def _apply(move: Move) -> ApplyRelease:
    return ApplyRelease(move.wanted, restart=move.restart, fetch=move.fetch)


def _same(facts: HostFacts, wanted: str, shape: Shape) -> bool:
    """Whether *wanted* can run on the host side by side with what runs there."""
    if facts.release == wanted:
        return True
    named = shape.model is not None and (facts.agent or {}).get("model") == shape.model
    return named and shape.engines == len(engines_of(facts))
