"""Events: one JSON object a line, for whoever listens."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from provision.agent.events import Events, Percent
from tests.agent.fakes import FakeClock


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_phase_has_a_beginning_an_end_and_seconds(tmp_path: Path) -> None:
    """On stdout and in the file alike."""
    clock, stream = FakeClock(100.0), io.StringIO()
    events = Events(clock, stream=stream, file=tmp_path / "run/events.jsonl")
    with events.phase("weights"):
        clock.sleep(2.5)
    assert lines(stream) == [
        {"event": "phase", "t": 100.0, "phase": "weights", "state": "begun"},
        {"event": "phase", "t": 102.5, "phase": "weights", "state": "done", "seconds": 2.5},
    ]
    assert (tmp_path / "run/events.jsonl").read_text() == stream.getvalue()
    assert events.phases == {"weights": 2.5}


def test_a_phase_that_fails_has_no_end() -> None:
    """What follows is the failure's own event."""
    events = Events(FakeClock(), stream=io.StringIO(), file=None)
    with pytest.raises(ValueError, match="boom"), events.phase("weights"):
        raise ValueError("boom")
    assert events.phases == {}


def test_nobody_listening_does_not_stop_the_work() -> None:
    """The operator's laptop went to sleep: the pipe is broken, the apply goes on."""

    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    Events(FakeClock(), stream=Broken(), file=None).emit("applied")


def test_progress_comes_in_steps() -> None:
    """Not a line per block."""
    stream = io.StringIO()
    percent = Percent(Events(FakeClock(), stream=stream, file=None))
    for done in range(0, 1001, 10):
        percent(done, 1000)
    said = [event["done_bytes"] for event in lines(stream)]
    assert said[0] == 50
    assert said[-1] == 1000
    assert len(said) <= 21
