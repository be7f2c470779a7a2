"""A service that answers only what a test prepared."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provision.connectors.protocols import Answer


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it was made."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None = None
    timeout_s: float = 0.0


class FakeHttp:
    """Implements Http. ``asked`` lists the requests; replies to a URL are given in turn."""

    def __init__(self) -> None:
        self._replies: dict[tuple[str, str], list[Answer | Exception]] = {}
        self._lock = threading.Lock()
        self.asked: list[Asked] = []

    def prepare(self, method: str, url: str, *answers: Answer | Exception) -> None:
        """Answer *method* on *url*; the last answer stays."""
        self._replies[(method, url)] = list(answers)

    def get(self, url: str, *, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """The prepared answer."""
        return self._answer(Asked("GET", url, dict(headers), timeout_s=timeout_s))

    def post(
        self, url: str, body: Mapping[str, Any], *, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        """The prepared answer."""
        return self._answer(Asked("POST", url, dict(headers), dict(body), timeout_s))

    def stream(
        self, url: str, body: Mapping[str, Any], *, headers: Mapping[str, str], timeout_s: float
    ) -> Iterator[str]:
        """The prepared answer's text, line by line."""
        yield from self._answer(
            Asked("POST", url, dict(headers), dict(body), timeout_s)
        ).text.splitlines()

    def _answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            replies = self._replies.get((asked.method, asked.url))
            if not replies:
                raise AssertionError(f"nobody prepared {asked.method} {asked.url}")
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply
