"""One engine replica over HTTP on the host's loopback: health, numbers, canary, warm-up.

``/health`` answers 200 while the engine hangs; only a token proves that it works. So every question
has one deadline for the whole answer, not a time-out per read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from provision.agent import answers
from provision.agent.events import Clock
from provision.agent.exchange import Reply, exchange
from provision.agent.last_good import Limit
from provision.agent.metrics import Metrics, parse_metrics
from provision.agent.settings import Expectation, WarmUp

_ASK_S = 5.0
_FULL = (429, 503)
_AT_LEAST = 4  # tokens of a warm-up answer: nothing said is no answer


@dataclass(frozen=True)
class Verdict:
    """What came of a canary or a warm-up. *busy*: alive without a token in time, for its load."""

    ok: bool
    seconds: float
    reason: str = ""
    first_token_s: Optional[float] = None
    busy: bool = False


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
        """The engine's numbers, all None when they can't be had."""
        return parse_metrics(self.exposition())

    def exposition(self) -> str:
        """The engine's ``/metrics`` as it stands, empty when it can't be had."""
        reply = self._ask("GET", "/metrics", None, _ASK_S)
        return reply.text if reply.status == 200 else ""

    def canary(self, deadline_s: float, steps_before: Optional[float]) -> Verdict:
        """Ask for one token.

        Full is not broken (429, 503), and slow is not hung: an engine whose step counter moved past
        *steps_before*, read just before, while the token was late is alive.
        """
        reply = self._complete("ping", 1, deadline_s)
        if reply.status == 200:
            return Verdict(True, reply.seconds)
        if reply.status in _FULL:
            return Verdict(True, reply.seconds, "full", busy=True)
        steps = self.metrics().steps
        if reply.status == 0 and None not in (steps, steps_before) and steps != steps_before:
            slow = "slow: no token in time, but the engine works"
            return Verdict(True, reply.seconds, slow, busy=True)
        return Verdict(False, reply.seconds, _why("no token", reply))

    def warm_up(self, warmup: WarmUp, limit: Limit) -> Verdict:
        """Send the prompts until each answer is one, and the first token within *limit*."""
        begun = self._clock.monotonic()
        problem, first_token_s = "", 0.0
        for _ in range(warmup.rounds):
            problem, first_token_s = self._round(warmup)
            if problem:
                break
            problem = limit.excess(first_token_s)
            if not problem:
                problem = self._unexpected(warmup.expect, warmup.deadline_s)
                break
        seconds = self._clock.monotonic() - begun
        if problem:
            return Verdict(False, seconds, problem)
        return Verdict(True, seconds, first_token_s=round(first_token_s, 4))

    def _round(self, warmup: WarmUp) -> Tuple[str, float]:
        """Each prompt once: what went wrong, and how long the streamed one's first token took."""
        least = min(_AT_LEAST, warmup.max_tokens)
        reply = Reply(0, "", 0.0, 0.0)
        for name in ("short", "long", "streamed"):
            stream = name == "streamed"
            reply = self._complete(
                getattr(warmup, name),
                warmup.max_tokens,
                warmup.deadline_s,
                stream=stream,
                min_tokens=least,
            )
            said, problem = _said(reply, stream=stream)
            problem = problem or (answers.nonsense(said) if said else "")
            if problem:
                return f"the {name} warm-up prompt failed: {problem}", 0.0
        return "", reply.first_byte_s

    def _unexpected(self, expect: Optional[Expectation], deadline_s: float) -> str:
        """Ask the question whose answer is known, whole and streamed: what is wrong with it."""
        if expect is None:
            return ""
        for stream in (False, True):
            reply = self._complete(expect.prompt, expect.max_tokens, deadline_s, stream=stream)
            said, problem = _said(reply, stream=stream)
            if said and not problem and not re.search(expect.matches, said.text):
                problem = f"{said.text.strip()[:200]!r} does not match {expect.matches!r}"
            if problem:
                return f"the question {expect.prompt[:100]!r} failed: {problem}"
        return ""

    def _complete(
        self,
        prompt: str,
        max_tokens: int,
        deadline_s: float,
        *,
        stream: bool = False,
        min_tokens: int = 0,
    ) -> Reply:
        self._asked += 1
        tag = f"[{self._asked:x}-{self._clock.now():.3f}] "  # no prefix cache may answer for it
        body: Dict[str, Any] = {
            "model": self._model,
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": stream,
        }
        if min_tokens:
            body["min_tokens"] = min_tokens
        if stream:
            body["stream_options"] = {"include_usage": True}
        if self._chat:
            body["messages"] = [{"role": "user", "content": tag + prompt}]
            return self._ask("POST", "/v1/chat/completions", body, deadline_s)
        body["prompt"] = tag + prompt
        return self._ask("POST", "/v1/completions", body, deadline_s)

    def _ask(
        self, method: str, path: str, body: Optional[Mapping[str, Any]], deadline_s: float
    ) -> Reply:
        return exchange(
            method,
            self._port,
            path,
            headers=self._headers,
            body=body,
            deadline_s=deadline_s,
            clock=self._clock,
        )


def _said(reply: Reply, *, stream: bool) -> Tuple[Optional[answers.Said], str]:
    """The answer, and what is wrong with it."""
    if reply.status != 200:
        return None, _detail(reply)
    said, problem = answers.read(reply.text, stream=stream)
    return said, problem or (answers.cut(said) if said else "")


def _why(what: str, reply: Reply) -> str:
    return f"{what} ({_detail(reply)})"


def _detail(reply: Reply) -> str:
    said = f"HTTP {reply.status}" if reply.status else reply.text
    body = f": {reply.text.strip()[:200]}" if reply.status and reply.text.strip() else ""
    return f"{said} after {reply.seconds:.1f} s{body}"
