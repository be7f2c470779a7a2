"""What Lambda calls: on an alarm's transition, every minute, and by hand."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from provision.switch import audit
from provision.switch.ask import Clock
from provision.switch.asker import HttpAsker
from provision.switch.cloud import Cloud
from provision.switch.errors import SwitchError
from provision.switch.judge import wants_proof
from provision.switch.look import Looked, begin, finish, worth_watching
from provision.switch.settings import VARIABLE, Settings
from provision.switch.settings import parse as parse_settings
from provision.switch.world import Asker, World

_LOOK_S = 20.0  # the longest look: two questions to their deadlines, and AWS's answers


class Context(Protocol):
    """What Lambda tells of a run."""

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda ends it."""


class SystemClock:
    """The function's own clock, the only one that counts."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the function runs. A tick *stays* and looks again and again; *dry* changes nothing."""

    text: str
    stays: bool = False
    dry: bool = False


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Look, decide and act; the audit line of the last look. Raises SwitchError at the end of a
    run in which anything went wrong that somebody must mend, so that the alarm on errors rings."""
    switch = _warm(os.environ.get(VARIABLE))
    left_s = context.get_remaining_time_in_millis() / 1000
    return switch.run(cause_of(event), ends=switch.clock.monotonic() + left_s)


def cause_of(event: Mapping[str, Any]) -> Cause:
    """What an event asks for. Raises SwitchError for one that nobody should send."""
    source = event.get("source")
    if source == "aws.cloudwatch" and "alarmData" in event:
        alarm = event["alarmData"]
        return Cause(f"alarm {alarm['alarmName']} is {alarm['state']['value']}")
    if source == "aws.events" or event.get("detail-type") == "Scheduled Event":
        return Cause("tick", stays=True)
    if event.get("do") in ("look", "dry-run"):
        return Cause(f"by hand: {event['do']}", dry=event["do"] == "dry-run")
    raise SwitchError(
        f"an event that the switch does not know: source {source!r}",
        hint='alarms, schedules, {"do": "look"} and {"do": "dry-run"}',
    )


class Switch:
    """The looks of one run."""

    def __init__(self, settings: Settings, world: World, asker: Asker, clock: Clock) -> None:
        self.clock = clock
        self._settings, self._policy = settings, settings.policy
        self._world, self._asker = world, asker

    def run(self, cause: Cause, *, ends: float) -> dict[str, Any]:
        """Look once, or for as long as a tick stays; *ends* is when Lambda would end it."""
        clock, policy = self.clock, self._policy
        stay_until = clock.monotonic() + policy.stay_s
        errors: dict[str, None] = {}
        while True:
            begun = clock.monotonic()
            document, looked = self._look(cause)
            errors |= dict.fromkeys(looked.errors if looked else [document["reason"]])
            _print(document)
            again = begun + policy.look_every_s
            stays = cause.stays and (
                policy.watch_when_well or looked is None or worth_watching(looked)
            )
            if not stays or again > stay_until or again + _LOOK_S > ends:
                break
            clock.sleep(max(0.0, again - clock.monotonic()))
        if errors:
            raise SwitchError("; ".join(errors))
        return document

    def _look(self, cause: Cause) -> tuple[dict[str, Any], Looked | None]:
        world, policy, clock = self._world, self._policy, self.clock
        try:
            found = begin(world, policy, clock.now())
            tokens = self._asker.primary()
            asks = wants_proof(found.state, tokens, policy, clock.now())
            proof = self._asker.fallback() if asks else None
            looked = finish(world, found, tokens, proof, policy, now=clock.now(), dry=cause.dry)
        except SwitchError as error:
            return audit.failed(str(error), self._settings, cause.text, clock.now()), None
        return audit.decided(looked, self._settings, cause.text, clock.now()), looked


@cache
def _warm(text: str | None) -> Switch:
    """The clients stay while the function is warm."""
    settings, clock = parse_settings(text), SystemClock()
    cloud = Cloud(settings)
    return Switch(settings, cloud, HttpAsker(settings, cloud.probe_key, clock), clock)


def _print(document: Mapping[str, Any]) -> None:
    sys.stdout.write(audit.line(document) + "\n")
