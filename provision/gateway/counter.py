"""The counter of what is spent: one item a month, and every change of it is one conditional write.

In the item ``month#2026-11`` stand, in micro-dollars: ``spent`` and ``committed`` of the month,
``spent#21`` and ``committed#21`` of each day (UTC), and ``hold#<id>`` for each open reservation.
``committed`` is what was spent and what is reserved. Conditions can't add, so it is kept, not
computed. One item, because both caps must hold at once, and because transactions on a counter that
everybody writes would mostly get in each other's way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

PK = "pk"
SPENT, COMMITTED = "spent", "committed"
DAILY, MONTHLY = "daily", "monthly"
_HOLD, _TOLD, _MONTH = "hold#", "told#", "month#"
WARN_PERCENT, FULL_PERCENT = 80, 100
GRACE_S = 60  # clocks differ: so long after its time a reservation is given back

Item = Mapping[str, Mapping[str, str]]


class Priority(StrEnum):
    """Of a client key. A key without one is high: only keys that somebody marked go first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


# Percent of a cap up to which a key of this priority is served.
SERVED_UP_TO = {Priority.HIGH: 100, Priority.NORMAL: 90, Priority.LOW: 80}


@dataclass(frozen=True, slots=True)
class Hold:
    """A reservation: so many micro-dollars of a day, until *expires* (seconds since the epoch)."""

    id: str
    day: str
    micro: int
    expires: int

    @property
    def text(self) -> str:
        """As it stands in the item."""
        return f"{self.micro}:{self.day}:{self.expires}"


@dataclass(frozen=True, slots=True)
class Spend:
    """What the counter says of a day and its month, in micro-dollars."""

    day: str
    spent_day: int = 0
    committed_day: int = 0
    spent_month: int = 0
    committed_month: int = 0


def day_of(now: float) -> str:
    """The day of a moment, UTC: ``2026-11-21``."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def until_midnight(now: float) -> int:
    """Whole seconds until the next day begins, UTC."""
    moment = datetime.fromtimestamp(now, UTC)
    tomorrow = datetime.combine(moment.date() + timedelta(days=1), datetime.min.time(), UTC)
    return max(1, int((tomorrow - moment).total_seconds()))


def limit(cap: int, priority: Priority) -> int:
    """How far a key of this priority may go."""
    return cap * SERVED_UP_TO[priority] // 100


def key(day: str) -> dict[str, dict[str, str]]:
    """The item of a day's month."""
    return {PK: {"S": f"{_MONTH}{day[:7]}"}}


def reserve(hold: Hold, *, daily: int, monthly: int | None) -> dict[str, Any] | None:
    """The write that reserves *hold* below these limits; None when it could never fit."""
    if hold.micro > daily or (monthly is not None and hold.micro > monthly):
        return None
    call = _Update(hold.day)
    call.set(f"hold#{hold.id}", {"S": hold.text})
    for name, most in ((call.of_day(COMMITTED), daily), (COMMITTED, monthly)):
        call.add(name, hold.micro)
        if most is not None:
            call.at_most(name, most - hold.micro)
    return call.arguments(ReturnValues="ALL_NEW")


def settle(hold: Hold, micro: int) -> dict[str, Any]:
    """The write that puts what was spent in the place of *hold*; 0 gives it back."""
    call = _Update(hold.day)
    call.remove_existing(f"hold#{hold.id}")
    for spent, committed in ((call.of_day(SPENT), call.of_day(COMMITTED)), (SPENT, COMMITTED)):
        call.add(spent, micro)
        call.add(committed, micro - hold.micro)
    return call.arguments()


def add(day: str, micro: int) -> dict[str, Any]:
    """The write that counts what was spent without a reservation, or after it had expired."""
    call = _Update(day)
    for name in (call.of_day(SPENT), call.of_day(COMMITTED), SPENT, COMMITTED):
        call.add(name, micro)
    return call.arguments()


def tell(day: str, cap: str, percent: int) -> dict[str, Any]:
    """The write that only the first gets done who wants to tell that *percent* are reached."""
    call = _Update(day)
    name = f"{_TOLD}{cap}#{percent}"
    call.set_new(call.of_day(name) if cap == DAILY else name, {"N": "1"})
    return call.arguments()


def read(item: Item, day: str) -> Spend:
    """What the item says; what is not in it was not spent."""

    def amount(name: str) -> int:
        return int(item.get(name, {}).get("N", "0"))

    number = day[8:]
    return Spend(
        day,
        spent_day=amount(f"{SPENT}#{number}"),
        committed_day=amount(f"{COMMITTED}#{number}"),
        spent_month=amount(SPENT),
        committed_month=amount(COMMITTED),
    )


def holds(item: Item) -> Iterator[Hold]:
    """The open reservations of a month."""
    for name, value in item.items():
        if name.startswith(_HOLD):
            micro, day, expires = value["S"].split(":")
            yield Hold(name.removeprefix(_HOLD), day, int(micro), int(expires))


class _Update:
    """One UpdateItem, put together piece by piece: every name and value behind a placeholder."""

    def __init__(self, day: str) -> None:
        self._day = day
        self._names: dict[str, str] = {}
        self._values: dict[str, dict[str, str]] = {}
        self._set: list[str] = []
        self._remove: list[str] = []
        self._conditions: list[str] = []

    def of_day(self, name: str) -> str:
        return f"{name}#{self._day[8:]}"

    def set(self, name: str, value: dict[str, str]) -> None:
        self._set.append(f"{self._name(name)} = {self._value(value)}")

    def set_new(self, name: str, value: dict[str, str]) -> None:
        self.set(name, value)
        self._conditions.append(f"attribute_not_exists({self._name(name)})")

    def add(self, name: str, micro: int) -> None:
        old = f"if_not_exists({self._name(name)}, {self._number(0)})"
        self._set.append(f"{self._name(name)} = {old} + {self._number(micro)}")

    def at_most(self, name: str, micro: int) -> None:
        at = self._name(name)
        self._conditions.append(f"(attribute_not_exists({at}) OR {at} <= {self._number(micro)})")

    def remove_existing(self, name: str) -> None:
        self._remove.append(self._name(name))
        self._conditions.append(f"attribute_exists({self._name(name)})")

    def arguments(self, **others: Any) -> dict[str, Any]:
        said: dict[str, Any] = {
            "Key": key(self._day),
            "UpdateExpression": " ".join(self._clauses()),
            "ExpressionAttributeNames": {mark: name for name, mark in self._names.items()},
            **others,
        }
        if self._values:
            said["ExpressionAttributeValues"] = self._values
        if self._conditions:
            said["ConditionExpression"] = " AND ".join(self._conditions)
        return said

    def _clauses(self) -> Iterator[str]:
        if self._set:
            yield "SET " + ", ".join(self._set)
        if self._remove:
            yield "REMOVE " + ", ".join(self._remove)

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, f"#n{len(self._names)}")

    def _number(self, number: int) -> str:
        return self._value({"N": str(number)})

    def _value(self, value: dict[str, str]) -> str:
        for mark, known in self._values.items():
            if known == value:
                return mark
        mark = f":v{len(self._values)}"
        self._values[mark] = value
        return mark
