"""One machine room for all tests of a module; nothing of it is left afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import engine
from rehearsal.world import STATE, World
from tests.lab.room import BRIDGE, Room, provision


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """Two hosts behind a load balancer, up and healthy."""
    hub = tmp_path_factory.mktemp("hub")
    folder: Path = hub / "org" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    world = World(STATE.with_name("lab"), bridge=BRIDGE)
    settings = world.start(engine_python=engine.python(), hub=hub)
    try:
        standing = Room(world, settings)
        provision(standing)
        standing.wait_healthy()
        yield standing
    finally:
        world.stop()
    assert world.left_behind() == []
