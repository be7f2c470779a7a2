"""What a person sees of the host program's events."""

from __future__ import annotations

from typing import Any

import pytest

from provision.executor.host_program import Report, describe


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"event": "phase", "phase": "pull", "state": "begun"}, "pull ..."),
        ({"event": "phase", "phase": "pull", "state": "done", "seconds": 12.34}, "pull 12.3 s"),
        ({"event": "phase", "phase": "stop", "state": "done", "seconds": 0.1}, ""),
        (
            {"event": "progress", "phase": "weights", "done_bytes": 2**30, "total_bytes": 2**32},
            "weights 25 % of 4.0 GiB",
        ),
        (
            {"event": "progress", "phase": "weights", "done_bytes": 1, "total_bytes": 2**21},
            "weights 0 % of 2.0 MiB",
        ),
        ({"event": "progress", "phase": "weights"}, "weights"),
        ({"event": "state", "state": "warming", "reason": "replica 0"}, "warming: replica 0"),
        ({"event": "going-back", "reason": "port taken"}, "going back: port taken"),
        ({"event": "applied"}, "applied"),
        ({"event": "ready"}, ""),
        ({"event": "failed", "reason": "x"}, ""),
    ],
)
def test_events_in_words(event: dict[str, Any], text: str) -> None:
    """Short phases and the last word (which ends the step anyway) take no line."""
    assert describe(event) == text


def test_lines_that_are_no_events_are_kept_as_evidence() -> None:
    """A traceback, a banner, JSON of something else: the last twenty lines."""
    report = Report()
    assert report.take("Traceback (most recent call last):") == ""
    assert report.take('{"no": "event"}') == ""
    assert report.take("{broken") == ""
    for number in range(30):
        report.take(f"line {number}")
    assert (len(report.noise), report.noise[-1]) == (20, "line 29")


def test_phases_and_the_last_event_are_kept() -> None:
    """For the waterfall and the result."""
    report = Report()
    report.take('{"event": "phase", "phase": "pull", "state": "done", "seconds": 2.5}')
    report.take('{"event": "ready", "release": "r-1"}')
    assert report.phases == {"pull": 2.5}
    assert report.last["release"] == "r-1"
