"""Changing one value in a person's file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from provision.config.edit import set_value
from provision.errors import ConfigError

NEW = "ami-0fedcba9876543210"
ROOT = Path(__file__).parent.parent.parent


def change(text: str) -> str:
    return set_value(text, "fleet", "ami", NEW, source="Pulumi.dev.yaml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    ami: null  # pin me", f"    ami: {NEW}  # pin me"),
        ("    ami: ami-0a1b2c3d", f"    ami: {NEW}"),
        ('    ami: "ami-0a1b2c3d"   # old', f"    ami: {NEW}   # old"),
        ("    ami:", f"    ami: {NEW}"),
        ("    ami:  # empty", f"    ami: {NEW}  # empty"),
    ],
)
def test_only_the_value_changes(before: str, after: str) -> None:
    """Comments, order, blank lines and the other sections stay as they were."""
    text = """\
# a comment
config:
  aws:region: us-east-1   # here

  llm-fleet:fleet:
    # ami: ami-ffffffff
    hosts: 2
{line}

  llm-fleet:hub: {{endpoint: https://huggingface.co}}
"""
    assert change(text.format(line=before)) == text.format(line=after)


def test_a_key_that_is_not_there_is_added() -> None:
    """A section without the key gets it, at the section's own indentation."""
    text = "config:\n  llm-fleet:fleet:\n      hosts: 2\n      zones: 1\n"
    assert (
        change(text)
        == f"config:\n  llm-fleet:fleet:\n      ami: {NEW}\n      hosts: 2\n      zones: 1\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "config:\n  llm-fleet:fleet: {hosts: 2}\n",
        "config:\n  llm-fleet:fleet:\n",
        "config:\n  aws:region: us-east-1\n",
        "config: []\n",
        "",
    ],
)
def test_what_can_t_be_edited_safely_is_left_to_the_person(text: str) -> None:
    """Without a block of keys the error says which line to add."""
    with pytest.raises(ConfigError, match=f"add `ami: {NEW}`"):
        change(text)


@pytest.mark.parametrize("name", ["dev", "prod", "prod-70b", "rehearsal"])
def test_the_project_s_own_files_can_be_edited(name: str) -> None:
    """In every shipped file only the image changes."""
    text = (ROOT / f"Pulumi.{name}.yaml").read_text()
    expected = yaml.safe_load(text)
    expected["config"]["llm-fleet:fleet"]["ami"] = NEW
    assert yaml.safe_load(change(text)) == expected
    lines = zip(text.splitlines(), change(text).splitlines(), strict=True)
    assert len([pair for pair in lines if pair[0] != pair[1]]) == 1
