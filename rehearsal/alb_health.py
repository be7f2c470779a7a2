"""Target health as a load balancer sees it, and the board from which others read it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rehearsal.alb_rules import Check, Group, Target
from rehearsal.http1 import BadMessage, Head, read_head

Key = tuple[str, str, int]  # group, target id, port


@dataclass(frozen=True, slots=True)
class Health:
    """A state of ELBv2 with its reason code and words."""

    state: str
    reason: str = ""
    description: str = ""


INITIAL = Health("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
HEALTHY = Health("healthy")
DRAINING = Health(
    "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
)


class Board:
    """The health of every target, shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._health: dict[Key, Health] = {}
        self._draining: dict[Key, float] = {}

    def get(self, group: str, target: str, port: int) -> Health | None:
        """A registered target's health, None for one that was not looked at yet."""
        with self._lock:
            return self._health.get((group, target, port))

    def put(self, key: Key, health: Health) -> None:
        """Write down a target's health; a target that drains no more counts as new."""
        with self._lock:
            self._draining.pop(key, None)
            self._health[key] = health

    def drain(self, key: Key, until: float) -> None:
        """Show a target as draining until the monotonic time *until*."""
        with self._lock:
            self._health.pop(key, None)
            self._draining[key] = until

    def draining(self, group: str) -> list[tuple[str, int]]:
        """Targets of *group* (id, port) whose deregistration delay has not passed."""
        with self._lock:
            now = time.monotonic()
            self._draining = {k: until for k, until in self._draining.items() if until > now}
            return sorted((target, port) for arn, target, port in self._draining if arn == group)


class Judge:
    """Turns looks at one target into its health, by the group's thresholds."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._passed = 0
        self._failed = 0
        self.health = INITIAL

    def take(self, failure: Health | None) -> Health:
        """Count one look (*failure* None: it passed) and say the health that follows.

        A new target is healthy after one passed look, whatever the threshold: as on AWS.
        """
        if failure is None:
            self._passed, self._failed = self._passed + 1, 0
            needed = 1 if self.health.state == "initial" else self._check.healthy
            if self._passed >= needed:
                self.health = HEALTHY
        else:
            self._passed, self._failed = 0, self._failed + 1
            if self._failed >= self._check.unhealthy:
                self.health = failure
        return self.health


async def look(target: Target, check: Check) -> Health | None:
    """One health check: None when the target passes, else why it does not."""
    try:
        async with asyncio.timeout(check.timeout_s):
            status = await _status(target.address, check.port or target.port, check.path)
    except TimeoutError:
        return Health("unhealthy", "Target.Timeout", "Request timed out")
    except (OSError, BadMessage, ValueError):
        return Health("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
    if check.accepts(status):
        return None
    words = f"Health checks failed with these codes: [{status}]"
    return Health("unhealthy", "Target.ResponseCodeMismatch", words)


async def watch(group: Group, target: Target, board: Board, wake: Callable[[], None]) -> None:
    """Look at *target* at the group's interval until cancelled."""
    key = (group.arn, target.id, target.port)
    judge = Judge(group.check)
    board.put(key, judge.health)
    while True:
        started = time.monotonic()
        board.put(key, judge.take(await look(target, group.check)))
        wake()
        await asyncio.sleep(max(0.05, group.check.interval_s - (time.monotonic() - started)))


async def _status(address: str, port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        host = ("Host", f"{address}:{port}")
        agent = ("User-Agent", "ELB-HealthChecker/2.0")
        head = Head(("GET", path, "HTTP/1.1"), (host, agent, ("Connection", "close")))
        writer.write(head.encode())
        answer = await read_head(reader)
        if answer is None:
            raise BadMessage("no answer")
        return answer.status
    finally:
        writer.close()
