"""Every resource of every environment, compared with what was reviewed: a renamed one is replaced.

After a change that is meant: ``LLM_FLEET_WRITE_GOLDEN=1 pytest tests/infra/test_golden.py``, and
read the difference before committing it.
"""

from __future__ import annotations

import os

import pytest

from rehearsal.pulumi_engine import Declared
from tests.infra.scenes import ALL, ROOT, scene

GOLDEN = ROOT / "tests" / "golden" / "infra"


@pytest.mark.parametrize("name", ALL)
def test_the_resources_are_the_reviewed_ones(name: str) -> None:
    """Type and name of each, and the options that keep it safe."""
    lines = sorted(_line(declared) for declared in scene(name).provisioned.declared)
    text = "\n".join(lines) + "\n"
    path = GOLDEN / f"{name}.txt"
    if "LLM_FLEET_WRITE_GOLDEN" in os.environ:
        path.write_text(text)

    assert text == path.read_text()


def _line(declared: Declared) -> str:
    options = [
        *(["protected"] if declared.protect else []),
        *(["kept"] if declared.retain_on_delete else []),
        *([f"ignores {', '.join(declared.ignore_changes)}"] if declared.ignore_changes else []),
    ]
    return "  ".join([declared.type, declared.name, *options])
