"""A host is empty when nothing runs, nothing waits, and nothing came in between."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import pytest

from provision.agent.drain import drain
from provision.agent.engine import Metrics
from provision.agent.errors import AgentError
from provision.agent.events import Events
from tests.agent.fakes import FakeClock

IDLE = Metrics(running=0, waiting=0, kv_usage=0.0, steps=40.0)
GONE = Metrics()


def busy(running: int = 1, waiting: int = 0, steps: float = 40.0) -> Metrics:
    return Metrics(running=running, waiting=waiting, kv_usage=0.1, steps=steps)


class Drained:
    """A drain over looks that come four a second; the last one stays."""

    def __init__(self, *looks: Sequence[Metrics]) -> None:
        self._looks = list(looks)
        self.clock, self.stream = FakeClock(), io.StringIO()

    def run(self, timeout_s: float = 150.0) -> float:
        return drain(
            lambda: self._looks.pop(0) if len(self._looks) > 1 else self._looks[0],
            quiet_s=2.0,
            timeout_s=timeout_s,
            clock=self.clock,
            events=Events(self.clock, stream=self.stream, file=None),
        )

    @property
    def said(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.stream.getvalue().splitlines()]


def test_an_idle_host_is_watched_for_the_quiet_time() -> None:
    """The load balancer may need a moment to stop sending."""
    drained = Drained([IDLE])
    assert drained.run() == 2.0
    assert drained.said == ["drained"]


def test_waits_for_what_runs_and_what_waits() -> None:
    """In every engine of the host; the quiet time begins after the last of them."""
    looks = [[busy(), IDLE]] * 8 + [[IDLE, busy(0, waiting=1)]] * 8 + [[IDLE, IDLE]]
    assert Drained(*looks).run() == 15 * 0.25 + 2.0  # from the last look that saw work


def test_a_request_between_two_looks_is_noticed() -> None:
    """The engine worked, though it was idle at both looks."""
    moved = Metrics(running=0, waiting=0, kv_usage=0.0, steps=41.0)
    assert Drained(*[[IDLE]] * 4, [moved]).run() == 4 * 0.25 + 2.0


def test_an_engine_that_does_not_answer_has_nothing_to_lose() -> None:
    """A crashed one is no reason to wait for the deadline."""
    assert Drained([GONE, IDLE]).run() == 2.0
    assert Drained([]).run() == 2.0


def test_says_what_still_runs_at_the_deadline() -> None:
    """Nothing is stopped: whoever asked decides."""
    drained = Drained([busy(2, waiting=1)])
    with pytest.raises(AgentError) as raised:
        drained.run(timeout_s=12.0)
    assert raised.value.reason == "3 request(s) still run after 12 s"
    assert drained.said == ["progress", "progress"]
