"""Requests that no HTTP library would write: each kind of front answers them in one shape."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from provision.config.environment import EngineSettings, FrontSettings
from provision.config.timeouts import chain
from provision.render.front import Spill, gateway_config, nginx_config
from tests.render.releases import ROOT
from tests.render.stubs import ANNA, Front, running_front, running_task

KEY = f"Authorization: Bearer {ANNA}\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
POST = f"POST /v1/completions HTTP/1.1\r\n{KEY}"
SMALL = FrontSettings(max_body_kib=64)
# Request line and headers, what comes after them, then status and code.
CASES = {
    "a method that shows too much": ("TRACE / HTTP/1.1\r\n", "", 405, "unknown_method"),
    "a proxy is looked for": ("CONNECT host:1 HTTP/1.1\r\n", "", 400, "bad_request"),
    "no HTTP at all": ("\x16\x03\x01 \x02\r\n", "", 400, "bad_request"),
    "a version to come": ("GET / HTTP/3.0\r\n", "", 505, "unknown_version"),
    "a URL without an end": (f"GET /{'a' * 40_000} HTTP/1.1\r\n", "", 414, "url_too_long"),
    "a header without an end": (
        f"GET / HTTP/1.1\r\nX: {'a' * 40_000}\r\n",
        "",
        431,
        "headers_too_large",
    ),
    "an encoding that nobody knows": (
        f"{POST}Transfer-Encoding: gzip\r\n",
        "",
        501,
        "unknown_encoding",
    ),
    "two lengths": (f"{POST}{CHUNKED}Content-Length: 3\r\n", "", 400, "bad_request"),
    "a length below zero": (f"{POST}Content-Length: -1\r\n", "", 400, "bad_request"),
    "a length above the limit": (
        f"{POST}Content-Length: 99999999\r\n",
        "",
        413,
        "request_too_large",
    ),
    "the same, and asked before": (
        f"{POST}Expect: 100-continue\r\nContent-Length: 99999999\r\n",
        "",
        413,
        "request_too_large",
    ),
    "chunks above the limit, and asked before": (
        f"{POST}Expect: 100-continue\r\n{CHUNKED}",
        f"{70_000:x}\r\n{'x' * 70_000}\r\n",
        413,
        "request_too_large",
    ),
    "an error of nginx by its own name": (
        f"GET /internal/error_400 HTTP/1.1\r\n{KEY}",
        "",
        404,
        "unknown_url",
    ),
    "the key check by its name": (f"GET /internal/key HTTP/1.1\r\n{KEY}", "", 404, "unknown_url"),
    "no key": ("POST /v1/completions HTTP/1.1\r\n", "", 401, "invalid_api_key"),
}


def starting(kind: str) -> AbstractContextManager[Front]:
    """A front of each kind."""
    if kind == "task":
        return running_task(SMALL)
    return running_front(SMALL, spill=Spill("127.0.0.1:9") if kind == "spill" else None)


@pytest.fixture(scope="module", params=["host", "spill", "task"])
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
    with starting(request.param) as found:
        yield found


def ask(front: Front, head: str, body: str) -> tuple[int, dict[str, list[str]], str]:
    """Status, headers by name, and body; what says "go on" before them is left out.

    Not read to the end: nginx lingers for a body that never comes.
    """
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as connection:
        connection.sendall(
            f"{head}Host: front\r\nConnection: close\r\n\r\n{body}".encode("latin-1")
        )
        with connection.makefile("r", encoding="utf-8", newline="\r\n") as lines:
            line = lines.readline()
            while line.split()[1] == "100":
                lines.readline()
                line = lines.readline()
            headers: dict[str, list[str]] = {}
            while one := lines.readline().strip():
                name, _, value = one.partition(": ")
                headers.setdefault(name.lower(), []).append(value)
            return int(line.split()[1]), headers, lines.read(int(headers["content-length"][0]))


@pytest.mark.parametrize("case", CASES)
def test_every_answer_has_one_shape(front: Front, case: str) -> None:
    """Status and code, one tier and one id; the engine hears of none of them."""
    head, more, status, code = CASES[case]
    came, headers, body = ask(front, head, more)

    assert (came, json.loads(body)["error"]["code"]) == (status, code)
    assert len(headers["x-llm-tier"]) == len(headers["x-request-id"]) == 1
    assert headers["content-type"] == ["application/json"]
    assert front.engine.seen == []


def test_chunks_that_are_none_are_refused(front: Front) -> None:
    """In nginx's own words where the engine's 400 must pass: both come from one place then."""
    status, headers, _ = ask(front, f"{POST}{CHUNKED}", "zz\r\n")
    assert (status, front.engine.seen) == (400, [])
    assert len(headers["x-llm-tier"]) == len(headers["x-request-id"]) == 1


def test_nginx_has_nothing_to_complain_of_but_its_clients(front: Front) -> None:
    """No error of ours: neither a place that can't be entered nor a variable that is not set."""
    for head, more, *_ in CASES.values():
        ask(front, head, more)
    lines = front.complaints.splitlines()
    assert [line for line in lines if "client " not in line.partition("*")[2][:60]] == []


def test_the_page_for_clients_names_every_code() -> None:
    """Of each kind of front, as it is rendered."""
    links, page = chain(EngineSettings()), (ROOT / "docs" / "front.md").read_text()
    texts = [
        nginx_config(SMALL, engines=["127.0.0.1:1"], chain=links, spill=Spill("gateway:1")),
        gateway_config(SMALL, chain=links),
    ]
    codes = {code for text in texts for code in re.findall(r'"code": "(\w+)"', text)}
    assert {"local_only", "nobody_answers", "gateway_timeout"} <= codes
    assert {code for code in codes if f"`{code}`" not in page} == set()
