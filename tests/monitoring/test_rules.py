"""The rules for Prometheus: right in themselves, and about metrics that there are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal import engine
from tests.monitoring.names import ENGINE, PROMETHEUS, exposed, labels, used

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "monitoring" / "prometheus"
RULES = FOLDER / "llm-fleet.rules.yml"
TESTS = Path(__file__).with_name("rules.test.yml")
TARGET_LABELS = {"environment", "instance", "job"}
LABEL = re.compile(r'([a-z_]+)=~?"')


def promtool(*words: str) -> str:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def test_promtool_takes_the_rules_and_the_example() -> None:
    """Syntax, names, templates, the scrape configuration."""
    assert "20 rules found" in promtool("check", "rules", str(RULES))
    promtool("check", "config", str(FOLDER / "prometheus.yml"))


def test_each_rings_when_it_should_and_not_before() -> None:
    """promtool's own unit tests, with series that move as in an outage."""
    assert "SUCCESS" in promtool("test", "rules", str(TESTS))


def test_every_alert_has_a_test_in_which_it_rings() -> None:
    """A rule that never rang may never ring."""
    text = TESTS.read_text()
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert {
        name for name in alerts if f'alertname="{name}",alertstate="firing"' not in text
    } == set()


def test_a_rule_that_never_rings_is_found(tmp_path: Path) -> None:
    """The tests do fail when a rule is wrong."""
    broken = tmp_path / "llm-fleet.rules.yml"
    broken.write_text(RULES.read_text().replace("ratio5m > 0.1 ", "ratio5m > 0.5 "))
    tests = tmp_path / "rules.test.yml"
    tests.write_text(TESTS.read_text().replace("../../monitoring/prometheus/", ""))
    done = subprocess.run(
        ["promtool", "test", "rules", str(tests)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "LlmFleetHostedShare" in done.stdout + done.stderr


def test_they_look_at_metrics_that_there_are() -> None:
    """Of the agent's own renderer, of the engine, or of a rule before."""
    there = exposed() | ENGINE | PROMETHEUS | recorded()
    for rule in rules():
        assert used(rule["expr"]) - there == set(), rule
        assert used(rule["expr"]), rule


def test_and_at_labels_that_they_have() -> None:
    """A misspelt label matches nothing, and nothing never rings."""
    known = {name for _, names in labels() for name in names} | TARGET_LABELS | {"le"}
    for rule in rules():
        assert set(LABEL.findall(rule["expr"])) <= known, rule


def test_each_alert_says_what_to_do() -> None:
    """A summary with the place, a sentence more, and how urgent it is."""
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert "{{ $labels." in rule["annotations"]["summary"]
            assert rule["annotations"]["description"].endswith(".")


def test_the_page_describes_every_alert() -> None:
    """And none that there is not."""
    page = (ROOT / "docs" / "monitoring.md").read_text()
    said = set(re.findall(r"`(LlmFleet\w+)`", page))
    assert said == {rule["alert"] for rule in rules() if "alert" in rule}


@pytest.mark.lab
def test_the_engine_has_what_is_asked_of_it() -> None:
    """In the source of the very vLLM that the rehearsal runs."""
    source = next(
        engine.python().parents[1].glob("lib/python3*/site-packages/vllm/v1/metrics/loggers.py")
    )
    text = source.read_text()
    agent = (ROOT / "provision" / "agent" / "metrics.py").read_text()
    names = ENGINE | set(re.findall(r'"(vllm:\w+)"', agent))
    for name in names:
        stem = re.sub(r"_(bucket|sum|count|total)$", "", name)
        assert f'"{stem}"' in text or f'"{stem}_total"' in text, name
