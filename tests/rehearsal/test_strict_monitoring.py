"""What CloudWatch refuses of alarms, dashboards and numbers, and moto lets through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rehearsal.strict.guard import guard
from rehearsal.strict.refusal import RefusedByAws


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    with mock_aws():
        yield guard(boto3.client("cloudwatch", region_name="us-east-1"))


def alarm(**changes: Any) -> dict[str, Any]:
    """One on an expression of two metrics that a program sends itself."""
    made = {
        "AlarmName": "share",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 10.0,
        "EvaluationPeriods": 5,
        "Metrics": [metric("p"), metric("h"), result("IF(p + h > 20, 100*h/(p+h), 0)")],
    }
    return {key: value for key, value in {**made, **changes}.items() if value is not None}


def metric(id: str, **changes: Any) -> dict[str, Any]:
    stat = {
        "Metric": {"Namespace": "llm-fleet/x", "MetricName": id, "Dimensions": []},
        "Period": 60,
        "Stat": "Sum",
        **changes,
    }
    return {"Id": id, "MetricStat": stat, "ReturnData": False}


def result(expression: str, **changes: Any) -> dict[str, Any]:
    return {"Id": "e", "Expression": expression, "ReturnData": True, **changes}


ALARMS: dict[str, tuple[dict[str, Any], str]] = {
    "a metric beside metrics": (alarm(MetricName="M", Statistic="Sum"), "exactly one of"),
    "a namespace beside metrics": (alarm(Namespace="N"), "do not go with Namespace"),
    "neither": (alarm(Metrics=None), "exactly one of MetricName and Metrics"),
    "a name that is not there": (
        alarm(Metrics=[metric("p"), result("p/q")]),
        "uses q: no such id",
    ),
    "no result": (alarm(Metrics=[metric("p")]), "exactly one of the queries"),
    "two results": (alarm(Metrics=[metric("p"), result("p"), result("p", Id="f")]), "exactly one"),
    "an id with a capital": (alarm(Metrics=[metric("P"), result("0")]), "small letter"),
    "an id twice": (alarm(Metrics=[metric("p"), metric("p"), result("p")]), "different ones"),
    "no statistic of that name": (
        alarm(Metrics=[metric("p", Stat="Mean"), result("p")]),
        "no such statistic 'Mean'",
    ),
    "two periods": (alarm(Metrics=[metric("p"), metric("h", Period=10), result("p+h")]), "several"),
    "every 15 s": (alarm(Metrics=[metric("p", Period=15), result("p")]), "10, 20, 30"),
    "over two days": (alarm(EvaluationPeriods=2880), "too long"),
    "AWS's own metrics every 10 s": (
        {
            **{"AlarmName": "a", "Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount"},
            **{"Statistic": "Sum", "Period": 10, "EvaluationPeriods": 3, "Threshold": 1.0},
            "ComparisonOperator": "GreaterThanThreshold",
        },
        "no metrics of high resolution",
    ),
}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_that_would_never_ring_is_refused(cloudwatch: Any, name: str) -> None:
    """Before it is sent."""
    parameters, said = ALARMS[name]
    with pytest.raises(RefusedByAws, match=said):
        cloudwatch.put_metric_alarm(**parameters)


def test_one_that_rings_goes_through(cloudwatch: Any) -> None:
    """Functions and words of the expression's language are no ids."""
    both = "IF(FILL(p,1) == 0 AND FILL(h,1) == 0, 1, 0)"
    cloudwatch.put_metric_alarm(**alarm())
    cloudwatch.put_metric_alarm(**alarm(Metrics=[metric("p"), metric("h"), result(both)]))
    high = metric("p", Period=10, Stat="p99.9")
    cloudwatch.put_metric_alarm(**alarm(Metrics=[high, result("p")]))
    (kept,) = cloudwatch.describe_alarms()["MetricAlarms"]
    assert [query["Id"] for query in kept["Metrics"]] == ["p", "e"]


def graph(**changes: Any) -> dict[str, Any]:
    properties = {"region": "us-east-1", "metrics": [["N", "M"]], "period": 60, "stat": "Sum"}
    return {"type": "metric", "x": 0, "y": 0, "width": 8, "height": 6, "properties": properties} | {
        **changes
    }


