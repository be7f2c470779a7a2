"""Whole releases, compared with what was reviewed.

After a change that is meant: ``LLM_FLEET_WRITE_GOLDEN=1 pytest tests/render/test_golden.py``, and
read the difference before committing it. The host program is left out: its sources are its review.
"""

from __future__ import annotations

import os

import pytest

from tests.render.releases import ROOT, release

GOLDEN = ROOT / "tests" / "golden" / "releases"


@pytest.mark.parametrize("name", ["dev", "prod", "prod-70b"])
def test_the_release_is_the_reviewed_one(name: str) -> None:
    """Every text file, byte for byte."""
    rendered = {
        file: content for file, content in release(name).files.items() if isinstance(content, str)
    }
    folder = GOLDEN / name
    if "LLM_FLEET_WRITE_GOLDEN" in os.environ:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in rendered.items():
            (folder / file).write_text(content)

    assert rendered == {path.name: path.read_text() for path in folder.iterdir()}
