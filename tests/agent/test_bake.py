"""A host is watched after it came back: whatever goes wrong then ends the bake at once."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from provision.agent.bake import bake
from provision.agent.errors import AgentError
from provision.agent.events import Events
from tests.agent.fakes import FakeClock

RELEASE = "r-0123456789ab"


def status(*, restarts: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "release": RELEASE,
        "ready_for": RELEASE,
        "reason": "",
        "replicas": [{"restarts": restarts}],
        "log": ["the engine's last line"],
        **more,
    }


def baked(*answers: dict[str, Any] | None, seconds: float = 30.0) -> list[dict[str, Any]]:
    """Bake over answers that come one a second (the last one stays); what was said."""
    looks, clock, stream = list(answers), FakeClock(), io.StringIO()
    bake(
        RELEASE,
        seconds,
        ask=lambda: looks.pop(0) if len(looks) > 1 else looks[0],
        clock=clock,
        events=Events(clock, stream=stream, file=None),
    )
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_stays_for_the_whole_time() -> None:
    """And says so at the end."""
    (event,) = baked(status())
    assert (event["event"], event["release"], event["seconds"]) == ("baked", RELEASE, 30.0)


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (
            status(ready_for=None, reason="replica 0 is hung"),
            "not ready any more: replica 0 is hung, after 2 s",
        ),
        (status(release="r-other"), f"the host runs release r-other, not {RELEASE}, after 2 s"),
        (status(restarts=1), "an engine restarted after 2 s"),
    ],
    ids=["not-ready", "another-release", "restarted"],
)
def test_the_first_sign_of_trouble_ends_it(then: dict[str, Any], reason: str) -> None:
    """With the engine's last lines."""
    with pytest.raises(AgentError) as raised:
        baked(status(), status(), then)
    assert raised.value.reason == reason
    assert list(raised.value.log) == ["the engine's last line"]


def test_an_agent_may_be_silent_for_a_moment() -> None:
    """It becomes another process when a release brings another program; 15 s are too long."""
    assert baked(status(), *[None] * 10, status())
    with pytest.raises(AgentError, match="says nothing for 15 s"):
        baked(status(), None)
