"""An outage on this machine: one engine ends, then all of them, then they come back.

Nobody tells the switch. It finds out as on AWS: by what the agents' canaries put, and by tokens
that it asks for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from provision.connectors.protocols import Cloud
from provision.errors import FleetError
from provision.render.places import engine_container
from rehearsal.steady_client import Asked, SteadyClient, Tally, tally
from rehearsal.world import World

ALL = 100
HOSTED = "hosted"
POLL_S = 0.5
HOME_S = 300.0  # after a deploy, until all traffic is on the fleet
SPILLS_S = 30.0
TRIPS_S = 120.0
RETURNS_S = 400.0
AWAY_S = 10.0  # at 0/100, before the engines are started again
CALM_S = 5.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Move:
    """The switch gave the fleet *share* percent, so many seconds after the engines ended."""

    seconds: float
    share: int


@dataclass(slots=True)
class Outage:
    """What it showed.

    ``spill_s`` is how long after one engine's end a request was answered by the gateway while the
    fleet had all traffic, ``trip_s`` how long all engines were gone until the fleet had none,
    ``return_s`` how long after their start it had all again. ``phases`` are (name, tally).
    """

    spill_s: float | None = None
    trip_s: float | None = None
    return_s: float | None = None
    moves: list[Move] = field(default_factory=list)
    phases: list[tuple[str, Tally]] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Questions without an answer, in all phases."""
        return sum(one.lost for _, one in self.phases)

    @property
    def cut(self) -> int:
        """Streams that broke off: what has begun is not taken over."""
        return sum(one.cut for _, one in self.phases)


@dataclass(slots=True)
class Stage:
    """Where it plays: hosts with so many engines *each*, the weights, and a client."""

    world: World
    cloud: Cloud
    client: SteadyClient
    say: Say
    each: int = 1

    def engines(self, verb: str, *hosts: str) -> None:
        """``kill`` or ``start`` the engines of *hosts*. Raises FleetError when Docker refuses."""
        names = [engine_container(index) for index in range(self.each)]
        for host in hosts:
            done = self.world.host(host).run("docker", verb, *names)
            if done.returncode:
                raise FleetError(f"{host}: docker {verb}: {done.stderr.strip()}")


def settle(cloud: Cloud) -> None:
    """Until the fleet has all traffic: a first deploy is an outage for the switch, too.

    Raises FleetError when it does not get it.
    """
    until = time.monotonic() + HOME_S
    for share in _shares(cloud):
        if share == ALL:
            return
        if time.monotonic() > until:
            raise FleetError(
                f"the fleet has {share} % of the traffic {HOME_S:.0f} s after the deploy",
                hint="`fab fallback.status --env rehearsal` says why",
            )


def play(stage: Stage, result: Outage) -> None:
    """The whole outage; *result* is filled on the way. Raises FleetError when a layer fails."""
    hosts = stage.world.hosts()
    with _counted(stage, result) as mark:
        mark("all is well")
        time.sleep(CALM_S)
        mark("one engine is gone")
        _spill(stage, result, hosts[0])
        time.sleep(CALM_S)
        mark("all engines are gone")
        begun = time.monotonic()
        stage.engines("kill", *hosts[1:])
        result.trip_s = _until(stage, result, 0, begun=begun, within_s=TRIPS_S)
        mark("the fallback answers")
        time.sleep(AWAY_S)
        mark("the engines come back")
        stage.say("the engines are started again")
        started = time.monotonic()
        stage.engines("start", *hosts)
        _until(stage, result, ALL, begun=begun, within_s=RETURNS_S)
        result.return_s = round(time.monotonic() - started, 1)
        mark("all is well again")
        time.sleep(CALM_S)


def _spill(stage: Stage, result: Outage, host: str) -> None:
    """One host's engine ends: its front asks the gateway. Weights stay."""
    begun = time.monotonic()
    stage.engines("kill", host)
    while time.monotonic() < begun + SPILLS_S:
        one = stage.client.ask()
        if one.by == HOSTED:
            result.spill_s = round(time.monotonic() - begun, 1)
            share = next(_shares(stage.cloud))
            stage.say(
                f"{host}'s engine is gone: its front passed a request on ({share}/{ALL - share})"
            )
            if share != ALL:
                raise FleetError("the switch moved traffic although one host serves")
            return
    raise FleetError(f"no front passed a request on within {SPILLS_S:.0f} s")


def _until(stage: Stage, result: Outage, wanted: int, *, begun: float, within_s: float) -> float:
    """Wait for a share, note each move on the way; the seconds since *begun*."""
    until = time.monotonic() + within_s
    for share in _shares(stage.cloud):
        seconds = round(time.monotonic() - begun, 1)
        if share != (result.moves[-1].share if result.moves else ALL):
            result.moves.append(Move(seconds, share))
            stage.say(f"{seconds:.0f} s: weights {share}/{ALL - share}")
        if share == wanted:
            return seconds
        if time.monotonic() > until:
            raise FleetError(
                f"the fleet has {share} % of the traffic, not {wanted}, after {within_s:.0f} s",
                hint="with --keep a rehearsal stands for `fab fallback.history --env rehearsal`",
            )
    raise AssertionError("weights end")


def _shares(cloud: Cloud) -> Iterator[int]:
    """The fleet's percent of the traffic, again and again. Raises FleetError without a rule."""
    while True:
        share = cloud.primary_weight()
        if share is None:
            raise FleetError("the load balancer has no rule with the fleet in it")
        yield share
        time.sleep(POLL_S)


@contextmanager
def _counted(stage: Stage, result: Outage) -> Iterator[Callable[[str], None]]:
    """Ask all the time; what it gives begins a phase. Counts also when the outage fails."""
    marks: list[tuple[str, float]] = []
    try:
        with stage.client.asking():
            yield lambda name: marks.append((name, time.monotonic()))
    finally:
        ends = [at for _, at in marks[1:]] + [time.monotonic()]
        asked: list[Asked] = list(stage.client.asked)
        for (name, begin), end in zip(marks, ends, strict=True):
            result.phases.append((name, tally(asked, begin, end)))
        result.unanswered = [f"{one.by}: {one.why}" for one in asked if one.why]
