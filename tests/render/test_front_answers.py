"""What the agent gets to count answers from: a datagram each, for which nobody waits."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from provision.config.environment import FrontSettings
from provision.render.front import Spill
from tests.render.stubs import Engine, Front, running_front, wait_until

WORKERS = 2  # of nginx


@contextmanager
def counter(front: Front) -> Iterator[socket.socket]:
    """The agent's end, as the agent does it: the file last, and away first."""
    path, mark = front.scratch / "answers.sock", front.scratch / "counting"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        path.chmod(0o666)  # nginx's workers are not root
        listener.settimeout(5)
        mark.touch()
        try:
            yield listener
        finally:
            mark.unlink()
            path.unlink()


def told(listener: socket.socket) -> dict[str, Any]:
    """The next answer: what comes after the head that syslog has."""
    text = listener.recv(4096).decode()
    answer: dict[str, Any] = json.loads(text.partition(" front: ")[2])
    return answer


def waiting(listener: socket.socket) -> Iterator[dict[str, Any]]:
    """Those that came already."""
    with suppress(BlockingIOError):
        while True:
            yield told(listener)


@pytest.fixture
def front() -> Iterator[Front]:
    gateway = Engine()
    gateway.script.headers = {"x-llm-tier": "hosted"}
    with running_front(spill=Spill(gateway.address)) as found:
        yield found
    gateway.stop()


def test_each_answer_with_its_tier_status_and_reason(front: Front) -> None:
    """Also errors of the front itself; probes say that they are some."""
    with counter(front) as listener:
        front.ask()
        front.engine.script.status = 503
        front.ask()
        front.ask(**{"x-llm-local-only": "1"})
        front.ask(None)
        front.ask(**{"x-llm-probe": "1"})
        came = [told(listener) for _ in range(5)]

    assert [(one["tier"], one["status"], one["spill"], one["probe"]) for one in came] == [
        ("primary", 200, "", ""),
        ("hosted", 200, "full", ""),
        ("primary", 503, "", ""),
        ("primary", 401, "", ""),
        ("primary", 503, "", "1"),
    ]
    assert all(one["seconds"] >= 0 for one in came)


def test_a_front_that_passes_nothing_on_tells_them_too() -> None:
    """Without a fallback the statuses are worth counting."""
    with running_front() as front, counter(front) as listener:
        front.ask()
        one = told(listener)
    assert (one["tier"], one["status"], one["spill"]) == ("primary", 200, "")


def test_without_an_agent_nginx_says_nothing_of_it(front: Front) -> None:
    """It has not started yet, or is gone; when it comes the next answer is counted."""
    for _ in range(20):
        assert front.ask().status_code == 200
    with counter(front) as listener:
        front.ask()
        assert told(listener)["status"] == 200
    for _ in range(20):
        assert front.ask().status_code == 200
    assert front.complaints == ""


def test_another_agent_misses_one_answer_of_each_worker_at_most(front: Front) -> None:
    """By that one a worker of nginx finds out that the socket is another."""
    for _ in range(3):
        with counter(front) as listener:
            listener.setblocking(False)
            came: list[dict[str, Any]] = []
            for _ in range(30):
                front.ask()
                came += waiting(listener)
            time.sleep(0.1)
            came += waiting(listener)
            assert 30 - WORKERS <= len(came) <= 30


def test_an_agent_that_was_killed_costs_no_answer(front: Front) -> None:
    """Its socket and its mark are there still, and nobody listens."""
    with counter(front) as listener:
        front.ask()
        told(listener)
        listener.close()
        assert {front.ask().status_code for _ in range(20)} == {200}


def test_nobody_waits_for_an_agent_that_does_not_read() -> None:
    """What does not fit is lost: an answer is worth more than its number."""
    with running_front(FrontSettings(requests_per_minute_per_key=100_000)) as front:
        with counter(front) as listener:
            begun = time.monotonic()
            assert {front.ask().status_code for _ in range(1000)} == {200}
            assert time.monotonic() - begun < 10
            listener.setblocking(False)
            assert 1 <= len(list(waiting(listener))) < 1000
        wait_until(lambda: len(front.log()) == 1000)
