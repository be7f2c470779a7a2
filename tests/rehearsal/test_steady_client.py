"""A client that counts who answered, and what never came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rehearsal.http_server import QuietHandler, Server
from rehearsal.steady_client import Asked, SteadyClient, tally


def test_a_tally_counts_what_was_asked_within_its_time() -> None:
    """By when a question was asked, not by when its answer came."""
    asked = [
        Asked(1.0, "primary", 0.1),
        Asked(2.0, "hosted", 3.25),
        Asked(2.5, "lost", 0.2, "HTTP 503"),
        Asked(3.0, "primary", 9.0),
    ]
    counted = tally(asked, 2.0, 3.0)
    assert (counted.asked, counted.by, counted.worst_s) == (2, {"hosted": 1, "lost": 1}, 3.25)
    assert (counted.lost, counted.cut) == (1, 0)
    assert tally(asked, 5.0, 6.0).asked == 0


@contextmanager
def server(behave: str) -> Iterator[str]:
    class Handler(QuietHandler):
        def do_POST(self) -> None:
            said: dict[str, Any] = json.loads(self.body())
            assert self.headers["Authorization"] == "Bearer sk-fleet-x"
            assert said["model"] == "mistral-7b"
            headers = {"x-llm-tier": "hosted"}
            if behave == "refuse":
                return self.answer(503, b'{"error": {}}', headers={"x-llm-tier": "none"})
            if behave == "hang up":
                self.close_connection = True
                self.connection.close()
                return None
            body = b"data: {}\n\n" if said["stream"] else b"{}"
            if said["stream"] and behave == "well":
                body += b"data: [DONE]\n\n"
            return self.answer(200, body, headers=headers)

    running = Server("127.0.0.1", 0, Handler).start()
    try:
        yield f"http://127.0.0.1:{running.port}"
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("behave", "stream", "by"),
    [
        ("well", False, "hosted"),
        ("well", True, "hosted"),
        ("refuse", False, "lost"),
        ("refuse", True, "lost"),
        ("break off", True, "cut"),
    ],
)
def test_one_question(behave: str, stream: bool, by: str) -> None:
    """The tier of whoever answered; an error is no answer, half a stream is a cut one."""
    with server(behave) as url:
        assert SteadyClient(url, "sk-fleet-x", "mistral-7b").ask(stream=stream).by == by


def test_nobody_there() -> None:
    """A refused connection is a lost question, with its reason."""
    one = SteadyClient("http://127.0.0.1:1", "sk-fleet-x", "mistral-7b").ask()
    assert one.by == "lost"
    assert "ConnectError" in one.why


def test_it_asks_until_it_is_told_to_stop() -> None:
    """Whole answers and streams; every question is in its book."""
    with server("well") as url:
        client = SteadyClient(url, "sk-fleet-x", "mistral-7b", every_s=0.01)
        with client.asking():
            while len(client.asked) < 4:
                pass
        count = len(client.asked)
    assert {one.by for one in client.asked} == {"hosted"}
    assert len(client.asked) == count
