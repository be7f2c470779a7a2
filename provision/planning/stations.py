"""What a host goes through when it is changed while the fleet serves. Pure.

Out of traffic before its engine is told anything, emptied, started in its own place, warmed, asked,
back in traffic, and watched for a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    WaitReady,
)
from provision.planning.pace import Pace
from provision.planning.plan import Step
from provision.planning.situation import Situation, serves

TRAFFIC_TIMEOUT_S = 300.0
LEAVE_TIMEOUT_S = 60.0
FRONT_TIMEOUT_S = 60.0
_MARGIN_S = 120.0
_NOTHING_TO_EMPTY = {"hung", "crash-loop", "stopped", "no-release"}


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


def stations(move: Move, environment: Environment, pace: Pace, asked: Asked) -> Iterator[Step]:
    """The steps of one host, in order."""
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