def drawn(**changes: Any) -> dict[str, Any]:
    return graph(properties={**graph()["properties"], **changes})


WIDGETS: dict[str, tuple[dict[str, Any], str]] = {
    "of no type": (graph(type="graph"), "type 'graph'"),
    "wider than the grid": (graph(width=25), "1 to 24 columns"),
    "beyond its edge": (graph(x=20), "the grid has 24"),
    "without a region": (drawn(region=""), "names its region"),
    "without metrics": (drawn(metrics=[]), "a list of 1 to 500"),
    "with half a metric": (drawn(metrics=[["N"]]), "pairs of a dimension"),
    "with half a dimension": (drawn(metrics=[["N", "M", "Host"]]), "pairs of a dimension"),
    "with a number for a name": (drawn(metrics=[["N", 1]]), "is no metric"),
    "with a statistic of no name": (drawn(stat="Mean"), "no such statistic 'Mean'"),
    "with one in its options": (drawn(metrics=[["N", "M", {"stat": "q50"}]]), "statistic 'q50'"),
    "every 45 s": (drawn(period=45), "a multiple of 60"),
    "in a view of no name": (drawn(view="lines"), "view 'lines'"),
    "a text without one": (graph(type="text", properties={}), "markdown"),
}


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_that_would_stay_empty_is_refused(cloudwatch: Any, name: str) -> None:
    """With its place in the body."""
    widget, said = WIDGETS[name]
    body = json.dumps({"widgets": [graph(), widget]})
    with pytest.raises(RefusedByAws, match=f"widgets/1: .*{said}"):
        cloudwatch.put_dashboard(DashboardName="d", DashboardBody=body)


@pytest.mark.parametrize("body", ["widgets", "[]", '{"widgets": {}}'])
def test_a_body_that_is_none_is_refused(cloudwatch: Any, body: str) -> None:
    """No JSON, no object, no list of widgets."""
    with pytest.raises(RefusedByAws):
        cloudwatch.put_dashboard(DashboardName="d", DashboardBody=body)


def test_a_dashboard_that_shows_something_goes_through(cloudwatch: Any) -> None:
    """Percentiles, options, expressions, a text."""
    rows = [["N", "M", "Host", "a", {"stat": "p99.9", "period": 10}], [{"expression": "m1*2"}]]
    text = graph(type="text", properties={"markdown": "# Fleet"})
    body = json.dumps({"widgets": [drawn(metrics=rows), text]})
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody=body)
    assert cloudwatch.get_dashboard(DashboardName="d")["DashboardBody"] == body


def datum(**changes: Any) -> dict[str, Any]:
    made = {"MetricName": "M", "Values": [1.0], "Counts": [2.0], "StorageResolution": 1, **changes}
    return {key: value for key, value in made.items() if value is not None}


DATA: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "in AWS's namespace": ("AWS/EC2", [datum()], "is AWS's"),
    "that is no number": ("N", [datum(Values=[float("nan")])], "can't be stored"),
    "of another resolution": ("N", [datum(StorageResolution=10)], "1 or 60"),
    "with a count too few": ("N", [datum(Values=[1.0, 2.0])], "1 counts for 2 values"),
    "with too many values": (
        "N",
        [datum(Values=[float(n) for n in range(151)], Counts=None)],
        "150 at most",
    ),
    "with a value and values": ("N", [datum(Value=1.0)], "exactly one of"),
    "in too long a call": ("N", [datum()] * 1001, "1000 at most"),
}


@pytest.mark.parametrize("name", DATA)
def test_a_number_that_can_not_be_stored_is_refused(cloudwatch: Any, name: str) -> None:
    """And with it, at AWS, the whole call."""
    namespace, data, said = DATA[name]
    with pytest.raises(RefusedByAws, match=said):
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)


def test_numbers_go_through(cloudwatch: Any) -> None:
    """As values with their counts, as one value, as a summary."""
    summary = {"SampleCount": 2.0, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0}
    data = [datum(), datum(Values=None, Counts=None, Value=1.0)]
    data += [datum(Values=None, Counts=None, StatisticValues=summary)]
    cloudwatch.put_metric_data(Namespace="llm-fleet/x", MetricData=data)
