"""What goes wrong: a scenario for every seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.switch.closed_loop.fleet import Fault, Trouble

START = 1_795_230_000.0
QUIET_S = 70.0  # at least one tick, and all alarms have data, before anything happens


class Kind(StrEnum):
    """What happens to the fleet, or to what watches it."""

    DEAD = "engines dead"
    HUNG = "engines hung"
    GONE = "hosts gone"
    STAGGERED = "one host after the other, each its way"
    SILENT = "dead or hung, and CloudWatch gets no metrics"
    FRONT = "fronts broken, agents content"
    BLOCKED = "dead, and the fallback dead at first"
    BROKE = "dead, and the day's money spent"
    RELAPSE = "dead, and again as soon as traffic returns"
    FLAP = "up and down every few seconds"
    OVERLOAD = "more requests than the fleet can answer"
    PART = "some hosts fail, the others carry it"
    BLIP = "all hosts fail for some seconds"
    AGENT = "an agent release that fails every canary"
    LOST = "away, and the fallback dies"


# How many of a thousand.
SHARES = {
    Kind.DEAD: 200,
    Kind.HUNG: 200,
    Kind.GONE: 160,
    Kind.STAGGERED: 100,
    Kind.SILENT: 50,
    Kind.FRONT: 30,
    Kind.BLOCKED: 30,
    Kind.BROKE: 20,
    Kind.RELAPSE: 30,
    Kind.FLAP: 40,
    Kind.OVERLOAD: 40,
    Kind.PART: 30,
    Kind.BLIP: 30,
    Kind.AGENT: 20,
    Kind.LOST: 20,
}
TIMED = (Kind.DEAD, Kind.HUNG, Kind.GONE, Kind.STAGGERED)  # the goals on time hold for these


@dataclass(frozen=True)
class Scenario:
    """One story. Moments are seconds since the epoch."""

    seed: int
    kind: Kind
    troubles: tuple[tuple[Trouble, ...], ...]  # of each host
    offered: float  # hosts' worths of requests
    peaks: tuple[tuple[float, float, float], ...] = ()
    gateway_dead: tuple[tuple[float, float], ...] = ()
    gateway_hangs: bool = False
    broke: bool = False
    silent: tuple[float, float] | None = None
    relapses: int = 0

    @property
    def begins(self) -> float:
        """When the trouble begins."""
        return START + QUIET_S


def scenario(seed: int) -> Scenario:
    """The story of a seed."""
    rng = random.Random(seed)
    place = seed * 7919 % 1000  # spread the kinds over any run of seeds
    for kind, share in SHARES.items():
        place -= share
        if place < 0:
            return _STORIES[kind](_quiet(seed, kind, rng), rng)
    raise AssertionError("SHARES add up to 1000")


def _quiet(seed: int, kind: Kind, rng: random.Random) -> Scenario:
    hosts = rng.choice((1, 1, 2, 2, 3, 4, 6))
    return Scenario(seed, kind, ((),) * hosts, hosts * rng.uniform(0.2, 0.7))


def _all(story: Scenario, fault: Fault, rng: random.Random, lasts_s: float) -> Scenario:
    """Every host at the same moment, within a second."""
    begins = story.begins + rng.uniform(0, 60)
    trouble = Trouble(fault, begins, begins + lasts_s)
    return replace(story, troubles=((trouble,),) * len(story.troubles))


def _lasts(rng: random.Random) -> float:
    return rng.uniform(60, 900)


def _dead(story: Scenario, rng: random.Random) -> Scenario:
    return _all(story, Fault.DEAD, rng, _lasts(rng))


def _hung(story: Scenario, rng: random.Random) -> Scenario:
    return _all(story, Fault.HUNG, rng, _lasts(rng))


def _gone(story: Scenario, rng: random.Random) -> Scenario:
    return _all(story, Fault.GONE, rng, _lasts(rng))


def _staggered(story: Scenario, rng: random.Random) -> Scenario:
    faults = (Fault.DEAD, Fault.HUNG, Fault.GONE)
    ends = story.begins + 60 + _lasts(rng)
    troubles = [
        (Trouble(rng.choice(faults), story.begins + rng.uniform(0, 60), ends + rng.uniform(0, 60)),)
        for _ in story.troubles
    ]
    return replace(story, troubles=tuple(troubles))


def _silent(story: Scenario, rng: random.Random) -> Scenario:
    fault = rng.choice((Fault.DEAD, Fault.HUNG, Fault.GONE))
    silent = (START + 30, story.begins + 1200)
    return replace(_all(story, fault, rng, _lasts(rng)), silent=silent)


def _front(story: Scenario, rng: random.Random) -> Scenario:
    return _all(story, Fault.FRONT, rng, rng.uniform(600, 900))


def _blocked(story: Scenario, rng: random.Random) -> Scenario:
    dead = _all(story, rng.choice((Fault.DEAD, Fault.HUNG)), rng, rng.uniform(400, 900))
    outage = (story.begins - rng.uniform(0, 60), story.begins + rng.uniform(60, 300))
    return replace(dead, gateway_dead=(outage,), gateway_hangs=rng.random() < 0.5)


def _broke(story: Scenario, rng: random.Random) -> Scenario:
    return replace(_dead(story, rng), broke=True)


def _relapse(story: Scenario, rng: random.Random) -> Scenario:
    return replace(_all(story, Fault.DEAD, rng, rng.uniform(60, 200)), relapses=rng.choice((1, 2)))


def _flap(story: Scenario, rng: random.Random) -> Scenario:
    """All hosts together, up and down in beats of seconds."""
    moment, ends = story.begins, story.begins + rng.uniform(120, 600)
    fault = rng.choice((Fault.DEAD, Fault.HUNG))
    troubles = []
    while moment < ends:
        down = moment + rng.uniform(3, 30)
        troubles.append(Trouble(fault, moment, down))
        moment = down + rng.uniform(3, 30)
    return replace(story, troubles=(tuple(troubles),) * len(story.troubles))


def _overload(story: Scenario, rng: random.Random) -> Scenario:
    hosts = len(story.troubles)
    peak = (story.begins, story.begins + rng.uniform(200, 1200), hosts * rng.uniform(1.1, 2.2))
    return replace(story, peaks=(peak,))


def _part(story: Scenario, rng: random.Random) -> Scenario:
    hosts = rng.choice((2, 3, 4, 6))
    failing = rng.randint(1, hosts - 1)
    fault = rng.choice((Fault.DEAD, Fault.HUNG, Fault.GONE))
    trouble = Trouble(fault, story.begins, story.begins + _lasts(rng))
    troubles = ((trouble,),) * failing + ((),) * (hosts - failing)
    return replace(story, troubles=troubles, offered=0.7 * (hosts - failing))


def _blip(story: Scenario, rng: random.Random) -> Scenario:
    return _all(story, rng.choice((Fault.DEAD, Fault.HUNG)), rng, rng.uniform(1, 8))


def _agent(story: Scenario, rng: random.Random) -> Scenario:
    return _all(story, Fault.AGENT, rng, _lasts(rng))


def _lost(story: Scenario, rng: random.Random) -> Scenario:
    """The fallback dies in the hold, while the fleet has come back."""
    dead = _all(story, Fault.DEAD, rng, rng.uniform(60, 120))
    begins = story.begins + rng.uniform(200, 280)
    return replace(dead, gateway_dead=((begins, begins + 400),), gateway_hangs=rng.random() < 0.5)


_STORIES = {
    Kind.DEAD: _dead,
    Kind.HUNG: _hung,
    Kind.GONE: _gone,
    Kind.STAGGERED: _staggered,
    Kind.SILENT: _silent,
    Kind.FRONT: _front,
    Kind.BLOCKED: _blocked,
    Kind.BROKE: _broke,
    Kind.RELAPSE: _relapse,
    Kind.FLAP: _flap,
    Kind.OVERLOAD: _overload,
    Kind.PART: _part,
    Kind.BLIP: _blip,
    Kind.AGENT: _agent,
    Kind.LOST: _lost,
}
