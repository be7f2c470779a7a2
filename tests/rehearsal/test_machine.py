"""What the machine itself must have before a rehearsal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.errors import EXIT_REFUSED, Refused
from rehearsal import machine


def test_packages_are_names_without_comments() -> None:
    """One Debian package a line, in order, none twice within its part."""
    names = machine.packages()
    assert "docker.io" in names
    assert len(set(names)) == len(names)
    assert not any(" " in name or "#" in name for name in names)


def test_the_tests_have_a_list_of_their_own() -> None:
    """A demo installs no browser."""
    theirs = machine.packages(Path(__file__).parents[1] / "machine_packages.txt")
    assert theirs[: len(machine.packages())] == machine.packages()
    assert "chromium" in theirs
    assert "chromium" not in machine.packages()


def test_what_is_missing_is_refused_with_the_command_that_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit 3 before anything is built."""
    monkeypatch.setattr(machine.os, "geteuid", lambda: 0)
    monkeypatch.setattr(machine, "packages", lambda: ("coreutils", "no-such-package-anywhere"))
    with pytest.raises(Refused, match="no-such-package-anywhere") as refused:
        machine.check()
    assert "make rehearsal-setup" in str(refused.value)
    assert refused.value.exit_code == EXIT_REFUSED


def test_a_package_that_dpkg_only_heard_of_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a fresh Debian, where others merely suggest it."""
    said = "curl installed\nopenssh-server not-installed\ngnupg config-files\n"
    answer = subprocess.CompletedProcess([], 0, stdout=said)
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: answer)
    monkeypatch.setattr(
        machine, "packages", lambda: ("curl", "openssh-server", "gnupg", "never-heard-of")
    )
    assert machine.missing() == ("openssh-server", "gnupg", "never-heard-of")


def test_nothing_is_installed_without_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make demo` as a plain user: the reason in two lines, before apt is asked."""
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(machine, "missing", lambda: ("tini",))
    monkeypatch.setattr(machine.subprocess, "run", pytest.fail)
    assert machine.main() == EXIT_REFUSED
    assert "needs root" in capsys.readouterr().err.splitlines()[0]


def test_another_system_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Mac has no dpkg."""
    monkeypatch.setattr(machine.shutil, "which", lambda _name: None)
    assert machine.main() == EXIT_REFUSED
    assert "no dpkg" in capsys.readouterr().err


def test_it_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Namespaces and mounts are not for everyone."""
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    with pytest.raises(Refused, match="needs root"):
        machine.check()
