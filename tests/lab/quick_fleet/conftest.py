"""Real hosts with the quick engine: a rollout takes seconds a host, and engines fail on demand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rehearsal import engine, tiny_model
from tests.lab import project
from tests.lab.fleet.standing import Fleet, standing
from tests.lab.quick import environment


@contextmanager
def quick_fleet(hosts: int, folder: Path) -> Iterator[Fleet]:
    """A fleet of *hosts*, its project in *folder*."""
    # The weights are real, made by the real engine's libraries, although nobody opens them.
    tiny_model.ensure(engine.CACHE / "tiny-model", engine.python())
    made = project.make(folder, project.quick)
    with standing(hosts, folder=made, engine=environment.ensure()) as fleet:
        yield fleet


@pytest.fixture(scope="package")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two hosts that serve."""
    with quick_fleet(2, tmp_path_factory.mktemp("project")) as fleet:
        yield fleet
