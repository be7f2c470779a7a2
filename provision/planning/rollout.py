"""Changing hosts while the fleet serves: who is away when. Pure.

One host after the other leaves traffic, is changed in its own place, and comes back; only then
the next one goes. No spare GPU is needed, and no request is lost: the load balancer sends none to
a host that is away. What each host goes through is in :mod:`provision.planning.stations`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from provision.config.environment import Environment
from provision.errors import Refused, TooFewServe
from provision.facts.inventory import Host
from provision.planning.actions import FreeFleet, HoldFleet
from provision.planning.intent import Intent, Kind
from provision.planning.pace import Pace
from provision.planning.plan import Step, Wave
from provision.planning.situation import Situation, serves
from provision.planning.stations import ANYTHING, Asked, Move, get_ready, stations

# What the Auto Scaling group would do to a host that is away. (AZRebalance is off for good.)
HELD = ("Launch", "Terminate", "ReplaceUnhealthy")


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
        _guard([move for move in busy if move.leaves], pace, serving + len(idle))
    waves = []
    if idle:
        title = f"bring back {_names(idle)}: {serving} of {serving} keep serving"
        waves.append(Wave(title, _steps(idle, environment, pace, asked)))
        serving += len(idle)
    for batch in _batches(busy, pace.max_unavailable):
        left = serving - sum(move.leaves for move in batch)
        one = ", engine by engine" if any(move.engines for move in batch) else ""
        title = f"change {_names(batch)}{one}: {left} of {serving} keep serving"
        waves.append(Wave(title, _steps(batch, environment, pace, asked), needs_all=True))
    return tuple(waves)


def prepared(moves: Sequence[Move]) -> tuple[Wave, ...]:
    """What *moves* need is brought to the hosts while they serve with what they run."""
    steps = tuple(get_ready(move) for move in moves if move.new and not move.away)
    return (Wave("get ready", steps, needs_all=True),) if steps else ()


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


def loose(situation: Situation) -> tuple[Step, ...]:
    """What an unfinished rollout holds is freed by whoever changes something after it."""
    return (free(situation.still_held),) if situation.still_held else ()


def free(processes: Sequence[str]) -> Step:
    """The group does again what it is for."""
    reason = f"resumes {', '.join(processes)}"
    return Step(None, "free the group", reason, FreeFleet(tuple(processes)))


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
        before={
            host.name: _of_before(host, situation)
            for host in sorted(situation.reachable, key=lambda host: host.name)
        },
        release=release,
        whole=not situation.partial,
        current=situation.current,
        previous=situation.previous,
        held=grip(situation),
    )


def _of_before(host: Host, situation: Situation) -> str | None:
    """What *host* goes back to when the rollout fails.

    One that served nobody with a release that no booting host takes would only fail again.
    """
    release = situation.facts[host.name].release
    if release is None or serves(host, situation):
        return release
    return situation.current or release


def _guard(busy: Sequence[Move], pace: Pace, serving: int) -> None:
    most = min(pace.max_unavailable, len(busy))
    if busy and serving - most < pace.min_healthy:
        raise TooFewServe(
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


def _steps(
    moves: Sequence[Move], environment: Environment, pace: Pace, asked: Asked
) -> tuple[Step, ...]:
    return tuple(step for move in moves for step in stations(move, environment, pace, asked))


def _names(moves: Sequence[Move], limit: int = 3) -> str:
    names = [move.host.name for move in moves]
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
