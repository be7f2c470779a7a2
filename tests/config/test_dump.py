"""Writing an environment back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given

from provision.config.dump import dump
from provision.config.environment import Environment
from provision.config.load import load
from provision.config.parse import parse
from tests.config.environments import SMALL, environments

ROOT = Path(__file__).parent.parent.parent


def test_a_line_break_of_another_age_survives() -> None:
    """U+0085 ends a line in YAML; in a value it is escaped, and so is everything beyond ASCII."""
    engine = replace(SMALL.engine, extra_args={"dtype": "\x85", "title": "é\u2028"})
    environment = replace(SMALL, engine=engine)
    text = dump(environment)
    assert text.isascii()
    assert parse(SMALL.name, yaml.safe_load(text), source="dump") == environment


@given(environments)
def test_what_is_dumped_parses_to_the_same(environment: Environment) -> None:
    """Dump and parse are each other's inverse for every valid environment, presets included."""
    text = dump(environment)
    assert parse(environment.name, yaml.safe_load(text), source="dump") == environment


@pytest.mark.parametrize("name", ["dev", "prod", "prod-70b", "rehearsal"])
def test_the_project_s_own_files_survive(name: str, tmp_path: Path) -> None:
    """The shipped environments come back the same through a file."""
    environment = load(name, folder=ROOT)
    (tmp_path / f"Pulumi.{name}.yaml").write_text(dump(environment))
    assert load(name, folder=tmp_path) == environment


def test_a_dump_has_one_key_a_section() -> None:
    """The text is a Pulumi stack file: namespaced keys, region under the provider's own key."""
    assert list(yaml.safe_load(dump(SMALL))["config"]) == [
        "aws:region",
        "llm-fleet:owner",
        "llm-fleet:model",
        "llm-fleet:engine",
        "llm-fleet:fleet",
        "llm-fleet:network",
        "llm-fleet:model_cache",
        "llm-fleet:load_balancer",
        "llm-fleet:access",
        "llm-fleet:front",
        "llm-fleet:health",
        "llm-fleet:fallback",
        "llm-fleet:observability",
        "llm-fleet:budget",
        "llm-fleet:usage",
        "llm-fleet:toolkit",
        "llm-fleet:hub",
        "llm-fleet:aws",
    ]
