"""A client that asks one question after the other, through the load balancer, and keeps count."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

TIER = "x-llm-tier"
LOST = "lost"  # asked, and no answer came
CUT = "cut"  # a stream that began and did not end
PATIENCE_S = 60.0
STREAM_EVERY = 3  # of so many questions one is streamed


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: when (monotonic), who answered or ``lost`` or ``cut``, and after how long."""

    at: float
    by: str
    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """Questions of a span of time, by who answered."""

    asked: int
    by: dict[str, int]
    worst_s: float

    @property
    def lost(self) -> int:
        """Questions without any answer."""
        return self.by.get(LOST, 0)

    @property
    def cut(self) -> int:
        """Streams that broke off."""
        return self.by.get(CUT, 0)


def tally(asked: Sequence[Asked], begin: float, end: float) -> Tally:
    """Those that were asked from *begin* until *end*."""
    here = [one for one in asked if begin <= one.at < end]
    by: dict[str, int] = {}
    for one in here:
        by[one.by] = by.get(one.by, 0) + 1
    worst = max((one.seconds for one in here), default=0.0)
    return Tally(len(here), by, round(worst, 2))


@dataclass(slots=True)
class SteadyClient:
    """Asks *endpoint* for *model* with *key*, about every *every_s* seconds."""

    endpoint: str
    key: str
    model: str
    every_s: float = 0.5
    asked: list[Asked] = field(default_factory=list)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Until the end of the block; the last question gets its answer."""
        ended = threading.Event()
        thread = threading.Thread(target=self._go_on, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(PATIENCE_S)

    def ask(self, *, stream: bool = False) -> Asked:
        """One question."""
        body = {
            "model": self.model,
            "max_tokens": 4,
            "stream": stream,
            "messages": [{"role": "user", "content": "Are you there?"}],
        }
        headers = {"Authorization": f"Bearer {self.key}"}
        at, began = time.monotonic(), False
        try:
            with (
                httpx.Client(trust_env=False, timeout=PATIENCE_S) as http,
                http.stream("POST", self._url, json=body, headers=headers) as answer,
            ):
                began = answer.status_code == httpx.codes.OK
                text = answer.read().decode(errors="replace")
        except httpx.HTTPError as error:
            by = CUT if began and stream else LOST
            return Asked(at, by, time.monotonic() - at, repr(error))
        seconds = time.monotonic() - at
        if not began:
            return Asked(at, LOST, seconds, f"HTTP {answer.status_code}: {text[:200]}")
        if stream and "[DONE]" not in text:
            return Asked(at, CUT, seconds, text[-200:])
        return Asked(at, answer.headers.get(TIER, ""), seconds)

    @property
    def _url(self) -> str:
        return f"{self.endpoint}/v1/chat/completions"

    def _go_on(self, ended: threading.Event) -> None:
        number = 0
        while not ended.wait(self.every_s):
            number += 1
            self.asked.append(self.ask(stream=number % STREAM_EVERY == 0))
