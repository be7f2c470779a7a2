"""A gateway's service that does what a test prepared."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from provision.connectors.protocols import TargetHealth
from provision.errors import FleetError
from provision.facts.gateway import ServiceNow, TaskDefinition


class FakeGateway:
    """Implements GatewayService.

    Attributes:
        definitions: every revision by its ARN, oldest first.
        now: how the service stands; *then* are its next states, each for one look.
        health: state of each target by its address.
        secrets: name -> whether it has a value; a name that is not there is no secret.
        ended: why tasks ended.
        on_move: called with each move; without it all tasks run at once, and are healthy.
        failures: call name -> error to raise.
        log: every call that changes something.
    """

    def __init__(self, *definitions: TaskDefinition, tasks: int = 0) -> None:
        self.definitions = {one.arn: one for one in definitions}
        self.now = ServiceNow(definitions[0].arn, tasks, tasks, rollout="COMPLETED")
        self.then: list[ServiceNow] = []
        self.health = {f"10.40.9.{number}": "healthy" for number in range(1, tasks + 1)}
        self.secrets: dict[str, bool] = {}
        self.ended: tuple[str, ...] = ()
        self.on_move: Callable[[str, int], None] | None = None
        self.failures: dict[str, FleetError] = {}
        self.log: list[str] = []
        self._lock = threading.Lock()

    def newest(self) -> TaskDefinition:
        """The last one."""
        self._fail("newest")
        return list(self.definitions.values())[-1]

    def definition(self, arn: str) -> TaskDefinition:
        """One that the test gave; another is an error of the test."""
        self._fail("definition")
        if arn not in self.definitions:
            raise AssertionError(f"nobody described {arn}")
        return self.definitions[arn]

    def service(self) -> ServiceNow:
        """The next state; the last one stays."""
        self._fail("service")
        with self._lock:
            if self.then:
                self.now = self.then.pop(0)
            return self.now

    def move(self, definition: str, tasks: int) -> None:
        """It is so from the next look on, unless the test does it itself."""
        self._fail("move")
        with self._lock:
            self.log.append(f"move to {self.definition(definition).name}, {tasks} tasks")
        if self.on_move is not None:
            self.on_move(definition, tasks)
            return
        self.now = replace(self.now, definition=definition, desired=tasks, running=tasks)
        self.health = {f"10.40.9.{number}": "healthy" for number in range(1, tasks + 1)}

    def targets(self) -> tuple[TargetHealth, ...]:
        """``health``."""
        self._fail("targets")
        return tuple(TargetHealth(address, state) for address, state in self.health.items())

    def stopped(self) -> tuple[str, ...]:
        """``ended``."""
        self._fail("stopped")
        return self.ended

    def filled(self, secret: str) -> bool | None:
        """As the test said."""
        self._fail("filled")
        return self.secrets.get(secret)

    def _fail(self, call: str) -> None:
        if call in self.failures:
            raise self.failures[call]
