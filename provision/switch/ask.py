"""Ask for one token, the way a client does, and judge the answer.

The engine's own health says "fine" while it hangs: only a token proves anything. Each question has
one deadline for the whole answer, not a time-out per read.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import urlsplit

from provision.switch.values import Outcome, Token

PROBE_HEADER = "x-llm-probe"
TIER_HEADER = "x-llm-tier"
_FULL = (429, 503)
_NOT_THE_ENGINE = ("key_check_failed", "rate_limit_exceeded")  # codes of the front itself
_ENGINE_DOWN = "engine_"  # so begin the front's codes for an engine that it can't reach
_BLOCK = 65_536
_RESOLVE_S = 2.0  # looking a name up has no time-out of its own


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True, slots=True)
class Question:
    """Where to ask, for what, and how to read silence.

    *tier* must have given the answer: one that answers for another proves nothing. *unreachable*
    is what it means that nobody takes the connection.
    """

    url: str
    model: str
    chat: bool
    tier: str
    deadline_s: float
    unreachable: Outcome
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    tier: str
    body: bytes


def ask(question: Question, key: str, clock: Clock) -> Token:
    """Ask once."""
    at, begun = clock.now(), clock.monotonic()
    try:
        connection = _connect(question)
    except OSError as error:  # names, TLS and refused connections alike
        return Token(question.unreachable, at, clock.monotonic() - begun, f"no connection: {error}")
    try:
        reply = _exchange(
            connection, question, key, lambda: clock.monotonic() - begun, tag=f"[{at:.6f}]"
        )
    except (OSError, HTTPException) as error:
        seconds = clock.monotonic() - begun
        why = str(error) or type(error).__name__
        return Token(Outcome.FAILED, at, seconds, f"no answer after {seconds:.1f} s: {why}")
    finally:
        connection.close()
    outcome, detail = _outcome(reply, question)
    return Token(outcome, at, clock.monotonic() - begun, detail)


def ask_at_once(question: Question, key: str, count: int, clock: Clock) -> tuple[Token, ...]:
    """Ask *count* times side by side, so that the load balancer takes several hosts."""
    at = clock.now()
    pool = ThreadPoolExecutor(count)
    futures = [pool.submit(ask, question, key, clock) for _ in range(count)]
    pool.shutdown(wait=False)
    ends = clock.monotonic() + question.deadline_s + _RESOLVE_S
    tokens = []
    for future in futures:
        try:
            token = future.result(max(0.0, ends - clock.monotonic()))
        except FutureTimeout:
            waited = question.deadline_s + _RESOLVE_S
            token = Token(question.unreachable, at, waited, "no connection in time")
        tokens.append(token)
    return tuple(tokens)


def _connect(question: Question) -> HTTPConnection:
    parts = urlsplit(question.url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection: HTTPConnection = HTTPSConnection(
            host, port, timeout=question.deadline_s, context=context
        )
    else:
        connection = HTTPConnection(host, port, timeout=question.deadline_s)
    try:
        connection.connect()
    except OSError:
        connection.close()
        raise
    return connection


def _exchange(
    connection: HTTPConnection,
    question: Question,
    key: str,
    elapsed: Callable[[], float],
    *,
    tag: str,
) -> _Reply:
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {key}",
        **question.headers,
    }
    path = "/v1/chat/completions" if question.chat else "/v1/completions"
    connection.request("POST", path, json.dumps(_body(question, tag)), headers)
    # The response may take the connection's socket over, so it is kept here.
    sock = connection.sock
    _hurry(sock, question.deadline_s - elapsed())
    answer = connection.getresponse()
    body = b""
    while True:
        _hurry(sock, question.deadline_s - elapsed())
        block = answer.read1(_BLOCK)
        if not block:
            return _Reply(answer.status, _tier(answer), body)
        body += block


def _hurry(sock: Any, left_s: float) -> None:
    if left_s <= 0:
        raise TimeoutError("timed out")
    sock.settimeout(left_s)


def _body(question: Question, tag: str) -> dict[str, Any]:
    """One token, for a prompt that nobody asked before: no cache may answer for it."""
    prompt = f"{tag} ping"
    body: dict[str, Any] = {"model": question.model, "max_tokens": 1, "temperature": 0}
    if question.chat:
        return {**body, "messages": [{"role": "user", "content": prompt}]}
    return {**body, "prompt": prompt}


def _tier(answer: HTTPResponse) -> str:
    return answer.getheader(TIER_HEADER) or ""


def _outcome(reply: _Reply, question: Question) -> tuple[Outcome, str]:
    """What an answer proves. Whoever refused the key, or the path, never asked the engine."""
    code = _code(reply.body)
    said = f"HTTP {reply.status}{f' {code}' if code else ''}"
    if reply.status == 200:
        if reply.tier == question.tier:
            return Outcome.GOOD, ""
        by = reply.tier or "nobody known"
        return Outcome.UNCLEAR, f"{by} answered instead of {question.tier}"
    if code in _NOT_THE_ENGINE:
        return Outcome.UNCLEAR, said
    if reply.status in _FULL and reply.tier == question.tier and not code.startswith(_ENGINE_DOWN):
        return Outcome.FULL, said
    if reply.status >= 500:
        return Outcome.FAILED, said
    return (Outcome.FULL if reply.status == 429 else Outcome.UNCLEAR), said


def _code(body: bytes) -> str:
    """``error.code`` of an answer in the shape of OpenAI's errors, "" when it has none."""
    try:
        code = json.loads(body)["error"]["code"]
    except (LookupError, TypeError, ValueError):
        return ""
    return code if isinstance(code, str) else ""
