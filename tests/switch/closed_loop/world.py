"""AWS around the switch's own code: rule, parameters, alarms, topic; and Lambda, which runs it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from provision.switch.judge import wants_proof
from provision.switch.look import Looked, begin, finish, worth_watching
from provision.switch.policy import Policy
from provision.switch.rule import Rule
from provision.switch.values import Alarm, Hosts, Outcome, Role, Token
from provision.switch.world import Alarms, Notes
from rehearsal.alarm_model import AlarmModel, AlarmSpec, Metrics
from tests.switch.closed_loop.fleet import Fleet
from tests.switch.closed_loop.timeline import Timeline

TICK_S = 60.0
API_S = (0.1, 0.4)  # what the calls of half a look take


@dataclass(frozen=True)
class Moved:
    """A change of the weights: when it was written, and from when on requests follow it."""

    at: float
    follows: float
    was: int
    share: int


@dataclass
class Gateway:
    """The fallback: dead for some whiles, and what it costs."""

    dead: Sequence[tuple[float, float]] = ()
    hangs: bool = False
    spent_usd: Decimal = Decimal(0)

    def alive(self, now: float) -> bool:
        """It gives tokens."""
        return not any(begins <= now < ends for begins, ends in self.dead)

    def dead_for(self, now: float) -> float:
        """Seconds since it died, 0.0 when it lives."""
        return max((now - begins for begins, ends in self.dead if begins <= now < ends), default=0)


@dataclass
class SimulatedAws:
    """What the switch reads and changes; the world beneath it is the simulation's."""

    timeline: Timeline
    rng: random.Random
    fleet: Fleet
    gateway: Gateway
    alarm_models: dict[Role, AlarmModel]
    share: int = 100
    hints: str | None = None
    hints_version: int | None = None
    moves: list[Moved] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def rule(self) -> Rule:
        return Rule(self.share, ())

    def move(self, rule: Rule, share: int) -> None:
        now = self.timeline.now
        self.moves.append(Moved(now, now + self.rng.uniform(1, 3), self.share, share))
        self.share = share

    def notes(self) -> Notes:
        return Notes(hints=self.hints, hints_version=self.hints_version)

    def put_hints(self, text: str) -> None:
        self.hints, self.hints_version = text, (self.hints_version or 0) + 1

    def hosts(self) -> Hosts:
        return self.fleet.seen()

    def alarms(self) -> Alarms:
        return Alarms({role: Alarm(model.state) for role, model in self.alarm_models.items()})

    def spent_usd(self, day: str) -> Decimal:
        return self.gateway.spent_usd

    def tell(self, subject: str, text: str) -> None:
        self.told.append(subject)

    def floor(self) -> tuple[str, ...]:
        return ()

    def lift(self, processes: tuple[str, ...]) -> None:
        return None

    def share_in_force(self, now: float) -> int:
        """What requests see: a change takes seconds until the load balancer follows."""
        for moved in reversed(self.moves):
            if moved.follows <= now:
                return moved.share
        return self.moves[0].was if self.moves else 100


class Lambda:
    """Runs of the function: ticks that stay, and alarms' transitions. Runs may overlap."""

    def __init__(self, aws: SimulatedAws, policy: Policy, *, first_tick: float) -> None:
        self._aws, self._policy = aws, policy
        self._timeline, self._rng = aws.timeline, aws.rng
        self.looks: list[Looked] = []
        self._timeline.every(TICK_S, self._tick, first=first_tick)

    def alarm(self) -> None:
        """An alarm's action: asynchronous, and the function may be cold."""
        start_s = self._rng.uniform(0.5, 2) + self._rng.uniform(0.3, 2.5)
        self._timeline.after(start_s, lambda: self._look(stay_until=-math.inf))

    def _tick(self) -> None:
        start_s = self._rng.uniform(0.1, 1.5)
        stay_until = self._timeline.now + start_s + self._policy.stay_s
        self._timeline.after(start_s, lambda: self._look(stay_until=stay_until))

    def _look(self, *, stay_until: float) -> None:
        begun = self._timeline.now
        found = begin(self._aws, self._policy, begun)

        def ask() -> None:
            policy = self._policy
            tokens = self._aws.fleet.tokens(policy.witness_tokens, policy.token_deadline_s)
            took_s = max(token.seconds for token in tokens)
            self._timeline.after(took_s, lambda: prove(tokens))

        def prove(tokens: tuple[Token, ...]) -> None:
            if wants_proof(found.state, tokens, self._policy, self._timeline.now):
                proof = self._hosted()
                self._timeline.after(
                    proof.seconds + self._rng.uniform(*API_S), lambda: end(tokens, proof)
                )
            else:
                self._timeline.after(self._rng.uniform(*API_S), lambda: end(tokens, None))

        def end(tokens: tuple[Token, ...], proof: Token | None) -> None:
            now = self._timeline.now
            looked = finish(self._aws, found, tokens, proof, self._policy, now=now)
            self.looks.append(looked)
            again = begun + self._policy.look_every_s
            watches = self._policy.watch_when_well or worth_watching(looked)
            if watches and again <= stay_until:
                self._timeline.at(again, lambda: self._look(stay_until=stay_until))

        self._timeline.after(self._rng.uniform(*API_S), ask)

    def _hosted(self) -> Token:
        now, gateway = self._timeline.now, self._aws.gateway
        if gateway.alive(now):
            return Token(Outcome.GOOD, now, self._rng.uniform(0.4, 1.5))
        if gateway.hangs:
            return Token(Outcome.FAILED, now, self._policy.hosted_deadline_s, "no answer")
        return Token(Outcome.FAILED, now, 0.2, "HTTP 500")


def watch_alarms(
    timeline: Timeline,
    rng: random.Random,
    metrics: Metrics,
    specs: dict[Role, AlarmSpec],
    transition: Callable[[], None],
) -> dict[Role, AlarmModel]:
    """Alarms that evaluate themselves, each in its own beat; *transition* is their action."""
    models = {}
    for role, spec in specs.items():
        model = AlarmModel(spec, metrics, extra=rng.randint(2, 4))
        models[role] = model

        def evaluate(model: AlarmModel = model) -> None:
            if model.evaluate(timeline.now) and model.state == "ALARM":
                transition()

        beat_s = min(spec.period_s, 60)
        timeline.every(beat_s, evaluate, first=timeline.now + rng.uniform(0, beat_s))
    return models
