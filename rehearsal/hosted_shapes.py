"""How OpenAI and Anthropic write requests and answers: as much of it as answers are made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol


class Shape(Protocol):
    """One API's way of saying things."""

    def count(self, asked: dict[str, Any]) -> int:
        """The prompt's tokens."""

    def whole(self, model: str, words: list[str], prompt: int) -> dict[str, Any]:
        """An answer in one piece."""

    def begin(self, asked: dict[str, Any], prompt: int) -> Iterator[str]:
        """A stream's events before its first token."""

    def token(self, asked: dict[str, Any], word: str) -> str:
        """One token."""

    def end(self, asked: dict[str, Any], prompt: int, answer: int) -> Iterator[str]:
        """A stream's events after its last token."""


class Chat:
    """OpenAI's /v1/chat/completions."""

    def count(self, asked: dict[str, Any]) -> int:
        return PRIMING + sum(PER_MESSAGE + _count(message) for message in asked["messages"])

    def whole(self, model: str, words: list[str], prompt: int) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(words)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [choice],
            "usage": _usage(prompt, len(words)),
        }

    def begin(self, asked: dict[str, Any], prompt: int) -> Iterator[str]:
        yield self._chunk(asked, {"role": "assistant", "content": ""})

    def token(self, asked: dict[str, Any], word: str) -> str:
        return self._chunk(asked, {"content": word})

    def end(self, asked: dict[str, Any], prompt: int, answer: int) -> Iterator[str]:
        yield self._chunk(asked, {}, finish="stop")
        if (asked.get("stream_options") or {}).get("include_usage"):
            yield _data({**self._head(asked), "choices": [], "usage": _usage(prompt, answer)})
        yield "data: [DONE]\n\n"

    def _chunk(
        self, asked: dict[str, Any], delta: dict[str, Any], finish: str | None = None
    ) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _data({**self._head(asked), "choices": [choice]})

    def _head(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": asked["model"],
        }


class Completion:
    """OpenAI's old /v1/completions."""

    def count(self, asked: dict[str, Any]) -> int:
        return _count(asked["prompt"])

    def whole(self, model: str, words: list[str], prompt: int) -> dict[str, Any]:
        choice = {"index": 0, "text": "".join(words), "finish_reason": "stop", "logprobs": None}
        return {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1,
            "model": model,
            "choices": [choice],
            "usage": _usage(prompt, len(words)),
        }

    def begin(self, asked: dict[str, Any], prompt: int) -> Iterator[str]:
        yield from ()

    def token(self, asked: dict[str, Any], word: str) -> str:
        return self._chunk(asked, word, None)

    def end(self, asked: dict[str, Any], prompt: int, answer: int) -> Iterator[str]:
        yield self._chunk(asked, "", "stop")
        if (asked.get("stream_options") or {}).get("include_usage"):
            yield _data({**self._head(asked), "choices": [], "usage": _usage(prompt, answer)})
        yield "data: [DONE]\n\n"

    def _chunk(self, asked: dict[str, Any], text: str, finish: str | None) -> str:
        choice = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
        return _data({**self._head(asked), "choices": [choice]})

    def _head(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": asked["model"]}


class Messages:
    """Anthropic's /v1/messages."""

    def count(self, asked: dict[str, Any]) -> int:
        return _count(asked.get("system")) + _count(asked["messages"])

    def whole(self, model: str, words: list[str], prompt: int) -> dict[str, Any]:
        return {
            **self._head(model, prompt),
            "content": [{"type": "text", "text": "".join(words)}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": prompt, "output_tokens": len(words)},
        }

    def begin(self, asked: dict[str, Any], prompt: int) -> Iterator[str]:
        message = {
            **self._head(asked["model"], prompt),
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": prompt, "output_tokens": 1},
        }
        yield _event("message_start", message=message)
        yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})

    def token(self, asked: dict[str, Any], word: str) -> str:
        return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})

    def end(self, asked: dict[str, Any], prompt: int, answer: int) -> Iterator[str]:
        yield _event("content_block_stop", index=0)
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        yield _event("message_delta", delta=delta, usage={"output_tokens": answer})
        yield _event("message_stop")

    def _head(self, model: str, prompt: int) -> dict[str, Any]:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "stop_sequence": None,
        }


PER_MESSAGE, PRIMING = 4, 3  # what OpenAI counts around a message's words, and before the answer
SHAPES: dict[str, Shape] = {
    "/v1/chat/completions": Chat(),
    "/v1/completions": Completion(),
    "/v1/messages": Messages(),
}


def _count(said: Any) -> int:
    """Words of a text, of messages, or of their parts."""
    if isinstance(said, str):
        return len(said.split())
    if isinstance(said, list):
        return sum(_count(one) for one in said)
    if isinstance(said, dict):
        return _count(said.get("content", said.get("text")))
    return 0


def _usage(prompt: int, answer: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }


def _data(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body)}\n\n"


def _event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"
