"""The counter in DynamoDB: thin calls, each saying what could not be done."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from provision.gateway import counter
from provision.gateway.counter import Hold, Priority, Spend
from provision.gateway.errors import SpendUnknown
from provision.gateway.settings import Caps

# A client waits meanwhile: rather unknown than late.
PATIENCE = Config(
    connect_timeout=1,
    read_timeout=2,
    max_pool_connections=64,
    retries={"max_attempts": 2, "mode": "standard"},
)
DAY_S = 86_400
_REFUSED = "ConditionalCheckFailedException"
Told = Callable[[str, int, Spend], None]
"""Is told once a day which cap (``daily``, ``monthly``) has reached how many percent."""


def client(service: str, region: str, endpoint: str | None) -> Any:
    """A client of boto3 that does not wait long."""
    session = boto3.Session()
    return session.client(  # type: ignore[call-overload]
        service, region_name=region, endpoint_url=endpoint, config=PATIENCE
    )


class Table:
    """The counter. Safe to use from many threads."""

    def __init__(self, dynamodb: Any, caps: Caps, hold_s: float, told: Told) -> None:
        self._dynamodb = dynamodb
        self._caps = caps
        self._hold_s = hold_s
        self._told = told
        self._told_already: set[tuple[str, str, int]] = set()
        self._days_refused: set[str] = set()

    def reserve(self, micro: int, priority: Priority, now: float) -> Hold | None:
        """Reserve so much; None when a cap forbids it. Raises SpendUnknown."""
        hold = Hold(uuid.uuid4().hex, counter.day_of(now), micro, int(now + self._hold_s))
        monthly = self._caps.monthly
        call = counter.reserve(
            hold,
            daily=counter.limit(self._caps.daily, priority),
            monthly=None if monthly is None else counter.limit(monthly, priority),
        )
        answer = None if call is None else self._update(call)
        if answer is None:
            self._tell_refused(hold, priority)
            return None
        self._tell_reached(counter.read(answer.get("Attributes", {}), hold.day))
        return hold

    def settle(self, hold: Hold, micro: int, now: float) -> None:
        """Count what was spent instead of *hold*, also when that had expired meanwhile.

        May be said again when nobody knows whether it was heard: a reservation that is gone before
        its time was settled.
        """
        gone = self._update(counter.settle(hold, micro)) is None
        if gone and micro and now >= hold.expires:
            self.add(hold.day, micro)

    def add(self, day: str, micro: int) -> None:
        """Count what was spent without a reservation."""
        self._update(counter.add(day, micro))

    def spend(self, day: str) -> Spend:
        """What the counter says of a day."""
        return counter.read(self._item(day), day)

    def give_back_expired(self, now: float) -> int:
        """Give back the reservations of owners that died; how many there were."""
        given = 0
        for day in {counter.day_of(now), counter.day_of(now - self._hold_s - DAY_S)}:
            for hold in counter.holds(self._item(day)):
                if hold.expires + counter.GRACE_S < now:
                    given += self._update(counter.settle(hold, 0)) is not None
        return given

    def _item(self, day: str) -> Any:
        def get() -> Any:
            return self._dynamodb.get_item(
                TableName=self._caps.table, Key=counter.key(day), ConsistentRead=True
            )

        return self._call("read", get).get("Item", {})

    def _update(self, arguments: dict[str, Any]) -> Any | None:
        """The answer, None when the condition does not hold."""
        return self._call(
            "write", lambda: self._dynamodb.update_item(TableName=self._caps.table, **arguments)
        )

    def _call(self, what: str, how: Callable[[], Any]) -> Any:
        try:
            return how()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == _REFUSED:
                return None
            raise SpendUnknown(f"can't {what} the counter {self._caps.table}: {error}") from None
        except BotoCoreError as error:
            raise SpendUnknown(f"can't {what} the counter {self._caps.table}: {error}") from None

    def _tell_reached(self, spend: Spend) -> None:
        for cap, committed, most in self._shares(spend):
            if committed * 100 >= most * counter.WARN_PERCENT:
                self._tell(cap, counter.WARN_PERCENT, spend)

    def _tell_refused(self, hold: Hold, priority: Priority) -> None:
        """What the most important keys don't get any more is spent."""
        if priority is not Priority.HIGH or hold.day in self._days_refused:
            return
        with suppress(SpendUnknown):
            spend = self.spend(hold.day)
            for cap, committed, most in self._shares(spend):
                if committed + hold.micro > most:
                    self._tell(cap, counter.FULL_PERCENT, spend)
            self._days_refused.add(hold.day)

    def _shares(self, spend: Spend) -> list[tuple[str, int, int]]:
        shares = [(counter.DAILY, spend.committed_day, self._caps.daily)]
        if self._caps.monthly is not None:
            shares.append((counter.MONTHLY, spend.committed_month, self._caps.monthly))
        return shares

    def _tell(self, cap: str, percent: int, spend: Spend) -> None:
        """Tell, unless another gateway was quicker. Nobody's request fails for it."""
        news = (spend.day, cap, percent)
        if news not in self._told_already:
            with suppress(SpendUnknown):
                first = self._update(counter.tell(spend.day, cap, percent)) is not None
                self._told_already.add(news)
                if first:
                    self._told(cap, percent, spend)
