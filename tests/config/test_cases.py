"""Bad files and what is said about them, compared whole: ``tests/cases/config/*.yaml``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from provision.config.check import examine

CASES = sorted((Path(__file__).parent.parent / "cases" / "config").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_bad_file_is_answered_with_all_its_problems(path: Path, tmp_path: Path) -> None:
    """Every problem of the file is named once, with its path, in one answer."""
    case = yaml.safe_load(path.read_text())
    name = case.get("name", "case")
    (tmp_path / f"Pulumi.{name}.yaml").write_text(case["file"])

    checked = examine(name, folder=tmp_path)

    assert [asdict(problem) for problem in checked.problems] == case["problems"], case["says"]
    assert not checked.ok
