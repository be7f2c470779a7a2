"""One gateway for the tests of this folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import gateway as litellm
from rehearsal.hosted_api import hosted_api
from tests.hosted.standing import Standing, standing

B_WORDS = ("red", "blue", "green", "black", "white", "gold", "pink", "gray")


@pytest.fixture(scope="session")
def gateway() -> Iterator[Standing]:
    """A gateway that is ready, with two providers that are well."""
    litellm.ensure(print)
    # Not below pytest's own folder: nginx's workers are another user, and that one is closed.
    folder = Path(tempfile.mkdtemp(prefix="llm-fleet-gateway-"))
    folder.chmod(0o755)
    try:
        with (
            hosted_api("A") as a,
            hosted_api("B", words=B_WORDS) as b,
            standing(folder, a, b) as found,
        ):
            found.wait_ready()
            yield found
    finally:
        shutil.rmtree(folder)
