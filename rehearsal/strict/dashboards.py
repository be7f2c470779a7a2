"""Rules of a dashboard's body, which CloudWatch checks and moto only parses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.strict.refusal import Look, Params, Refusal

COLUMNS = 24
HEIGHT_MAX = 1000
WIDGETS_MAX = 500
METRICS_MAX = 500
TYPES = ("metric", "text", "log", "alarm", "explorer", "custom", "chart")
_VIEWS = ("timeSeries", "singleValue", "gauge", "bar", "pie", "table")
_STATISTIC = re.compile(
    r"^(SampleCount|Average|Sum|Minimum|Maximum|IQM|(p|tm|tc|ts|wm)\d{1,2}(\.\d+)?)$"
)


def body(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """A JSON object of widgets on a grid of 24 columns, each with what its type needs."""
    try:
        document = json.loads(params["DashboardBody"])
    except ValueError as error:
        return Refusal("InvalidParameterInput", f"the body is not JSON: {error}")
    widgets = document.get("widgets") if isinstance(document, dict) else None
    if not isinstance(widgets, list) or len(widgets) > WIDGETS_MAX:
        return Refusal("InvalidParameterInput", f"widgets: a list of at most {WIDGETS_MAX}")
    for position, widget in enumerate(widgets):
        for why in _wrong(widget):
            return Refusal("InvalidParameterInput", f"widgets/{position}: {why}")
    return None


def _wrong(widget: Mapping[str, Any]) -> Iterator[str]:
    if widget.get("type") not in TYPES:
        yield f"type {widget.get('type')!r}: {', '.join(TYPES)}"
    width, height = widget.get("width", 6), widget.get("height", 6)
    x, y = widget.get("x", 0), widget.get("y", 0)
    if not 1 <= width <= COLUMNS or not 1 <= height <= HEIGHT_MAX:
        yield f"{width} x {height}: 1 to {COLUMNS} columns, 1 to {HEIGHT_MAX} rows"
    if x < 0 or y < 0 or x + width > COLUMNS:
        yield f"at {x}, {y} with {width} columns: the grid has {COLUMNS}"
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        yield "it has no properties"
    elif widget.get("type") == "metric":
        yield from _metric(properties)
    elif widget.get("type") == "text" and not properties.get("markdown"):
        yield "a text has markdown"


def _metric(properties: Mapping[str, Any]) -> Iterator[str]:
    if not properties.get("region"):
        yield "a graph names its region"
    if properties.get("view", "timeSeries") not in _VIEWS:
        yield f"view {properties['view']!r}: {', '.join(_VIEWS)}"
    metrics = properties.get("metrics")
    if not isinstance(metrics, list) or not 1 <= len(metrics) <= METRICS_MAX:
        yield f"metrics: a list of 1 to {METRICS_MAX}"
        return
    yield from _period(properties)
    for row in metrics:
        yield from _row(row)


def _row(row: Any) -> Iterator[str]:
    """``[namespace, name, dimension, value..., options]``, or ``[{expression}]``."""
    options = row[-1] if isinstance(row, list) and row and isinstance(row[-1], dict) else {}
    words = row[:-1] if options else row
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        yield f"{row!r} is no metric"
        return
    if "expression" in options and not words:
        return
    if len(words) < 2 or len(words) % 2:
        yield f"{words} is not a namespace, a name, and pairs of a dimension and its value"
    yield from _period(options)


def _period(said: Mapping[str, Any]) -> Iterator[str]:
    statistic, period = said.get("stat", "Average"), said.get("period", 60)
    if not _STATISTIC.match(str(statistic)):
        yield f"no such statistic {statistic!r}"
    if period not in (1, 5, 10, 20, 30) and (
        not isinstance(period, int) or period % 60 or not period
    ):
        yield f"period {period}: 1, 5, 10, 20, 30 or a multiple of 60"
