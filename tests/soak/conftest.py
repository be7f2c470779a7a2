"""Two hosts with vLLM itself, and a place for the last lines of `make soak`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provision.config.environment import Environment
from rehearsal.engine import CACHE
from tests.lab import project
from tests.lab.fleet.standing import Fleet, standing

RESULTS = CACHE / "soak.txt"  # the Makefile shows it last


@pytest.fixture(scope="session")
def results() -> Path:
    """Empty at the beginning."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text("")
    return RESULTS


@pytest.fixture(scope="package")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two hosts that serve, with one key for more clients than a person has."""
    folder = project.make(tmp_path_factory.mktemp("project"), _busy)
    with standing(2, folder=folder) as fleet:
        yield fleet


def _busy(environment: Environment) -> Environment:
    front = replace(environment.front, requests_per_minute_per_key=100_000)
    return replace(environment, front=front)
