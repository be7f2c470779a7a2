"""Hosts that fail in several ways, the agents on them, and the load balancer before them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from provision.switch.values import Hosts, Outcome, Token
from rehearsal.alarm_model import Metrics
from tests.switch.closed_loop.timeline import Timeline

CANARY_EVERY_S, FLUSH_EVERY_S, CHECK_EVERY_S = 5.0, 10.0, 5.0
CHECKS = 2  # in a row, to change a target's state
MISSES = 3  # in a row, and the agent calls the engine hung
CHECK_TIMEOUT_S = 4.0
SHOWN_S = (0.5, 2.0)  # until DescribeTargetHealth shows a new state
AGENT_NOTICES_S = 4.0  # that a container has stopped
FULL_S = 20.0  # a longer queue refuses
REFUSED_S = 0.1
TTFT_S = 0.3


class Fault(StrEnum):
    """What is wrong with a host."""

    DEAD = "engine dead"  # connections are refused; the agent sees it
    HUNG = "engine hung"  # connections are taken, nothing comes; its own health says fine
    GONE = "host gone"  # no engine, no agent, no answer
    FRONT = "front broken"  # the engine answers its agent, users get 502
    AGENT = "agent broken"  # every canary fails, the engine serves


@dataclass(frozen=True)
class Trouble:
    """A fault of one host, for a while."""

    fault: Fault
    begins: float
    ends: float


@dataclass(frozen=True)
class AgentSpec:
    """How the agents measure, which the switch's designers can choose; as they ship."""

    canary_deadline_s: float = 5.0
    flush_on_change: bool = True


@dataclass
class Load:
    """Requests that are asked for, in hosts' worths."""

    offered: float
    peaks: tuple[tuple[float, float, float], ...] = ()  # (from, to, hosts' worths)

    def at(self, moment: float) -> float:
        """What is offered then."""
        for begins, ends, worths in self.peaks:
            if begins <= moment < ends:
                return worths
        return self.offered


@dataclass
class Host:
    """One host, its agent and its target. A new request *waits_s*; the engine is *used* so far."""

    troubles: Sequence[Trouble]
    misses: int = 0
    last_good: bool = True
    healthy: bool = True
    shown_healthy: bool = True
    checks: int = 0
    waits_s: float = 0.0
    used: float = 0.0
    buffer: list[tuple[float, float]] = field(default_factory=list)

    def trouble(self, now: float) -> Trouble | None:
        """What is wrong with it."""
        for trouble in self.troubles:
            if trouble.begins <= now < trouble.ends:
                return trouble
        return None

    def serves(self, now: float) -> bool:
        """A request that reaches it is answered."""
        trouble = self.trouble(now)
        return trouble is None or trouble.fault is Fault.AGENT

    def check_fails(self, now: float) -> bool:
        """What the load balancer hears of ``/healthz/deep``, from an agent that answers."""
        trouble = self.trouble(now)
        if trouble and trouble.fault is Fault.DEAD:
            return now - trouble.begins >= AGENT_NOTICES_S
        return self.misses >= MISSES


