"""The closed loop's CloudWatch against what AWS documents.

The tables are those of the CloudWatch user guide (``AlarmThatSendsEmail.md`` in its public
repository); 0 is a point within the threshold, X one beyond, - one that is missing.
"""

from __future__ import annotations

import pytest

from rehearsal.alarm_model import AlarmModel, AlarmSpec, Metrics, verdict

POINT = {"0": False, "X": True, "-": None}
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
KEPT = "kept"

THREE_OF_THREE = [
    ("0 - X - X", ("OK", "OK", "OK", "OK")),
    ("0 - - - -", ("OK", "OK", "OK", "OK")),
    ("- - - - -", ("INSUFFICIENT_DATA", KEPT, "ALARM", "OK")),
    ("0 X X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("- - - - X", ("INSUFFICIENT_DATA", KEPT, "ALARM", "OK")),
    ("X - - - -", ("ALARM", KEPT, "ALARM", "OK")),
]
TWO_OF_THREE = [
    ("0 - X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0 0 X 0 X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0 - X - -", ("OK", "OK", "ALARM", "OK")),
    ("- - - - 0", ("OK", "OK", "ALARM", "OK")),
    ("- - - - X", ("INSUFFICIENT_DATA", KEPT, "ALARM", "OK")),
]


@pytest.mark.parametrize("state", ["OK", "ALARM", "INSUFFICIENT_DATA"])
@pytest.mark.parametrize(
    ("m", "points", "expected"),
    [(3, *row) for row in THREE_OF_THREE] + [(2, *row) for row in TWO_OF_THREE],
)
def test_the_tables_of_the_user_guide(
    m: int, points: str, expected: tuple[str, ...], state: str
) -> None:
    """Each row, with each treatment of missing data, from each state."""
    read = [POINT[point] for point in points.split()]
    said = [verdict(read, m=m, n=3, missing=missing, state=state) for missing in TREATMENTS]
    assert said == [state if word is KEPT else word for word in expected]


CANARY = AlarmSpec("canary", "CanaryOk", "Average", "<=", 0.5, m=1, n=1, missing="missing")


class Rig:
    """One alarm and its metric; points are available at once unless told otherwise."""

    def __init__(self, spec: AlarmSpec) -> None:
        self.metrics = Metrics()
        self.alarm = AlarmModel(spec, self.metrics)
        self.spec = spec

    def put(self, at: float, value: float, *, late_s: float = 0.0) -> None:
        self.metrics.put(self.spec.metric, at=at, value=value, available_at=at + late_s)

    def states(self, *moments: float) -> list[str]:
        said = []
        for moment in moments:
            self.alarm.evaluate(moment)
            said.append(self.alarm.state)
        return said


def test_only_complete_periods_count() -> None:
    """A point is seen when its period is over, not before."""
    rig = Rig(CANARY)
    rig.put(101, 0.0)
    assert rig.states(109.9, 110.0) == ["INSUFFICIENT_DATA", "ALARM"]


def test_a_point_counts_from_when_it_has_arrived() -> None:
    """Ingestion takes seconds; until then the period before is looked at."""
    rig = Rig(CANARY)
    rig.put(95, 1.0)
    rig.put(105, 0.0, late_s=12)
    assert rig.states(110, 116.9, 117) == ["OK", "OK", "ALARM"]


def test_a_change_is_told_once() -> None:
    """Actions run on transitions only, not for as long as a state lasts."""
    rig = Rig(CANARY)
    for at in (101, 111, 121):
        rig.put(at, 0.0)
    assert [rig.alarm.evaluate(moment) for moment in (110, 120, 130)] == [True, False, False]


def test_metrics_that_stop_leave_an_alarm_as_it_is_for_a_while() -> None:
    """The last points are evaluated again until they leave the range: silence is seen late."""
    rig = Rig(CANARY)
    rig.put(101, 1.0)
    assert rig.states(110, 120, 130, 140) == ["OK", "OK", "OK", "INSUFFICIENT_DATA"]


def test_without_traffic_an_alarm_clears_itself() -> None:
    """Errors stop being counted when nothing is sent: that says nothing of the fleet."""
    errors = AlarmSpec("errors", "5xx", "Sum", ">", 10, m=1, n=1, missing="notBreaching")
    rig = Rig(errors)
    rig.put(101, 50.0)
    assert rig.states(110, 130, 140) == ["ALARM", "ALARM", "OK"]


def test_sparse_data_delays_a_return_by_the_range() -> None:
    """As observed in the field: 60 s, 1 of 1, and OK only minutes after the last error."""
    errors = AlarmSpec(
        "errors", "5xx", "Sum", ">", 10, m=1, n=1, missing="notBreaching", period_s=60
    )
    rig = Rig(errors)
    rig.put(601, 50.0, late_s=120)
    assert rig.states(660, 720, 780, 840, 900) == ["OK", "OK", "ALARM", "OK", "OK"]


def test_silence_that_counts_as_breaching_is_seen_after_the_range() -> None:
    """2 of 3 with ``breaching``: forty seconds, since older points stand in for missing ones."""
    silent = AlarmSpec("silent", "CanaryOk", "SampleCount", "<", 1, m=2, n=3, missing="breaching")
    rig = Rig(silent)
    for at in range(51, 111, 10):
        rig.put(at, 1.0)
    assert rig.states(120, 130, 140, 150) == ["OK", "OK", "OK", "ALARM"]


def test_filled_silence_is_seen_as_soon_as_its_periods_are_over() -> None:
    """With FILL(m, 0) there is no missing point to stand in for."""
    silent = AlarmSpec(
        "silent", "CanaryOk", "SampleCount", "<", 1, m=2, n=2, missing="breaching", fill=0.0
    )
    rig = Rig(silent)
    rig.put(101, 1.0)
    assert rig.states(120, 130) == ["OK", "ALARM"]
