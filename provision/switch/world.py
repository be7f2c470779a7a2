"""What the switch reads and changes, as it needs it; :mod:`provision.switch.cloud` is AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from provision.switch.rule import Rule
from provision.switch.values import Alarm, Hosts, Role, Token


@dataclass(frozen=True, slots=True)
class Notes:
    """The two parameters as they were found; None where there is none."""

    intent: str | None = None
    intent_version: int | None = None
    hints: str | None = None
    hints_version: int | None = None


@dataclass(frozen=True, slots=True)
class Alarms:
    """The state of each role that has an alarm, and every alarm that is in ALARM or gone."""

    roles: Mapping[Role, Alarm]
    ringing: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


class World(Protocol):
    """Everything outside. Each call raises SwitchError, saying what could not be done."""

    def rule(self) -> Rule:
        """The traffic rule."""

    def move(self, rule: Rule, share: int) -> None:
        """Give the primary *share* percent."""

    def notes(self) -> Notes:
        """Intent and hints."""

    def put_hints(self, text: str) -> None:
        """Write the hints."""

    def hosts(self) -> Hosts:
        """The primary's targets."""

    def alarms(self) -> Alarms:
        """The alarms of the settings."""

    def spent_usd(self, day: str) -> Decimal | None:
        """What the fallback cost on a day (``2026-11-21``), None when nobody counts."""

    def tell(self, subject: str, text: str) -> None:
        """Tell people."""

    def floor(self) -> tuple[str, ...]:
        """Keep the group from shrinking; the processes that were suspended for it."""

    def lift(self, processes: tuple[str, ...]) -> None:
        """Let the group do again what :meth:`floor` suspended."""


class Asker(Protocol):
    """Who asks for tokens."""

    def primary(self) -> tuple[Token, ...]:
        """Several at once, through the load balancer's way to the primary."""

    def fallback(self) -> Token:
        """One hosted token, of the gateway."""
