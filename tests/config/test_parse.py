"""Whatever stands in a file, the answer is an environment or a list of problems."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from provision.config.check import check, warnings
from provision.config.dump import dump
from provision.config.environment import Environment
from provision.config.parse import KEYS, examine, parse
from tests.config.environments import SMALL, environments

SECTIONS = yaml.safe_load(dump(SMALL))["config"]
FIELDS = [
    (section, key)
    for section, values in SECTIONS.items()
    if isinstance(values, dict)
    for key in values
]
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.dates()
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=20), anything))
def test_any_document_is_answered(config: dict[str, Any]) -> None:
    """Nonsense never ends in a traceback, and is never taken for an environment."""
    assert examine("dev", {"config": config}).problems


@given(environments, st.sampled_from(FIELDS), anything)
def test_any_value_is_answered(environment: Environment, field: tuple[str, str], raw: Any) -> None:
    """One odd value in a good file: parsed, or refused with problems; what parses can be checked
    and dumped again."""
    section, key = field
    document = yaml.safe_load(dump(environment))
    document["config"][section][key] = raw
    reading = examine(environment.name, document)
    if reading.problems:
        return
    parsed = parse(environment.name, document, source="test")
    check(parsed)
    warnings(parsed)
    assert parse(environment.name, yaml.safe_load(dump(parsed)), source="test") == parsed


@given(st.sampled_from(FIELDS))
def test_null_is_not_said(field: tuple[str, str]) -> None:
    """``null`` is accepted exactly where "not said" is a value."""
    section, key = field
    document = {"config": {**SECTIONS, section: {**SECTIONS[section], key: None}}}
    value = getattr(getattr(SMALL, section.partition(":")[2]), key)
    problems = examine("prod", document).problems
    means_off = key in ("snapshot_every_hours", "warmup_slowdown", "replace_after_s")
    may_be_empty = value is None or value == {} or is_dataclass(value) or means_off
    assert bool(problems) is not may_be_empty
