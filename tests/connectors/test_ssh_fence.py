"""Epochs all the way to a host: a real SSH connection, a real shell, a file that is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.commands import fence
from provision.commands.command import Command, script
from provision.connectors.ssh import FabricShell
from provision.errors import CommandFailed, LockLost
from provision.executor.fenced import FencedShell
from provision.facts.inventory import Host

CAT = Command(("cat",), stdin="given")


@pytest.fixture
def fenced(shell: FabricShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FencedShell:
    """A run with epoch 8; the host keeps its epoch in a temporary folder."""
    here = fence._SCRIPT.replace(fence.FOLDER, str(tmp_path / "state"))
    monkeypatch.setattr(fence, "_SCRIPT", here)
    fenced = FencedShell(shell)
    fenced.epoch = 8
    return fenced


def test_the_newest_run_is_obeyed(fenced: FencedShell, host: Host, tmp_path: Path) -> None:
    """Input, lines, exit codes come through as without a fence."""
    lines: list[str] = []
    assert fenced.run(host, CAT).stdout == "given"
    assert fenced.stream(host, script("echo a; echo b; exit 3"), lines.append).exit_code == 3
    assert lines == ["a", "b"]
    with pytest.raises(CommandFailed, match="exit 4"):
        fenced.run(host, script("exit 4"))
    assert (tmp_path / "state" / "epoch").read_text() == "8\n"


def test_an_older_run_is_not(fenced: FencedShell, host: Host) -> None:
    """Whichever way it tries; and the newer one goes on."""
    fenced.run(host, CAT)
    fenced.epoch = 7
    with pytest.raises(LockLost, match="i-0abc works for epoch 8 by now, this run has epoch 7"):
        fenced.run(host, CAT)
    with pytest.raises(LockLost):
        fenced.run(host, CAT, check=False)
    with pytest.raises(LockLost):
        fenced.stream(host, CAT, print)
    fenced.epoch = 9
    assert fenced.run(host, CAT).stdout == "given"
