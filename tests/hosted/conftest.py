"""One gateway for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rehearsal import gateway as litellm
from tests.hosted.api import hosted_api
from tests.hosted.standing import Standing, standing

B_WORDS = ("red", "blue", "green", "black", "white", "gold", "pink", "gray")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """A gateway that is ready, with two providers that are well."""
    litellm.ensure(print)
    folder = tmp_path_factory.mktemp("gateway")
    with hosted_api("A") as a, hosted_api("B", words=B_WORDS) as b, standing(folder, a, b) as found:
        found.wait_ready()
        yield found
