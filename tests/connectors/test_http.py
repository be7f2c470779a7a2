"""HTTP against answers made up by httpx's own transport."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from provision.connectors.http import HttpxHttp, is_private
from provision.errors import FleetError

URL = "http://10.40.0.2/v1/chat/completions"
EVENTS = 'data: {"n": 1}\n\ndata: {"n": 2}\n\ndata: [DONE]\n\n'


def http(answer: Callable[[httpx.Request], httpx.Response]) -> HttpxHttp:
    return HttpxHttp(httpx.MockTransport(answer))


def test_an_answer_has_status_small_headers_text_and_time() -> None:
    """Header names are lower case; the body was sent as JSON with the headers given."""

    def answer(request: httpx.Request) -> httpx.Response:
        said = {"model": json.loads(request.content)["model"], "key": request.headers["x-key"]}
        return httpx.Response(200, headers={"X-LLM-Tier": "primary"}, json=said)

    got = http(answer).post(URL, {"model": "m"}, headers={"X-Key": "k"}, timeout_s=5)
    assert (got.status, got.headers["x-llm-tier"], got.chunks) == (200, "primary", 0)
    assert json.loads(got.text) == {"model": "m", "key": "k"}
    assert got.seconds >= 0


def test_events_of_a_streamed_answer_are_counted_and_handed_out() -> None:
    """``post`` counts them, ``stream`` gives their data."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=EVENTS)

    assert http(answer).post(URL, {}, headers={}, timeout_s=5).chunks == 3
    events = http(answer).stream(URL, {}, headers={}, timeout_s=5)
    assert list(events) == ['{"n": 1}', '{"n": 2}', "[DONE]"]


def test_an_event_may_hold_separators_of_lines() -> None:
    """Only a line feed ends a line there."""
    body = 'data: {"a": "x\u2028data: y"}\n\ndata: [DONE]\n\n'
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    asked = http(lambda _: httpx.Response(200, headers=headers, content=body.encode()))
    assert asked.post(URL, {}, headers={}, timeout_s=1).chunks == 2
    events = asked.stream(URL, {}, headers={}, timeout_s=1)
    assert list(events) == ['{"a": "x\u2028data: y"}', "[DONE]"]


def test_no_answer_is_a_fleet_error_with_the_url() -> None:
    """A refused connection, a timeout: never a traceback of httpx."""

    def answer(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("timed out")

    for ask in (
        lambda: http(answer).get(URL, headers={}, timeout_s=1),
        lambda: list(http(answer).stream(URL, {}, headers={}, timeout_s=1)),
    ):
        with pytest.raises(FleetError, match=r"no answer from http://10\.40\.0\.2/v1") as failed:
            ask()
        assert "security group" in failed.value.hint


def test_a_redirect_is_an_answer() -> None:
    """The load balancer's redirect to TLS is shown, not followed with the key in hand."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(301, headers={"location": "https://elsewhere"})

    assert http(answer).get(URL, headers={}, timeout_s=5).status == 301


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:5000", True),
        ("http://10.97.0.2", True),
        ("http://localhost:80/x", True),
        ("http://[::1]/", True),
        ("https://8.8.8.8", False),
        ("https://fleet.example.com", False),
    ],
)
def test_private_addresses(url: str, private: bool) -> None:
    """No proxy stands before them."""
    assert is_private(url) is private
