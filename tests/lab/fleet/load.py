"""Clients that ask without end, every other answer streamed, and count what was not whole."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import httpx

_ENDINGS = ("length", "stop")
_LENGTHS = (1, 4, 16, 32)
_MOST = 50_000
_PAUSE_S = 1.5  # an engine that is never idle leaves two cores nothing to start another with


@dataclass(frozen=True)
class Taken:
    """One request: when it was sent, how long it took, what was wrong with it ("": nothing).

    ``cut`` is what had begun well and did not come to its end.
    """

    id: str
    at: float
    seconds: float
    streamed: bool
    problem: str = ""
    cut: bool = False


@dataclass
class Load:
    """What came of all requests so far. ``pause_s`` may be changed while clients ask."""

    pause_s: float
    taken: list[Taken] = field(default_factory=list)

    @property
    def lost(self) -> list[Taken]:
        """Failed, cut, or answered by somebody else than our own engine."""
        return [one for one in self.taken if one.problem]

    @property
    def cut(self) -> list[Taken]:
        """Those of the lost that had begun."""
        return [one for one in self.taken if one.cut]

    def between(self, begun: float, ended: float) -> Load:
        """Those that were sent in a span of time."""
        return Load(self.pause_s, [one for one in self.taken if begun <= one.at < ended])

    def percentiles(self) -> tuple[float, float]:
        """The seconds of the median and of the 99th of a hundred; of at least two."""
        cuts = quantiles([one.seconds for one in self.taken], n=100)
        return cuts[49], cuts[98]

    def __str__(self) -> str:
        streamed = sum(one.streamed for one in self.taken)
        problems = sorted({one.problem for one in self.lost})
        return (
            f"{len(self.taken)} requests, {streamed} streamed, {len(self.lost)} lost"
            f"{': ' if problems else ''}{'; '.join(problems)}"
        )


@contextmanager
def load(
    endpoint: str,
    key: str,
    *,
    model: str,
    clients: int = 2,
    pause_s: float = _PAUSE_S,
    lengths: Sequence[int] = _LENGTHS,
) -> Iterator[Load]:
    """*clients* that ask one request after the other while the block runs."""
    came, ended = Load(pause_s), threading.Event()

    def go_on(number: int) -> None:
        # One connection a client, as a connection pool of an application has them.
        with httpx.Client(trust_env=False, timeout=120, base_url=endpoint) as http:
            http.headers["Authorization"] = f"Bearer {key}"
            for turn in range(_MOST // clients):
                if ended.wait(came.pause_s):
                    return
                length = lengths[(turn + number) % len(lengths)]
                # Clients take turns with the form: all lengths are asked for in both.
                streamed = (turn // len(lengths) + turn) % 2 == 0
                came.taken.append(_one(http, model, length, streamed=streamed))

    threads = [threading.Thread(target=go_on, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield came
    finally:
        ended.set()
        for thread in threads:
            thread.join()


class _Cut(Exception):
    """An answer that began well is not whole."""


def _one(http: httpx.Client, model: str, length: int, *, streamed: bool) -> Taken:
    begun, number = time.monotonic(), uuid.uuid4().hex
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": length,
        "ignore_eos": True,
        "messages": [{"role": "user", "content": f"Hello {number}?"}],
    }
    if streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    at, cut = time.time(), False
    headers = {"X-Request-Id": number}
    try:
        with http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
            problem = _head(answer)
            try:
                text = "".join(answer.iter_text())
            except httpx.HTTPError as error:
                raise _Cut(repr(error)) from error
            if problem:
                problem += f": {text[:200]}"
            else:
                _whole(text, length, streamed=streamed)
    except _Cut as error:
        problem, cut = f"cut: {error}", True
    except httpx.HTTPError as error:
        problem = repr(error)
    return Taken(number, at, time.monotonic() - begun, streamed, problem, cut)


def _head(answer: httpx.Response) -> str:
    if answer.status_code != 200:
        return f"HTTP {answer.status_code}"
    tier = answer.headers.get("x-llm-tier")
    return "" if tier == "primary" else f"answered by {tier}"


def _whole(text: str, length: int, *, streamed: bool) -> None:
    """Raises _Cut unless *text* is an answer of *length* tokens that ended by itself."""
    documents = _events(text) if streamed else [json.loads(text)]
    endings = {
        choice["finish_reason"]
        for document in documents
        for choice in document.get("choices", ())
        if choice.get("finish_reason")
    }
    if not endings or not endings <= set(_ENDINGS):
        raise _Cut(f"ended with {sorted(endings)}")
    tokens = [one["usage"]["completion_tokens"] for one in documents if one.get("usage")]
    if tokens[-1:] != [length]:
        raise _Cut(f"{tokens[-1:]} tokens instead of {length}")


def _events(text: str) -> list[Any]:
    # Not splitlines(): a random model says line separators of all scripts within its answers.
    events = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
    if not events or events[-1] != "[DONE]":
        raise _Cut("a stream without its end")
    return [json.loads(event) for event in events[:-1]]
