"""Every test here types real tasks over a fleet on paper."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.paper.desk import desks


@pytest.fixture(autouse=True)
def paper() -> Iterator[None]:
    """Tasks act on the world of whoever types them."""
    with desks():
        yield
