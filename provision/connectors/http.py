"""HTTP to the service itself, through httpx."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from provision.connectors.protocols import Answer
from provision.errors import FleetError

_EVENT = "data:"
_STREAM = "text/event-stream"


class HttpxHttp:
    """Implements :class:`provision.connectors.protocols.Http`; safe to share between threads."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._transport = transport
        self._clients: dict[bool, httpx.Client] = {}

    def get(self, url: str, *, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """GET *url*. Raises FleetError when there is no answer at all."""
        return self._answer("GET", url, headers=dict(headers), timeout=timeout_s)

    def post(
        self, url: str, body: Mapping[str, Any], *, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        """POST *body* as JSON and read the answer to its end, streamed or not."""
        return self._answer("POST", url, headers=dict(headers), timeout=timeout_s, json=dict(body))

    def stream(
        self, url: str, body: Mapping[str, Any], *, headers: Mapping[str, str], timeout_s: float
    ) -> Iterator[str]:
        """POST *body* and hand out the data of each server-sent event as it comes."""
        try:
            with self._client(url).stream(
                "POST", url, json=dict(body), headers=dict(headers), timeout=timeout_s
            ) as response:
                for line in _lines(response.iter_text()):
                    if line.startswith(_EVENT):
                        yield line.removeprefix(_EVENT).strip()
        except httpx.HTTPError as error:
            raise _no_answer(url, error) from error

    def _answer(self, method: str, url: str, **options: Any) -> Answer:
        begin = time.monotonic()
        try:
            response = self._client(url).request(method, url, **options)
        except httpx.HTTPError as error:
            raise _no_answer(url, error) from error
        text = response.text
        streamed = response.headers.get("content-type", "").startswith(_STREAM)
        chunks = sum(line.startswith(_EVENT) for line in text.split("\n")) if streamed else 0
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, text, time.monotonic() - begin, chunks)

    def _client(self, url: str) -> httpx.Client:
        private = is_private(url)
        if private not in self._clients:
            # A proxy from the process environment can't reach a private load balancer.
            self._clients[private] = httpx.Client(
                transport=self._transport, trust_env=not private, follow_redirects=False
            )
        return self._clients[private]


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """As server-sent events end them; httpx's own also ends them at U+2028 within an answer."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        yield from whole
    yield rest


def is_private(url: str) -> bool:
    """Whether *url* names this machine or an address of a private network."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def _no_answer(url: str, error: httpx.HTTPError) -> FleetError:
    return FleetError(
        f"no answer from {url} ({type(error).__name__}: {error})",
        hint="is the endpoint reachable from this machine (VPN, security group, DNS)?",
    )
