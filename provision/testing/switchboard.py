"""A switch that says what a test prepared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from provision.connectors.switchboard import Look, Wrote
from provision.errors import FleetError
from provision.facts.spend import HostedSpend


class FakeSwitchboard:
    """Implements Switchboard.

    Attributes:
        line: what the switch says when it looks; None: *error* instead.
        spending: what hosted answers cost.
        on_wish: called with each wish that is written, as the switch would hear of it.
        decisions: lines of the switch's log, each with its moment as ``t``.
        failures: call name -> error to raise.
    """

    def __init__(self) -> None:
        self.line: Mapping[str, Any] | None = None
        self.error = ""
        self.spending = HostedSpend("", Decimal(0), Decimal(0), Decimal(0), Decimal(0))
        self.on_wish: Callable[[str], None] = lambda _: None
        self.failures: dict[str, FleetError] = {}
        self.written: list[Wrote] = []
        self.decisions: list[Mapping[str, Any]] = []
        self.looks: list[bool] = []
        self.now = 1_800_000_000.0

    def wish(self) -> Wrote | None:
        """The last one that was written."""
        self._fail("wish")
        return self.written[-1] if self.written else None

    def put_wish(self, text: str) -> None:
        """Keep it."""
        self._fail("put_wish")
        self.written.append(Wrote(text, len(self.written) + 1, self.now))
        self.on_wish(text)

    def wishes(self) -> tuple[Wrote, ...]:
        """All that were written."""
        self._fail("wishes")
        return tuple(reversed(self.written))

    def hints(self) -> str | None:
        """It remembers nothing."""
        self._fail("hints")
        return None

    def look(self, *, dry: bool) -> Look:
        """What the test prepared."""
        self._fail("look")
        self.looks.append(dry)
        return Look(self.line, self.error)

    def lines(self, *, since: float, until: float) -> tuple[Mapping[str, Any], ...]:
        """``decisions`` of that time."""
        self._fail("lines")
        return tuple(one for one in self.decisions if since <= float(one["t"]) <= until)

    def spent(self, day: str) -> HostedSpend:
        """``spending``, whatever the day."""
        self._fail("spent")
        return replace(self.spending, day=day)

    def _fail(self, call: str) -> None:
        if call in self.failures:
            raise self.failures[call]
