"""The Grafana dashboard: whole, over metrics that there are, in queries that Prometheus takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.monitoring.names import ENGINE, PROMETHEUS, exposed, used
from tests.monitoring.test_rules import ROOT, promtool, recorded

FILE = ROOT / "monitoring" / "grafana" / "llm-fleet.json"
TYPES = {"row", "stat", "timeseries", "state-timeline", "table"}
COLUMNS = 24


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FILE.read_text())
    return document


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dashboard()["panels"]
    return found


def queries() -> Iterator[str]:
    for panel in panels():
        for target in panel.get("targets", ()):
            yield target["expr"]
    for note in dashboard()["annotations"]["list"]:
        yield note["expr"]


def test_it_can_be_imported() -> None:
    """An id that stays, a version of the format, a choice of Prometheus and environment."""
    made = dashboard()
    assert made["uid"] == "llm-fleet"
    assert made["schemaVersion"] >= 36
    assert [one["name"] for one in made["templating"]["list"]] == ["datasource", "environment"]
    assert {one["type"] for one in made["templating"]["list"]} == {"datasource", "query"}
    assert "id" not in made  # of the Grafana that it came from


def test_every_panel_is_whole() -> None:
    """A number of its own, a place, a title, a sentence, queries with letters of their own."""
    numbers = [panel["id"] for panel in panels()]
    assert len(set(numbers)) == len(numbers)
    for panel in panels():
        assert panel["type"] in TYPES
        assert panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith(".")
        assert panel["datasource"]["uid"] == "${datasource}"
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)


def test_no_panel_covers_another() -> None:
    """Each within 24 columns, on cells of its own."""
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_it_looks_at_metrics_that_there_are() -> None:
    """The agent's, the engine's, or what the rules record; each for the chosen environment."""
    there = exposed() | ENGINE | PROMETHEUS | recorded()
    for query in queries():
        assert used(query), query
        assert used(query) - there == set(), query
        assert 'environment="$environment"' in query


def test_prometheus_takes_every_query(tmp_path: Path) -> None:
    """As rules, with Grafana's own words filled in."""
    rules = [
        {"record": f"q:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(queries())
    ]
    document = {"groups": [{"name": "queries", "rules": rules}]}
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump(document))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))


def test_everything_that_the_agent_says_is_shown_or_told() -> None:
    """What nobody looks at is noise: each metric stands in the dashboard, a rule or the page."""
    seen = {name for query in queries() for name in used(query)}
    page = (ROOT / "docs" / "monitoring.md").read_text()
    assert {name for name in exposed() - seen if f"`{name}`" not in page} == set()
