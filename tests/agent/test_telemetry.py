"""Numbers wait for a call: none is lost between two, and no more wait than memory is for."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from provision.agent.telemetry import MOST, UNITS, Ledger, Point, calls
from rehearsal.strict.shapes import violations

NAMES = st.sampled_from(sorted(UNITS))
ADDED = st.tuples(
    NAMES,
    st.sampled_from([0.0, 0.5, 1.0, 7.25]),
    st.floats(0, 30),
    st.integers(1, 5),
)
TAKE = "take"


def counted(points: list[Point]) -> Counter[tuple[str, int, float]]:
    return Counter(
        {(one.name, one.second, value): count for one in points for value, count in one.counts}
    )


@given(st.lists(ADDED | st.just(TAKE), max_size=80))
def test_nothing_is_lost_between_calls(steps: list[tuple[str, float, float, int] | str]) -> None:
    """Whenever calls come, each value arrives once, under its second."""
    ledger, arrived = Ledger(), Counter[tuple[str, int, float]]()
    expected = Counter[tuple[str, int, float]]()
    for step in steps:
        if isinstance(step, str):
            arrived += counted(ledger.take())
            continue
        name, value, at, count = step
        ledger.add(name, value, at, count)
        expected[name, int(at), value] += count
    arrived += counted(ledger.take())

    assert arrived == expected
    assert (ledger.lost, len(ledger)) == (0, 0)


@given(st.lists(ADDED, max_size=80), st.integers(1, 6))
def test_what_waits_is_bounded(added: list[tuple[str, float, float, int]], most: int) -> None:
    """What does not fit is counted, and what was added is kept or counted."""
    ledger = Ledger(most)
    for name, value, at, count in added:
        ledger.add(name, value, at, count)
        assert len(ledger) <= most
    kept = sum(counted(ledger.take()).values())
    assert kept + ledger.lost == sum(count for *_, count in added)


def test_the_oldest_go_first() -> None:
    """The newest say more of how things are."""
    ledger = Ledger(2)
    for second in (3, 1, 2):
        ledger.add("Waiting", second, second)
    assert [point.second for point in ledger.take()] == [2, 3]
    assert ledger.lost == 1


def test_what_is_no_number_is_left_out() -> None:
    """CloudWatch refuses a call for one of them."""
    ledger = Ledger()
    for value in (float("nan"), float("inf")):
        ledger.add("KvUsage", value, 1)
    ledger.add("FirstTokenSeconds", 0.1, 1, count=0)
    assert ledger.take() == []


def test_a_call_is_what_cloudwatch_takes() -> None:
    """Values with their counts, at their second, high resolution, one call for all of it."""
    ledger = Ledger()
    ledger.add("CanaryOk", 1.0, 10.2)
    ledger.add("CanaryOk", 1.0, 10.9)
    ledger.add("CanaryOk", 0.0, 15.0)
    (data,) = calls(ledger.take())
    moments = [datetime.fromtimestamp(second, UTC) for second in (10, 15)]
    assert [(d["Timestamp"], d["Values"], d["Counts"]) for d in data] == [
        (moments[0], [1.0], [2.0]),
        (moments[1], [0.0], [1.0]),
    ]
    assert {(d["MetricName"], d["Unit"], d["StorageResolution"]) for d in data} == {
        ("CanaryOk", "None", 1)
    }


@given(st.dictionaries(st.integers(0, 400), st.integers(1, 9), min_size=1), st.integers(1, 30))
def test_no_call_is_larger_than_cloudwatch_takes(values: dict[int, int], seconds: int) -> None:
    """150 values in a datum, 1,000 data in a call, in the form that botocore checks."""
    counts = tuple((float(value), count) for value, count in sorted(values.items()))
    points = [Point(name, second, counts) for second in range(seconds) for name in sorted(UNITS)]
    made = calls(points)
    assert all(len(data) <= 1000 for data in made)
    data = [datum for call in made for datum in call]
    assert all(len(d["Values"]) == len(d["Counts"]) <= 150 for d in data)
    assert sum(sum(d["Counts"]) for d in data) == len(points) * sum(values.values())


def test_every_metric_is_of_a_form_that_aws_takes() -> None:
    """Names, units and members, as botocore's model of the service has them."""
    model: Any = Session().get_service_model("cloudwatch").operation_model("PutMetricData")
    (data,) = calls([Point(name, 1, ((1.0, 2),)) for name in UNITS])
    parameters = {"Namespace": "llm-fleet/test", "MetricData": data}
    assert list(violations(model.input_shape, parameters)) == []


def test_a_minute_of_a_large_host_fits() -> None:
    """Eight engines and eight GPUs, while CloudWatch does not answer for a minute."""
    ledger = Ledger()
    for second in range(60):
        for index in range(8):
            for name in UNITS:
                ledger.add(name, index + second / 100, second)
    assert len(ledger) <= MOST
    assert len(calls(ledger.take())) == 1
