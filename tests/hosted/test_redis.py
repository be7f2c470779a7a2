"""Two gateways and one Redis: who found a provider dead tells the other."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import gateway as litellm
from rehearsal.hosted_api import Fault, Manner, hosted_api
from tests.hosted.standing import chat, free_port, standing

pytestmark = pytest.mark.soak

COOLDOWN_S = 30


@pytest.fixture
def redis_url() -> Iterator[str]:
    """Debian's Redis, on a port of the loopback, writing nothing."""
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def test_a_provider_that_one_found_dead_is_left_alone_by_the_other(
    redis_url: str, tmp_path: Path
) -> None:
    """The second gateway does not try it even once."""
    litellm.ensure(print)
    told = {"redis_url": redis_url, "cooldown_s": COOLDOWN_S}
    with (
        hosted_api("A") as a,
        hosted_api("B") as b,
        standing(tmp_path / "one", a, b, **told) as one,
        standing(tmp_path / "two", a, b, **told) as two,
    ):
        one.wait_ready()
        two.wait_ready()
        a.behave(Manner(Fault.ERROR))
        assert all(one.ask(chat()).whole for _ in range(3))
        assert a.asked == 2
        time.sleep(1)
        assert all(two.ask(chat()).whole for _ in range(3))
        assert a.asked == 2
