"""Telling that a process has ended from its silence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from provision.connectors.process import is_gone, mine


def test_this_one_is_here() -> None:
    """By boot, namespace, number and start."""
    assert str(os.getpid()) in mine().split("/")
    assert not is_gone(mine())


def test_one_that_ended() -> None:
    """Also while nobody has asked for its exit code yet."""
    code = "from provision.connectors.process import mine; print(mine())"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        name = it.stdout.readline().strip()
        it.stdout.read()
        os.waitid(os.P_PID, it.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(name)
    assert is_gone(name)


def test_a_number_that_was_given_again() -> None:
    """Another start is another process."""
    head, _, _ = mine().rpartition("/")
    assert is_gone(f"{head}/1")


@pytest.mark.parametrize("name", ["", "/", "another-boot:pid:[1]/1/1", "x/y/z"])
def test_what_nobody_here_can_know(name: str) -> None:
    """Another machine's, another container's, or no name at all."""
    assert not is_gone(name)