class Fleet:
    """The hosts, seen by agents, by the load balancer and by whoever asks for a token."""

    def __init__(
        self,
        timeline: Timeline,
        rng: random.Random,
        hosts: Sequence[Host],
        load: Load,
        metrics: Metrics,
        agent: AgentSpec,
        *,
        silent: tuple[float, float] | None = None,
    ) -> None:
        self.hosts, self.load = hosts, load
        self._timeline, self._rng, self._metrics = timeline, rng, metrics
        self._agent, self._silent = agent, silent
        now = timeline.now
        for host in hosts:
            timeline.at(now + rng.uniform(0, CANARY_EVERY_S), lambda host=host: self._ask(host))
            timeline.every(
                FLUSH_EVERY_S,
                lambda host=host: self._flush(host),
                first=now + rng.uniform(0, FLUSH_EVERY_S),
            )
            timeline.every(
                CHECK_EVERY_S,
                lambda host=host: self._check(host),
                first=now + rng.uniform(0, CHECK_EVERY_S),
            )

    def serving(self, now: float) -> int:
        """Hosts that would answer."""
        return sum(host.serves(now) for host in self.hosts)

    def in_rotation(self) -> list[Host]:
        """Where the load balancer sends requests: to all, when none is healthy."""
        healthy = [host for host in self.hosts if host.healthy]
        return healthy or list(self.hosts)

    def seen(self) -> Hosts:
        """DescribeTargetHealth."""
        healthy = sum(host.shown_healthy for host in self.hosts)
        return Hosts(healthy=healthy, unhealthy=len(self.hosts) - healthy)

    def tokens(self, count: int, deadline_s: float) -> tuple[Token, ...]:
        """What comes of asking *count* times at once, by least outstanding requests.

        So hosts that fail at once get the most, and those that never answer the fewest.
        """
        hosts = self.in_rotation()
        self._rng.shuffle(hosts)
        hosts.sort(key=lambda host: _outstanding(host, self._timeline.now))
        return tuple(self._token(hosts[i % len(hosts)], deadline_s) for i in range(count))

    def _token(self, host: Host, deadline_s: float) -> Token:
        now = self._timeline.now
        if host.serves(now):
            return _served(host, now, deadline_s)
        trouble = host.trouble(now)
        assert trouble is not None
        if trouble.fault in FAST:
            return Token(Outcome.FAILED, now, REFUSED_S, "HTTP 502")
        left_s = trouble.ends - now
        if trouble.fault is Fault.HUNG and left_s < deadline_s - TTFT_S:
            return Token(Outcome.GOOD, now, left_s + TTFT_S)
        return Token(Outcome.FAILED, now, deadline_s, "no answer")

    def _ask(self, host: Host) -> None:
        """One canary; the next follows five seconds after it began, or at once if it was late."""
        begun = self._timeline.now
        trouble = host.trouble(begun)
        if trouble and trouble.fault is Fault.GONE:
            self._timeline.at(trouble.ends, lambda: self._ask(host))
            return
        seconds, good = self._canary(host, begun)
        self._timeline.after(seconds, lambda: self._note(host, good))
        self._timeline.after(max(CANARY_EVERY_S, seconds), lambda: self._ask(host))

    def _canary(self, host: Host, begun: float) -> tuple[float, bool]:
        deadline_s, trouble = self._agent.canary_deadline_s, host.trouble(begun)
        if trouble and trouble.fault in (Fault.DEAD, Fault.AGENT):
            return REFUSED_S, False
        if trouble and trouble.fault is Fault.HUNG:
            left_s = trouble.ends - begun + TTFT_S
            return min(left_s, deadline_s), left_s < deadline_s
        # Slow is not hung: an engine that works on other requests meanwhile is alive.
        return min(TTFT_S + host.waits_s, deadline_s), True

    def _note(self, host: Host, good: bool) -> None:
        now = self._timeline.now
        trouble = host.trouble(now)
        if trouble and trouble.fault is Fault.GONE:
            host.buffer.clear()
            return
        host.misses = 0 if good else host.misses + 1
        host.buffer.append((now, float(good)))
        if self._agent.flush_on_change and good is not host.last_good:
            self._flush(host)
        host.last_good = good

    def _flush(self, host: Host) -> None:
        now = self._timeline.now
        trouble = host.trouble(now)
        if trouble and trouble.fault is Fault.GONE:
            host.buffer.clear()
            return
        if self._silent and self._silent[0] <= now < self._silent[1]:
            host.buffer.clear()
            return
        arrives = now + self._rng.uniform(1, 5)
        for at, value in host.buffer:
            self._metrics.put("CanaryOk", at=at, value=value, available_at=arrives)
        host.buffer.clear()
        self._metrics.put("Waiting", at=now, value=host.waits_s * 4, available_at=arrives)
        self._metrics.put("KvUsage", at=now, value=host.used, available_at=arrives)

    def _check(self, host: Host) -> None:
        """One of the load balancer's checks; a host that is gone uses its time-out up."""
        trouble = host.trouble(self._timeline.now)
        if trouble and trouble.fault is Fault.GONE:
            self._timeline.after(CHECK_TIMEOUT_S, lambda: self._checked(host, fails=True))
        else:
            self._checked(host, fails=host.check_fails(self._timeline.now))

    def _checked(self, host: Host, *, fails: bool) -> None:
        """A target changes its state after two checks in a row that say so."""
        host.checks = host.checks + 1 if fails is host.healthy else 0
        if host.checks >= CHECKS:
            host.healthy, host.checks = not host.healthy, 0
            healthy = host.healthy
            self._timeline.after(
                self._rng.uniform(*SHOWN_S), lambda: setattr(host, "shown_healthy", healthy)
            )

    def work(self, share: float, seconds: float) -> float:
        """Let the fleet work on its share of the requests; the part of all that is lost."""
        now = self._timeline.now
        rotation = self.in_rotation()
        each = share / len(rotation)
        lost = 0.0
        for host in self.hosts:
            reaches = each if host in rotation else 0.0
            if not host.serves(now):
                host.waits_s = host.used = 0.0
                lost += reaches
                continue
            lost += reaches * _queue(host, self.load.at(now) * reaches, seconds)
        return lost


FAST = (Fault.DEAD, Fault.FRONT)


def _outstanding(host: Host, now: float) -> int:
    if host.serves(now):
        return 1
    trouble = host.trouble(now)
    return 0 if trouble and trouble.fault in FAST else 2


def _served(host: Host, now: float, deadline_s: float) -> Token:
    """A token of an engine that works, behind what waits in its queue."""
    if host.waits_s >= FULL_S:
        return Token(Outcome.FULL, now, REFUSED_S, "HTTP 503")
    seconds = TTFT_S + host.waits_s
    if seconds < deadline_s:
        return Token(Outcome.GOOD, now, seconds)
    return Token(Outcome.FAILED, now, deadline_s, "no answer")


def _queue(host: Host, offered: float, seconds: float) -> float:
    """Let a host's queue grow or shrink; the part of its requests that is refused."""
    queue = host.waits_s + (offered - 1) * seconds
    host.waits_s = min(max(queue, 0.0), FULL_S)
    host.used = 1.0 if host.waits_s > 0 else min(1.0, offered)
    return 1 - 1 / offered if queue > FULL_S else 0.0


def last_to_fail(hosts: Sequence[Host]) -> float:
    """The first moment at which no host answers, infinity when there is none."""
    moments = sorted({trouble.begins for host in hosts for trouble in host.troubles})
    for moment in moments:
        if not any(host.serves(moment) for host in hosts):
            return moment
    return math.inf


def serves_for_good(hosts: Sequence[Host]) -> float:
    """From when on every host answers; minus infinity when none ever fails."""
    ends = [trouble.ends for host in hosts for trouble in host.troubles]
    return max(ends, default=-math.inf)
