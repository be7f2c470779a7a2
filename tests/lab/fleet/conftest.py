"""One rehearsal for all tests of this folder: `fab rehearse --keep`, as a person types it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rehearsal.world import World
from tests.lab.fleet.standing import Fleet, fab


@pytest.fixture(scope="package")
def fleet() -> Iterator[Fleet]:
    """Two hosts that serve. Taken away before other tests need the machine; nothing is left."""
    assert not World().is_standing(), "a rehearsal stands already: `fab rehearse --down`"
    try:
        done = fab("rehearse", "--keep", "--hosts", "2", "--json", timeout_s=900)
        assert done.code == 0, str(done)
        standing = Fleet(done.json)
        with standing.http:
            yield standing
    finally:
        down = fab("rehearse", "--down", "--json")
    assert down.code == 0, str(down)
    assert down.json["left_behind"] == []
