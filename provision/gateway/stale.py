"""Kept answers: for a request that asks for it, the same request's old answer rather than none.

Exact: the same key, path and request, at temperature 0. Kept are whole good answers only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from provision.gateway.answers import STALE, STALE_AGE, TIER, Answer, whole
from provision.gateway.request import CHAT, Asked

WISH = "x-llm-allow-stale"
_HEAD = ("id", "created", "model")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, in one piece, and when it was given (seconds since the epoch)."""

    at: float
    answer: dict[str, Any]


class Store(Protocol):
    """Where answers are kept. Each call may raise StoreUnreachable."""

    def get(self, key: str) -> Kept | None:
        """The answer under *key*."""

    def put(self, key: str, kept: Kept) -> None:
        """Keep an answer, unless it is too long to be kept."""


def wanted(asked: Asked, wish: str, key_name: str) -> bool:
    """Whether an old answer will do: its client says so, and it would be the same today."""
    return wish == "1" and asked.steady and bool(key_name)


def key(asked: Asked, key_name: str) -> str:
    """What makes a request the same as another. Nobody can read a prompt out of it."""
    said = json.dumps([key_name, asked.path, asked.name, asked.body], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def answer(kept: Kept, asked: Asked, now: float) -> Answer:
    """The answer, and its age."""
    age = str(max(0, round(now - kept.at)))
    if not asked.stream:
        return whole(200, kept.answer, STALE, x_llm_stale_age=age)
    body = "".join(f"data: {event}\n\n" for event in _events(kept.answer, asked))
    headers = (("content-type", "text/event-stream"), (TIER, STALE), (STALE_AGE, age))
    return Answer(200, body.encode(), headers)


def _events(said: dict[str, Any], asked: Asked) -> Iterator[str]:
    """A kept answer as a stream: all of it in one chunk."""
    choice = said["choices"][0]
    is_chat = asked.path == CHAT
    head: dict[str, Any] = {name: said[name] for name in _HEAD if name in said}
    head["object"] = "chat.completion.chunk" if is_chat else "text_completion"
    text: dict[str, Any] = {"delta": choice["message"]} if is_chat else {"text": choice["text"]}
    rest: dict[str, Any] = {"delta": {}} if is_chat else {"text": ""}
    yield json.dumps({**head, "choices": [{"index": 0, **text, "finish_reason": None}]})
    yield json.dumps({**head, "choices": [{"index": 0, **rest, "finish_reason": "stop"}]})
    if asked.with_usage:
        yield json.dumps({**head, "choices": [], "usage": said.get("usage")})
    yield "[DONE]"


def may_be_kept(said: Any) -> bool:
    """A whole answer in text, that came to its own end."""
    try:
        (choice,) = said["choices"]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        calls = choice.get("message", {}).get("tool_calls")
        return isinstance(text, str) and not calls and choice["finish_reason"] == "stop"
    except (LookupError, TypeError, ValueError, AttributeError):
        return False


@dataclass
class Assembler:
    """Puts a stream together again, event by event."""

    head: dict[str, Any] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    usage: Any = None
    finish: str | None = None
    done: bool = False
    plain: bool = True
    _rest: bytes = b""

    def feed(self, data: bytes) -> None:
        """Some bytes of the stream."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                self._event(line.removeprefix(b"data: ").strip())

    def whole(self, asked: Asked) -> dict[str, Any] | None:
        """The answer in one piece; None when it is not whole, or more than text."""
        if not (self.done and self.plain and self.finish == "stop"):
            return None
        text = "".join(self.texts)
        is_chat = asked.path == CHAT
        said = {"message": {"role": "assistant", "content": text}} if is_chat else {"text": text}
        return {
            **self.head,
            "object": "chat.completion" if is_chat else "text_completion",
            "choices": [{"index": 0, **said, "finish_reason": "stop"}],
            "usage": self.usage,
        }

    def _event(self, data: bytes) -> None:
        if data == b"[DONE]":
            self.done = True
            return
        try:
            said = json.loads(data)
            self.head = {name: said[name] for name in _HEAD}
            self.usage = said.get("usage") or self.usage
            for choice in said["choices"]:
                self._choice(choice)
        except (LookupError, TypeError, ValueError, AttributeError):
            self.plain = False

    def _choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or {}
        self.plain = self.plain and choice["index"] == 0 and not delta.get("tool_calls")
        self.texts.append(delta.get("content") or choice.get("text") or "")
        self.finish = choice.get("finish_reason") or self.finish
