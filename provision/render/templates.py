"""The Jinja2 set-up that every rendered file goes through."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import provision

FOLDER = Path(provision.__file__).resolve().parent.parent / "templates"


def render(template: str, **values: Any) -> str:
    """Fill in ``templates/<template>``. A value that is missing is an error, never an empty text.

    Filters beside Jinja's own: ``json`` (also a YAML scalar), ``words`` (quoted for a shell),
    ``literal`` (``$`` doubled, so that compose leaves it alone).
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        # The files are shell, YAML and nginx: HTML escaping would corrupt them.
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["json"] = _json
    environment.filters["words"] = _words
    environment.filters["literal"] = _literal
    return environment


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _words(values: Iterable[str]) -> str:
    return shlex.join(values)


def _literal(text: str) -> str:
    return text.replace("$", "$$")
