"""A host refuses what belongs to an older run: the script itself, in a real shell."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.commands.command import Command
from provision.commands.fence import FOLDER, REFUSED, newer
from provision.secret import Secret

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SHELLS = [name for name in ("dash", "bash") if shutil.which(name)]


@pytest.fixture(params=SHELLS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs words under an epoch on a host in a temporary folder, with either shell as ``sh``."""
    sh = tmp_path / "bin" / "sh"
    sh.parent.mkdir()
    sh.symlink_to(str(shutil.which(request.param)))

    def run(epoch: int | None, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        text = Command(words, epoch=epoch).shell().replace(FOLDER, str(tmp_path / "state"))
        return subprocess.run(
            [str(sh), "-c", text],
            input=stdin,
            env={"PATH": f"{sh.parent}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    return run


def epoch(tmp_path: Path) -> str:
    return (tmp_path / "state" / "epoch").read_text().strip()


def test_there_are_two_shells() -> None:
    """The one of Debian and Ubuntu, and the one of Amazon Linux."""
    assert SHELLS == ["dash", "bash"]


def test_the_first_command_runs_and_is_remembered(run: Run, tmp_path: Path) -> None:
    """With its words as they are, its input, its output and its exit code."""
    done = run(7, "sh", "-c", 'cat; echo "$0" "$1" >&2; exit 5', "a b", "$c", stdin="given")
    assert (done.returncode, done.stdout, done.stderr) == (5, "given", "a b $c\n")
    assert epoch(tmp_path) == "7"


@pytest.mark.parametrize(("then", "runs"), [(6, False), (7, True), (8, True), (100, True)])
def test_only_an_older_one_is_refused(run: Run, tmp_path: Path, then: int, runs: bool) -> None:
    """By number, not by text; what it would have done was not done."""
    run(7, "true")
    done = run(then, "touch", str(tmp_path / "done"))
    assert (done.returncode == 0, (tmp_path / "done").exists()) == (runs, runs)
    assert epoch(tmp_path) == str(max(7, then))
    assert newer(done.returncode, done.stderr) == (None if runs else 7)


def test_without_an_epoch_nothing_is_asked(run: Run, tmp_path: Path) -> None:
    """What only looks needs none, and leaves none."""
    assert run(None, "true").returncode == 0
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("text", ["", "\n", "seven\n", "7 8\n", "-1\n"])
def test_an_epoch_that_is_none(run: Run, tmp_path: Path, text: str) -> None:
    """A file that was cut off by a crash keeps nobody out."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "epoch").write_text(text)
    assert run(3, "true").returncode == 0
    assert epoch(tmp_path) == "3"


def test_a_host_that_can_remember_nothing(run: Run, tmp_path: Path) -> None:
    """A full disk, here a file in the folder's place: the command runs, it may be the remedy."""
    (tmp_path / "state").write_text("")
    assert run(3, "echo", "back in traffic").stdout == "back in traffic\n"


def test_many_at_once(run: Run, tmp_path: Path) -> None:
    """The highest one stays, whatever the order."""
    words = ["sh", "-c", "true"]
    script = " & ".join(Command(tuple(words), epoch=number).shell() for number in range(1, 20))
    text = f"{script} & wait".replace(FOLDER, str(tmp_path / "state"))
    run(None, "sh", "-c", text)
    assert epoch(tmp_path) == "19"


def test_people_see_the_command_alone() -> None:
    """Neither the fence nor a secret shows."""
    command = Command(("docker", "ps", Secret("hunter2")), epoch=7)
    assert command.display() == "docker ps '***'"
    assert "hunter2" in command.shell()
    assert "\n" not in command.shell()


@pytest.mark.parametrize(
    ("exit_code", "stderr", "known"),
    [
        (REFUSED, "llm-fleet epoch 12\n", 12),
        (REFUSED, "warning\nllm-fleet epoch 12", 12),
        (REFUSED, "a command's own exit code", None),
        (REFUSED, "llm-fleet epoch of cheese", None),
        (1, "llm-fleet epoch 12", None),
        (0, "", None),
    ],
)
def test_a_refusal_is_told_from_a_failure(exit_code: int, stderr: str, known: int | None) -> None:
    """By exit code and words together."""
    assert newer(exit_code, stderr) == known
