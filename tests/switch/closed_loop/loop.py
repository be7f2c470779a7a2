"""Let one scenario happen to one design, and write down what came of it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from provision.switch.policy import Policy
from provision.switch.values import Mode, Role
from rehearsal.alarm_model import AlarmSpec, Metrics
from tests.switch.closed_loop.fleet import (
    AgentSpec,
    Fault,
    Fleet,
    Host,
    Load,
    Trouble,
    last_to_fail,
    serves_for_good,
)
from tests.switch.closed_loop.scenario import START, Scenario
from tests.switch.closed_loop.timeline import Timeline
from tests.switch.closed_loop.world import Gateway, Lambda, Moved, SimulatedAws, watch_alarms

WORK_EVERY_S = 1.0
REQUESTS_PER_S = 5.0  # that one host's worth is
LONGEST_S = 6000.0
SETTLED_S = 60.0  # watched after all is over

ALARMS = {
    Role.CANARY: AlarmSpec("canary", "CanaryOk", "Average", "<=", 0.5, m=1, n=1, missing="missing"),
    Role.ERRORS: AlarmSpec(
        "errors", "5xx", "Sum", ">", 10, m=2, n=3, missing="notBreaching", period_s=60
    ),
    Role.QUEUE: AlarmSpec("queue", "Waiting", "Average", ">", 8, m=2, n=3, missing="missing"),
    Role.BUSY: AlarmSpec("busy", "KvUsage", "Average", ">", 0.7, m=2, n=3, missing="missing"),
}


@dataclass(frozen=True)
class Design:
    """What the designers can choose."""

    policy: Policy = field(default_factory=lambda: Policy(daily_cap_usd=Decimal(50)))
    alarms: dict[Role, AlarmSpec] = field(default_factory=lambda: dict(ALARMS))
    agent: AgentSpec = field(default_factory=AgentSpec)


@dataclass(frozen=True)
class Result:
    """What came of it. Seconds are None where there is nothing to measure.

    Attributes:
        away_s: from the moment at which no host answers until requests follow the weights 0/100.
        written_s: the same, until the weights are written.
        trips: how often all traffic left; *allowed* is one for each fault.
        downs: how often the fleet's share fell.
        to_a_dead_fallback: traffic went where no token had come from for seconds.
        back_s: from when the hold has ended and the fleet serves until it has all traffic.
        lost_s: seconds' worth of all requests that got no answer (without the fronts' own retry).
        ended: the fleet has all traffic again.
    """

    scenario: Scenario
    away_s: float | None
    written_s: float | None
    trips: int
    allowed: int
    downs: int
    to_a_dead_fallback: bool
    back_s: float | None
    lost_s: float
    ended: bool
    looks: int


class Loop:
    """One scenario, happening."""

    def __init__(self, scenario: Scenario, design: Design) -> None:
        rng = random.Random(scenario.seed + 1)
        self.timeline = Timeline(START)
        self._scenario, self._design, self._rng = scenario, design, rng
        metrics = Metrics()
        self.load = Load(scenario.offered, scenario.peaks)
        self.hosts = [Host(list(troubles)) for troubles in scenario.troubles]
        runs: list[Callable[[], None]] = []
        alarms = watch_alarms(
            self.timeline, rng, metrics, design.alarms, lambda: [run() for run in runs]
        )
        for metric in ("CanaryOk", "Waiting", "KvUsage"):
            metrics.watch(metric, 10)
        metrics.watch("5xx", 60)
        self.fleet = Fleet(
            self.timeline,
            rng,
            self.hosts,
            self.load,
            metrics,
            design.agent,
            silent=scenario.silent,
        )
        spent = Decimal(50) if scenario.broke else Decimal(0)
        self.gateway = Gateway(scenario.gateway_dead, scenario.gateway_hangs, spent)
        self.aws = SimulatedAws(self.timeline, rng, self.fleet, self.gateway, alarms)
        self.function = Lambda(self.aws, design.policy, first_tick=START + rng.uniform(0, 60))
        runs.append(self.function.alarm)
        self._metrics, self._lost, self._errors = metrics, 0.0, 0.0
        self._relapses, self._ended = scenario.relapses, False
        self.timeline.every(WORK_EVERY_S, self._work, first=START)
        self.timeline.every(60, self._count_errors, first=START + rng.uniform(0, 60))

    def run(self) -> Result:
        """Let it happen."""
        self.timeline.run(START + LONGEST_S, lambda: self._ended)
        return self._result()

    def _work(self) -> None:
        now = self.timeline.now
        share = self.aws.share_in_force(now) / 100
        lost = self.fleet.work(share, WORK_EVERY_S)
        if not self.gateway.alive(now):
            lost += 1 - share
        self._lost += lost * WORK_EVERY_S
        self._errors += lost * self.load.at(now) * REQUESTS_PER_S * WORK_EVERY_S
        self._relapse(now, share)
        self._ended = self._over()

    def _count_errors(self) -> None:
        """The load balancer's own metrics: once a minute, late, and only when there are any."""
        now = self.timeline.now
        if self._errors >= 1:
            arrives = now + self._rng.uniform(30, 120)
            self._metrics.put("5xx", at=now - 60, value=self._errors, available_at=arrives)
        self._errors = 0.0

    def _relapse(self, now: float, share: float) -> None:
        """The fleet passes every probe and dies when a quarter of the traffic is back."""
        climbing = self.aws.moves and self.aws.moves[-1].share > self.aws.moves[-1].was
        if self._relapses and climbing and share >= 0.25 and serves_for_good(self.hosts) <= now:
            self._relapses -= 1
            for host in self.hosts:
                host.troubles.append(Trouble(Fault.DEAD, now, now + self._rng.uniform(60, 200)))

    def _over(self) -> bool:
        now = self.timeline.now
        peaks = max((ends for _, ends, _ in self._scenario.peaks), default=0.0)
        quiet = max(serves_for_good(self.hosts), peaks, self._scenario.begins) + 90
        if now < quiet or self.aws.share < 100 or self._relapses:
            return False
        last = self.aws.moves[-1].at if self.aws.moves else 0.0
        return now >= last + SETTLED_S

    def _result(self) -> Result:
        failed_at, moves = last_to_fail(self.hosts), self.aws.moves
        # Whoever fails after the traffic has left, leaves nobody waiting.
        away = next((moved for moved in moves if moved.share == 0), None)
        downs = [moved for moved in moves if moved.share < moved.was]
        return Result(
            self._scenario,
            away_s=max(0.0, away.follows - failed_at) if away else None,
            written_s=max(0.0, away.at - failed_at) if away else None,
            trips=sum(moved.share == 0 for moved in downs),
            allowed=1 + self._scenario.relapses,
            downs=len(downs),
            to_a_dead_fallback=any(self._lost_at(moved) for moved in downs),
            back_s=self._back_s(),
            lost_s=self._lost,
            ended=self.aws.share == 100,
            looks=len(self.function.looks),
        )

    def _lost_at(self, moved: Moved) -> bool:
        return self.gateway.dead_for(moved.at) > self._design.policy.hosted_deadline_s

    def _back_s(self) -> float | None:
        """Since the hold has ended, the fleet serves and there is room."""
        moves = self.aws.moves
        if not moves or moves[-1].share < 100:
            return None
        holds = [
            look.decision.state.hold_until
            for look in self.function.looks
            if look.decision.moves and look.decision.state.mode in (Mode.FALLBACK, Mode.PARTIAL)
        ]
        peaks = [ends for _, ends, _ in self._scenario.peaks]
        ready = max([*holds, *peaks, serves_for_good(self.hosts)], default=math.inf)
        return max(0.0, moves[-1].at - ready)


def happens(scenario: Scenario, design: Design) -> Result:
    """What came of *scenario*."""
    return Loop(scenario, design).run()
