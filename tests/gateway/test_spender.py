"""What may be spent while the counter is there, and while it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from provision.gateway.counter import Hold, Priority
from provision.gateway.errors import SpendUnknown
from provision.gateway.settings import Caps
from provision.gateway.spender import RETRY_S, Grant, No, Spender

NOW = 1_795_230_000.0


@dataclass
class FakeCounter:
    """Grants everything up to 100 at once; *away* it can't be reached."""

    away: bool = False
    asked: int = 0
    heard: list[tuple[str, int]] = field(default_factory=list)

    def reserve(self, micro: int, priority: Priority, now: float) -> Hold | None:
        self.asked += 1
        self._reach()
        return None if micro > 100 else Hold(f"h{self.asked}", "2026-11-21", micro, int(now) + 60)

    def settle(self, hold: Hold, micro: int, now: float) -> None:
        self._reach()
        self.heard.append((hold.id, micro))

    def add(self, day: str, micro: int) -> None:
        self._reach()
        self.heard.append((day, micro))

    def give_back_expired(self, now: float) -> int:
        self._reach()
        return 0

    def _reach(self) -> None:
        if self.away:
            raise SpendUnknown("away")


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def spender(counter: FakeCounter, clock: Clock, *, opened: bool, allowance: int = 50) -> Spender:
    return Spender(counter, Caps("spend", 1000, None, opened, allowance), clock)


def done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def test_what_was_reserved_is_settled() -> None:
    """The counter hears of it at the next flush."""

    async def story() -> None:
        counter = FakeCounter()
        mine = spender(counter, Clock(), opened=False)
        grant = await mine.reserve(60, Priority.HIGH)
        assert isinstance(grant, Grant)
        mine.settle(grant, 7)
        await mine.flush()
        assert counter.heard == [("h1", 7)]
        assert mine.owed == 0
        assert await mine.reserve(101, Priority.HIGH) is No.SPENT

    done(story())


def test_closed_asks_nobody_while_the_spend_is_unknown() -> None:
    """And the counter only every few seconds."""

    async def story() -> None:
        counter, clock = FakeCounter(away=True), Clock()
        mine = spender(counter, clock, opened=False)
        assert await mine.reserve(1, Priority.HIGH) is No.UNKNOWN
        assert await mine.reserve(1, Priority.HIGH) is No.UNKNOWN
        assert counter.asked == 1
        clock.now += RETRY_S
        counter.away = False
        assert isinstance(await mine.reserve(1, Priority.HIGH), Grant)

    done(story())


def test_open_goes_on_within_its_allowance_and_tells_later() -> None:
    """What is not spent of a reservation comes back; with the counter, the whole allowance."""

    async def story() -> None:
        counter, clock = FakeCounter(away=True), Clock()
        mine = spender(counter, clock, opened=True, allowance=50)
        grant = await mine.reserve(40, Priority.HIGH)
        assert isinstance(grant, Grant)
        assert grant.hold is None
        assert await mine.reserve(20, Priority.HIGH) is No.UNKNOWN
        mine.settle(grant, 25)
        assert await mine.reserve(26, Priority.HIGH) is No.UNKNOWN
        second = await mine.reserve(25, Priority.HIGH)
        assert isinstance(second, Grant)
        await mine.flush()
        assert mine.owed == 1
        counter.away = False
        clock.now += RETRY_S
        assert isinstance(await mine.reserve(1, Priority.HIGH), Grant)
        await mine.flush()
        assert counter.heard == [("2026-11-21", 25)]

    done(story())


def test_nothing_that_was_settled_is_forgotten() -> None:
    """A settlement that could not be told is told later, once, in order."""

    async def story() -> None:
        counter = FakeCounter()
        mine = spender(counter, Clock(), opened=False)
        grants = [await mine.reserve(10, Priority.HIGH) for _ in range(3)]
        counter.away = True
        for number, grant in enumerate(grants):
            assert isinstance(grant, Grant)
            mine.settle(grant, number)
        await mine.flush()
        assert mine.owed == 3
        counter.away = False
        await asyncio.gather(mine.flush(), mine.flush())
        assert counter.heard == [("h1", 0), ("h2", 1), ("h3", 2)]

    done(story())


@pytest.mark.parametrize("opened", [True, False])
def test_sweeping_without_a_counter_is_no_error(opened: bool) -> None:
    """The next one will do it."""
    done(spender(FakeCounter(away=True), Clock(), opened=opened).sweep())
