"""Clients that ask without end, every other answer streamed, and count what was not whole."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

_ENDINGS = ("length", "stop")
_LENGTHS = (1, 4, 16, 32)
_MOST = 20_000
_PAUSE_S = 1.5  # an engine that is never idle leaves two cores nothing to start another with


@dataclass(frozen=True)
class Taken:
    """One request: when it was sent, how long it took, what was wrong with it ("": nothing)."""

    at: float
    seconds: float
    streamed: bool
    problem: str = ""


@dataclass
class Load:
    """What came of all requests so far."""

    taken: list[Taken] = field(default_factory=list)

    @property
    def lost(self) -> list[Taken]:
        """Failed, cut, or answered by somebody else than our own engine."""
        return [one for one in self.taken if one.problem]

    def __str__(self) -> str:
        streamed = sum(one.streamed for one in self.taken)
        problems = sorted({one.problem for one in self.lost})
        return (
            f"{len(self.taken)} requests, {streamed} streamed, {len(self.lost)} lost"
            f"{': ' if problems else ''}{'; '.join(problems)}"
        )


@contextmanager
def load(endpoint: str, key: str, *, model: str, clients: int = 2) -> Iterator[Load]:
    """*clients* that ask one request after the other while the block runs."""
    came, ended = Load(), threading.Event()

    def go_on(number: int) -> None:
        # One connection a client, as a connection pool of an application has them.
        with httpx.Client(trust_env=False, timeout=120, base_url=endpoint) as http:
            http.headers["Authorization"] = f"Bearer {key}"
            for turn in range(_MOST // clients):
                if ended.wait(_PAUSE_S):
                    return
                length = _LENGTHS[(turn + number) % len(_LENGTHS)]
                came.taken.append(_one(http, model, length, streamed=turn % 2 == 0))

    threads = [threading.Thread(target=go_on, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield came
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _one(http: httpx.Client, model: str, length: int, *, streamed: bool) -> Taken:
    begun = time.monotonic()
    body = {
        "model": model,
        "max_tokens": length,
        "ignore_eos": True,
        "stream": streamed,
        "messages": [{"role": "user", "content": f"Hello {uuid.uuid4().hex}?"}],
    }
    at = time.time()
    try:
        problem = _streamed(http, body) if streamed else _whole(http, body)
    except httpx.HTTPError as error:
        problem = repr(error)
    return Taken(at, time.monotonic() - begun, streamed, problem)


def _whole(http: httpx.Client, body: dict[str, object]) -> str:
    answer = http.post("/v1/chat/completions", json=body)
    if problem := _head(answer):
        return f"{problem}: {answer.text[:200]}"
    ending = answer.json()["choices"][0]["finish_reason"]
    return "" if ending in _ENDINGS else f"ended with {ending}"


def _streamed(http: httpx.Client, body: dict[str, object]) -> str:
    with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        if problem := _head(answer):
            return problem
        events = [line[6:] for line in answer.iter_lines() if line.startswith("data: ")]
    if not events or events[-1] != "[DONE]":
        return "a stream without its end"
    endings = {
        choice["finish_reason"]
        for event in events[:-1]
        for choice in json.loads(event).get("choices", ())
        if choice.get("finish_reason")
    }
    return "" if endings and endings <= set(_ENDINGS) else f"a stream ended with {sorted(endings)}"


def _head(answer: httpx.Response) -> str:
    if answer.status_code != 200:
        return f"HTTP {answer.status_code}"
    tier = answer.headers.get("x-llm-tier")
    return "" if tier == "primary" else f"answered by {tier}"
