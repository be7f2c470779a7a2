"""docs/environments.md says what the code does."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from provision.config.environment import EngineSettings, Environment
from provision.config.presets import PRESETS
from provision.config.rules import RULES
from provision.config.timeouts import chain

PAGE = Path(__file__).parent.parent.parent / "docs" / "environments.md"


def leaves(shape: type, prefix: str = "") -> Iterator[tuple[str, Field[Any], Any]]:
    hints = typing.get_type_hints(shape)
    for field in fields(shape):
        hint = hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            yield from leaves(hint, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", field, hint


def default_of(field: Field[Any]) -> str:
    """A default as a person would write it in the file."""
    if field.default_factory is not MISSING:
        return f"`{json.dumps(field.default_factory())}`"
    if field.default is MISSING:
        return "required"
    if field.default is None:
        return "not said"
    plain = isinstance(field.default, str)
    return f"`{field.default if plain else json.dumps(field.default)}`"


def allowed(path: str, hint: Any) -> str:
    """The rule of a field in words."""
    if path in RULES:
        return RULES[path].says
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return f"one of {', '.join(hint)}"
    return "true or false" if hint is bool else "keys and values"


def test_every_key_is_on_the_page_with_its_default_and_its_rule() -> None:
    """The tables list every key once, in order, as the code has it."""
    rows = [
        line.split(" | ")
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `") and line.count(" | ") == 3
    ]
    assert [(row[0].strip("| `"), row[1], row[2]) for row in rows] == [
        (path, default_of(field), allowed(path, hint))
        for path, field, hint in leaves(Environment)
        if path not in ("name", "region")
    ]
    assert all(row[3].strip("| ") for row in rows)


def test_the_timeouts_on_the_page_are_the_default_s() -> None:
    """The table of timeouts is the chain of a default engine."""
    rows = [f"| `{name}` | {s} | {why} |" for name, s, why in chain(EngineSettings()).links()]
    assert "\n".join(rows) in PAGE.read_text()


def test_the_presets_on_the_page_are_the_presets() -> None:
    """The table of presets has every preset with every setting that it fills."""
    text = PAGE.read_text()
    header = next(line for line in text.splitlines() if line.startswith("| preset |"))
    columns = [column.strip(" `") for column in header.strip("|").split("|")][1:]
    for name, settings in PRESETS.items():
        cells = [str(settings.get(column, "-")) for column in columns]
        assert f"| `{name}` | {' | '.join(cells)} |" in text
        assert set(settings) <= set(columns)
