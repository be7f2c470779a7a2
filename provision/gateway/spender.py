"""Reserving before, settling after, without the event loop ever waiting for DynamoDB.

While the counter can't be reached an environment that is closed asks no hosted API; one that is
open goes on within an allowance of this task. What is spent meanwhile is counted when the counter
is back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from provision.gateway.counter import Hold, Priority, day_of
from provision.gateway.errors import SpendUnknown
from provision.gateway.settings import Caps

T = TypeVar("T")

RETRY_S = 5.0  # after the counter did not answer
THREADS = 32


class Counter(Protocol):
    """The counter's calls; each may raise SpendUnknown."""

    def reserve(self, micro: int, priority: Priority, now: float) -> Hold | None:
        """None: a cap forbids it."""

    def settle(self, hold: Hold, micro: int, now: float) -> None:
        """May be said twice."""

    def add(self, day: str, micro: int) -> None:
        """What was spent without a reservation."""

    def give_back_expired(self, now: float) -> int:
        """Of owners that died."""


class No(StrEnum):
    """Why nothing may be spent."""

    SPENT = "spent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to spend *micro*; without *hold* it is taken out of the allowance."""

    micro: int
    day: str
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class _Owed:
    """What the counter has still to hear."""

    grant: Grant
    micro: int


class Spender:
    """What may be spent, and what was. Everything but the counter's calls is in one event loop."""

    def __init__(self, counter: Counter, caps: Caps, now: Callable[[], float]) -> None:
        self._counter = counter
        self._caps = caps
        self._now = now
        self._allowance = caps.allowance
        self._blind_until = 0.0
        self._owed: deque[_Owed] = deque()
        self._settling = asyncio.Lock()
        self._threads = ThreadPoolExecutor(THREADS, "counter")

    @property
    def owed(self) -> int:
        """How many settlements the counter has still to hear."""
        return len(self._owed)

    async def reserve(self, micro: int, priority: Priority) -> Grant | No:
        """Leave to spend so much, or why not."""
        now = self._now()
        if now < self._blind_until:
            return self._without_counter(micro, now)
        try:
            hold = await self._call(self._counter.reserve, micro, priority, now)
        except SpendUnknown:
            self._blind_until = now + RETRY_S
            return self._without_counter(micro, now)
        self._blind_until = 0.0
        self._allowance = self._caps.allowance
        return No.SPENT if hold is None else Grant(micro, hold.day, hold)

    def settle(self, grant: Grant, micro: int) -> None:
        """So much was spent of *grant*; the counter hears of it with the next :meth:`flush`."""
        if grant.hold is None:
            self._allowance = min(self._caps.allowance, self._allowance + grant.micro - micro)
        if grant.hold is not None or micro:
            self._owed.append(_Owed(grant, micro))

    async def flush(self) -> None:
        """Tell the counter everything that it has not heard; what fails is told again later."""
        async with self._settling:
            for _ in range(len(self._owed)):
                owed = self._owed.popleft()
                try:
                    await self._tell(owed)
                except SpendUnknown:
                    self._owed.appendleft(owed)
                    return

    async def sweep(self) -> None:
        """Give back what dead owners had reserved."""
        with suppress(SpendUnknown):
            await self._call(self._counter.give_back_expired, self._now())

    async def _tell(self, owed: _Owed) -> None:
        if owed.grant.hold is not None:
            await self._call(self._counter.settle, owed.grant.hold, owed.micro, self._now())
        else:
            await self._call(self._counter.add, owed.grant.day, owed.micro)

    def _without_counter(self, micro: int, now: float) -> Grant | No:
        if not self._caps.open_when_unknown or micro > self._allowance:
            return No.UNKNOWN
        self._allowance -= micro
        return Grant(micro, day_of(now), None)

    async def _call(self, function: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)
