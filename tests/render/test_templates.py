"""The template set-up: nothing is ever left out silently."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from provision.render.templates import FOLDER, render

# Those of a release; the report's stand in a folder of their own and have their own set-up.
TEMPLATES = sorted(path.name for path in FOLDER.iterdir() if path.is_file())


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_without_its_values_raises(name: str) -> None:
    """Every template needs values, and says which one is missing."""
    with pytest.raises(UndefinedError, match="is undefined"):
        render(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_hold_no_secret(name: str) -> None:
    """Keys and tokens reach a host through Secrets Manager, never through a release."""
    source = (FOLDER / name).read_text()
    # LiteLLM's words for the variable in which the gateway has it, while it runs.
    source = source.replace('api_key: {{ ("os.environ/" ~ one.key_variable)', "")

    assert not re.search(r"(api_key|password|secret_access|hub_token)", source, re.IGNORECASE)


def test_text_is_not_escaped_for_html() -> None:
    """Shell and YAML get their quotes and angle brackets as they are."""
    rendered = render("engine.yaml", settings={"chat-template": "<|im_start|> & 'x'"})

    assert rendered.splitlines()[-1] == """chat-template: "<|im_start|> & 'x'\""""


def test_the_templates_lie_beside_the_package() -> None:
    """Where an editable install and a clone have them."""
    assert Path(__file__).resolve().parents[2] / "templates" == FOLDER
