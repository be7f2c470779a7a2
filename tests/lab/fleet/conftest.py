"""One rehearsal for all tests of this folder: `fab rehearse --keep`, as a person types it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.fleet.standing import Fleet, standing


@pytest.fixture(scope="package")
def fleet() -> Iterator[Fleet]:
    """Two hosts that serve. Taken away before other tests need the machine; nothing is left."""
    with standing(2) as fleet:
        yield fleet
