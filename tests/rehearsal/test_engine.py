"""The engine's own environment: made once, from wherever its packages can be had."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from provision.errors import EXIT_FAILED, FleetError
from rehearsal import engine


class Pip:
    """What is run; ``answers`` are pip's exit codes, one an attempt."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.ran: list[list[str]] = []

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.ran.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
            return subprocess.CompletedProcess(command, 0)
        code = self.answers.pop(0)
        return subprocess.CompletedProcess(command, code, stderr="No matching distribution: torch")

    @property
    def indexes(self) -> list[str | None]:
        """Where each attempt of pip looked beside its own settings."""
        attempts = [command for command in self.ran if "install" in command]
        return [
            command[command.index("--extra-index-url") + 1]
            if "--extra-index-url" in command
            else None
            for command in attempts
        ]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and nothing about engines in the environment."""
    monkeypatch.setattr(engine, "CACHE", tmp_path)
    monkeypatch.delenv("LLM_FLEET_ENGINE_PYTHON", raising=False)
    monkeypatch.delenv(engine.TORCH_INDEX, raising=False)
    return tmp_path


def ensure(monkeypatch: pytest.MonkeyPatch, pip: Pip) -> Path:
    monkeypatch.setattr(engine.subprocess, "run", pip)
    return engine.ensure(lambda _line: None)


def test_it_is_made_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pip's own settings; the second time nothing runs."""
    pip = Pip(0)
    assert ensure(monkeypatch, pip) == cache / "engine" / "bin" / "python"
    assert pip.indexes == [None]
    pip.ran.clear()
    ensure(monkeypatch, pip)
    assert pip.ran == []


@pytest.mark.parametrize(
    ("setting", "index"),
    [(None, engine.PYTORCH), ("https://mirror.example/whl", "https://mirror.example/whl")],
)
def test_a_bare_machine_finds_torch_at_its_makers(
    cache: Path, monkeypatch: pytest.MonkeyPatch, setting: str | None, index: str
) -> None:
    """PyPI has no CPU build of it: a second attempt asks PyTorch's index, or the one named."""
    if setting:
        monkeypatch.setenv(engine.TORCH_INDEX, setting)
    pip = Pip(1, 0)
    ensure(monkeypatch, pip)
    assert pip.indexes == [None, index]


def test_nowhere(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the setting, and what is half made is made again the next time."""
    with pytest.raises(FleetError, match="No matching distribution") as caught:
        ensure(monkeypatch, Pip(1, 1))
    assert engine.TORCH_INDEX in caught.value.hint
    pip = Pip(0)
    ensure(monkeypatch, pip)
    assert "venv" in pip.ran[0]


def test_make_shows_the_error_not_a_traceback(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the next step as its last line."""
    monkeypatch.setattr(engine.subprocess, "run", Pip(1, 1))
    assert engine.main() == EXIT_FAILED
    said = capsys.readouterr()
    assert said.out == ""
    assert "error: " in said.err
    assert engine.TORCH_INDEX in said.err.splitlines()[-1]
