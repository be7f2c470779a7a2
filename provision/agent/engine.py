"""One engine replica over HTTP on the host's loopback: health, numbers, canary, warm-up.

``/health`` answers 200 while the engine hangs; only a token proves that it works. So every question
has one deadline for the whole answer, not a time-out per read.
"""

from __future__ import annotations

import http.client
import json
import math
import re
import socket
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from provision.agent.events import Clock
from provision.agent.settings import WarmUp

_HOST = "127.0.0.1"
_ASK_S = 5.0
_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{.*\})?\s+(\S+)")
_FULL = (429, 503)


@dataclass(frozen=True)
class Reply:
    """An answer. ``status`` 0: none within the deadline, ``text`` says why."""

    status: int
    text: str
    first_byte_s: float
    seconds: float


@dataclass(frozen=True)
class Metrics:
    """What the engine says of itself; None when it did not say. ``steps`` only grows."""

    running: Optional[int] = None
    waiting: Optional[int] = None
    kv_usage: Optional[float] = None
    steps: Optional[float] = None


@dataclass(frozen=True)
class Verdict:
    """What came of a canary or a warm-up."""

    ok: bool
    seconds: float
    reason: str = ""


class Engine:
    """The replica that listens on *port*; a *chat* model is asked with messages."""

    def __init__(
        self, port: int, model: str, hop_secret: str, clock: Clock, *, chat: bool = False
    ) -> None:
        self._port = port
        self._model = model
        self._headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {hop_secret}",
        }
        self._clock = clock
        self._chat = chat
        self._asked = 0

    def healthy(self) -> bool:
        """The server accepts requests (while the engine loads, its port is closed)."""
        return self._ask("GET", "/health", None, _ASK_S).status == 200

    def metrics(self) -> Metrics:
        """The engine's gauges, all None when they can't be had."""
        reply = self._ask("GET", "/metrics", None, _ASK_S)
        return parse_metrics(reply.text) if reply.status == 200 else Metrics()

    def canary(self, deadline_s: float, steps_before: Optional[float]) -> Verdict:
        """Ask for one token.

        Full is not broken (429, 503), and slow is not hung: an engine whose step counter moved past
        *steps_before* while the token was late is alive.
        """
        reply = self._complete("ping", 1, deadline_s)
        if reply.status == 200 or reply.status in _FULL:
            return Verdict(True, reply.seconds, "" if reply.status == 200 else "full")
        steps = self.metrics().steps
        if reply.status == 0 and None not in (steps, steps_before) and steps != steps_before:
            return Verdict(True, reply.seconds, "slow: no token in time, but the engine works")
        return Verdict(False, reply.seconds, _why("no token", reply))

    def warm_up(self, warmup: WarmUp) -> Verdict:
        """Send the short, the long and the streamed prompt until the first token is fast enough."""
        begun = self._clock.monotonic()
        problem = ""
        for _ in range(warmup.rounds):
            problem, first_token_s = self._round(warmup)
            if problem:
                break
            if first_token_s <= warmup.max_ttft_s:
                return Verdict(True, self._clock.monotonic() - begun)
            problem = (
                f"the first token took {first_token_s:.2f} s, allowed are {warmup.max_ttft_s:.2f} s"
            )
        return Verdict(False, self._clock.monotonic() - begun, problem)

    def _round(self, warmup: WarmUp) -> Tuple[str, float]:
        """Each prompt once: what went wrong, and how long the streamed one's first token took."""
        for name, prompt in (("short", warmup.short), ("long", warmup.long)):
            reply = self._complete(prompt, warmup.max_tokens, warmup.deadline_s)
            if reply.status != 200:
                return _why(f"the {name} warm-up prompt failed", reply), 0.0
        reply = self._complete(warmup.streamed, warmup.max_tokens, warmup.deadline_s, stream=True)
        if reply.status != 200 or not stream_is_whole(reply.text):
            return _why("the streamed warm-up prompt failed", reply), 0.0
        return "", reply.first_byte_s

    def _complete(
        self, prompt: str, max_tokens: int, deadline_s: float, *, stream: bool = False
    ) -> Reply:
        self._asked += 1
        tag = f"[{self._asked:x}-{self._clock.now():.3f}] "  # no prefix cache may answer for it
        body: Dict[str, Any] = {
            "model": self._model,
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": stream,
        }
        if self._chat:
            body["messages"] = [{"role": "user", "content": tag + prompt}]
            return self._ask("POST", "/v1/chat/completions", body, deadline_s)
        body["prompt"] = tag + prompt
        return self._ask("POST", "/v1/completions", body, deadline_s)

    def _ask(
        self, method: str, path: str, body: Optional[Mapping[str, Any]], deadline_s: float
    ) -> Reply:
        begun = self._clock.monotonic()
        connection = http.client.HTTPConnection(_HOST, self._port, timeout=deadline_s)
        try:
            data = json.dumps(body) if body is not None else None
            connection.request(method, path, data, self._headers)
            return self._read(connection, begun, deadline_s)
        except (OSError, http.client.HTTPException) as error:
            seconds = self._clock.monotonic() - begun
            return Reply(0, str(error) or type(error).__name__, seconds, seconds)
        finally:
            connection.close()

    def _read(
        self, connection: http.client.HTTPConnection, begun: float, deadline_s: float
    ) -> Reply:
        sock = connection.sock
        answer = connection.getresponse()
        parts: List[bytes] = []
        first_s = 0.0
        while True:
            left = deadline_s - (self._clock.monotonic() - begun)
            if left <= 0:
                raise socket.timeout("timed out")
            sock.settimeout(left)
            part = answer.read1(65536)
            if not parts:
                first_s = self._clock.monotonic() - begun
            if not part:
                break
            parts.append(part)
        text = b"".join(parts).decode("utf-8", "replace")
        return Reply(answer.status, text, first_s, self._clock.monotonic() - begun)


def parse_metrics(text: str) -> Metrics:
    """Sum each of the gauges over the engine cores that report it."""
    sums: Dict[str, float] = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match and match.group(1).startswith("vllm:"):
            sums[match.group(1)] = sums.get(match.group(1), 0.0) + float(match.group(2))
    return Metrics(
        running=_whole(sums.get("vllm:num_requests_running")),
        waiting=_whole(sums.get("vllm:num_requests_waiting")),
        kv_usage=sums.get("vllm:kv_cache_usage_perc"),
        steps=sums.get("vllm:iteration_tokens_total_count"),
    )


def stream_is_whole(text: str) -> bool:
    """A stream of server-sent events that ended by itself, without an error in it."""
    events = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
    return bool(events) and events[-1] == "[DONE]" and not any('"error"' in e for e in events[:-1])


def _whole(value: Optional[float]) -> Optional[int]:
    return None if value is None or math.isnan(value) else int(value)


def _why(what: str, reply: Reply) -> str:
    detail = f"HTTP {reply.status}" if reply.status else reply.text
    body = f": {reply.text.strip()[:200]}" if reply.status and reply.text.strip() else ""
    return f"{what} ({detail} after {reply.seconds:.1f} s){body}"
