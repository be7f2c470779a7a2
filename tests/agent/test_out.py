"""Engines that get nothing new are files; agent and operator write them in turns."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from provision.agent.out import Out


@pytest.fixture
def out(tmp_path: Path) -> Out:
    return Out(tmp_path / "run" / "out")


def test_exactly_those_that_are_wanted(out: Out, tmp_path: Path) -> None:
    """By their numbers, where the front looks."""
    assert out.indexes() == frozenset()
    out.update(lambda _: {0, 3})
    assert out.indexes() == {0, 3}
    out.update(lambda now: now - {0} | {5})
    assert sorted(path.name for path in (tmp_path / "run" / "out").iterdir()) == ["3", "5"]


def test_the_front_s_workers_may_look(out: Out, tmp_path: Path) -> None:
    """They are another user; nobody but root writes."""
    out.update(lambda _: {1})
    assert (tmp_path / "run" / "out").stat().st_mode & 0o055 == 0o055


def test_nobody_overlooks_what_another_wrote(out: Out) -> None:
    """Two writers add and take away a hundred times each, and nothing gets lost."""

    def turn(index: int) -> None:
        for _ in range(100):
            out.update(lambda now: now | {index})
            out.update(lambda now: now - {index})
        out.update(lambda now: now | {index})

    threads = [threading.Thread(target=turn, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert out.indexes() == {0, 1, 2, 3}
