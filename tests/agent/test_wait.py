"""Following a host until it is ready, or says that it never will be."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from provision.agent.errors import AgentError
from provision.agent.events import Events
from provision.agent.wait import wait
from tests.agent.fakes import FakeClock

RELEASE = "r-0123456789ab"


def status(state: str, *, release: str | None = RELEASE, **more: Any) -> dict[str, Any]:
    """What the agent says."""
    return {
        "state": state,
        "release": release,
        "ready_for": release if state == "ready" else None,
        "waterfall": {"load": 33.0},
        "kv_cache_tokens": 39840,
        "reason": f"replica 0 is {state}",
        "log": [],
        **more,
    }


class Followed:
    """A wait over answers that come one a second; the last one stays."""

    def __init__(self, answers: Iterable[dict[str, Any] | None]) -> None:
        self._answers = list(answers)
        self.clock, self.stream = FakeClock(), io.StringIO()

    def run(self, timeout_s: float = 1200.0) -> None:
        wait(
            RELEASE,
            timeout_s,
            ask=lambda: self._answers.pop(0) if len(self._answers) > 1 else self._answers[0],
            engine_log=lambda: ["the engine's last line"],
            clock=self.clock,
            events=Events(self.clock, stream=self.stream, file=None),
        )

    @property
    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def test_ready_is_the_last_word() -> None:
    """With the waterfall and the KV cache; each state is said once."""
    followed = Followed([None, None, status("starting"), status("starting"), status("ready")])
    followed.run()
    assert [event.get("state") for event in followed.said] == [
        "no-answer",
        "starting",
        "ready",
        None,
    ]
    last = followed.said[-1]
    del last["t"]
    assert last == {
        "event": "ready",
        "release": RELEASE,
        "waterfall": {"load": 33.0},
        "kv_cache_tokens": 39840,
    }


def test_ready_for_the_old_release_is_not_ready() -> None:
    """The agent that is about to be replaced has nothing to say about the new release."""
    followed = Followed([status("ready", release="r-old"), status("starting"), status("ready")])
    followed.run()
    assert followed.clock.now() - FakeClock().now() == 2


def test_a_crash_loop_ends_the_wait_at_once() -> None:
    """Not after twenty minutes, and with the log's own words."""
    loop = status("crash-loop", reason="the engine exited 3 times", log=["CUDA out of memory"])
    followed = Followed([status("starting"), loop])
    with pytest.raises(AgentError, match="the engine exited 3 times") as caught:
        followed.run()
    assert caught.value.log == ("CUDA out of memory",)
    assert followed.clock.now() - FakeClock().now() == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status("stopped", reason="exit code 0"), "the engine is stopped: exit code 0"),
        (status("ready", release="r-other"), f"the host runs release r-other, not {RELEASE}"),
    ],
)
def test_what_stays_wrong_is_given_up_after_half_a_minute(
    answer: dict[str, Any], reason: str
) -> None:
    """Long enough for an agent to restart and follow."""
    followed = Followed([answer])
    with pytest.raises(AgentError, match=reason):
        followed.run()
    assert followed.clock.now() - FakeClock().now() == 30


@pytest.mark.parametrize(
    ("answer", "why"),
    [(status("starting"), "replica 0 is starting"), (None, "the agent does not answer")],
)
def test_never_ready_ends_with_the_engines_last_lines(
    answer: dict[str, Any] | None, why: str
) -> None:
    """After the budget, with what was last known."""
    with pytest.raises(AgentError, match=why) as caught:
        Followed([answer]).run(timeout_s=90)
    assert caught.value.log == ("the engine's last line",)
