"""A request's money from its reservation to its settlement, and a line in the log about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from provision.gateway.counter import DAILY, Priority, Spend
from provision.gateway.events import Events
from provision.gateway.ledger import Bill, Ledger
from provision.gateway.money import MICRO, usd, worst
from provision.gateway.request import Asked
from provision.gateway.settings import Settings
from provision.gateway.spender import Grant, No, Spender

TICK_S = 0.2
SWEEP_S = 60.0
PATIENCE_S = 15.0  # for LiteLLM's word about an attempt, after its request is over
NOBODY = "none"


@dataclass(slots=True)
class _Open:
    grant: Grant
    key_name: str
    began: float
    tier: str = NOBODY


class Books:
    """What is reserved, spent and told. Everything happens in one event loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger,
        spender: Spender,
        events: Events,
        now: Callable[[], float],
    ) -> None:
        self._prices = [provider.price for provider in settings.providers]
        self._ledger = ledger
        self._spender = spender
        self._events = events
        self._now = now
        self._open: dict[str, _Open] = {}

    async def open(self, id: str, asked: Asked, key_name: str, priority: Priority) -> No | None:
        """Reserve what the request may cost at the most; None when that was granted."""
        grant = await self._spender.reserve(worst(self._prices, asked.most), priority)
        if isinstance(grant, No):
            self._events.say("refused", why=grant, key=key_name, metrics={"HostedRefused": 1})
            return grant
        self._open[id] = _Open(grant, key_name, self._now())
        self._ledger.open(id, asked.most)
        return None

    def answered(self, id: str, tier: str) -> None:
        """Who answered."""
        self._open[id].tier = tier

    def raised(self, id: str, error: Exception) -> None:
        """LiteLLM stumbled. What its providers bill will be heard, or counts at the most."""
        name = type(error).__name__
        self._events.say("litellm-raised", id=id, error=name, metrics={"LitellmRaised": 1})

    def gave_stale(self, key_name: str) -> None:
        """An old answer was given: no provider was asked, or none answered."""
        self._events.say("stale", key=key_name, metrics={"StaleAnswers": 1})

    def close(self, id: str) -> None:
        """The client has its answer, or is gone."""
        self._ledger.close(id, self._now())

    async def keep(self) -> None:
        """Settle what is over, again and again, until cancelled."""
        sweep_at = self._now() + SWEEP_S
        while True:
            await asyncio.sleep(TICK_S)
            await self.collect()
            if self._now() >= sweep_at:
                sweep_at = self._now() + SWEEP_S
                await self._spender.sweep()

    async def collect(self) -> None:
        """Settle what is over now."""
        for bill in self._ledger.settled(self._now(), PATIENCE_S):
            self._settle(bill)
        await self._spender.flush()

    async def finish(self, seconds: float) -> None:
        """Before the process ends: wait for what is open, but not for ever."""
        until = self._now() + seconds
        while (len(self._ledger) or self._spender.owed) and self._now() < until:
            await self.collect()
            await asyncio.sleep(TICK_S)

    def _settle(self, bill: Bill) -> None:
        closed = self._open.pop(bill.id)
        self._spender.settle(closed.grant, bill.micro)
        self._events.say(
            "hosted",
            id=bill.id,
            key=closed.key_name,
            tier=closed.tier,
            seconds=round(self._now() - closed.began, 3),
            micro_usd=bill.micro,
            guessed_micro_usd=bill.guessed,
            metrics={"HostedSpendUsd": bill.micro / MICRO},
        )


def cap_reached(events: Events, cap: str, percent: int, spend: Spend) -> None:
    """A cap is nearly, or wholly, reached. May be called from any thread."""
    committed = spend.committed_day if cap == DAILY else spend.committed_month
    events.say(
        "cap",
        cap=cap,
        percent=percent,
        day=spend.day,
        committed_usd=usd(committed),
        metrics={f"HostedCap{percent}": 1},
    )
