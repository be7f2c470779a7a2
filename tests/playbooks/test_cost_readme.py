"""The README's cost examples are what the commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from invoke.program import Program

import playbooks

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = re.compile(r"^\$ (fab cost\.[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = EXAMPLE.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def test_there_are_examples() -> None:
    """The bill, and what it is compared with."""
    commands = [shlex.split(command)[1] for command, _ in EXAMPLES]
    assert commands == ["cost.preview", "cost.break-even"]


@pytest.mark.parametrize(("command", "shown"), EXAMPLES)
def test_it_prints_what_the_readme_shows(
    command: str,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Line by line and in that order; `...` stands for what the README leaves out."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HOME", str(tmp_path))
    Program(namespace=playbooks.ns, name="fab").run(shlex.split(command), exit=False)
    said = iter(capsys.readouterr().out.splitlines())
    expected = [line for line in shown.splitlines() if line not in ("", "...")]
    assert [line for line in expected if line not in said] == []
