"""What an answer looks like: OpenAI's documents for chats and plain completions."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any

TEXT = "A model that answers from one small machine says nothing wise, but it says it."
BROKEN = "!"  # what vLLM says all the time when the numbers of its weights are not numbers
FINISHED = "length"
STOPPED = "stop"
_NATURAL_END = 24  # tokens after which this model has nothing more to say
_TOKENS = 16  # asked for by whoever doesn't say how many
_numbers = itertools.count(1)


class BadRequest(ValueError):
    """The request is refused; ``status`` and the name of vLLM's error."""

    def __init__(self, message: str, *, status: int = 400, kind: str = "BadRequestError") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


@dataclass
class Asked:
    """A request for tokens, understood."""

    chat: bool
    model: str
    tokens: int
    finish: str
    prompt_tokens: int
    stream: bool
    with_usage: bool
    id: str = ""
    at: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def parse(cls, path: str, body: bytes, names: tuple[str, ...], max_len: int) -> Asked:
        """Raises BadRequest with vLLM's status and words."""
        try:
            said = json.loads(body)
            text = _prompt(said)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadRequest(f"bad request: {error!r}", kind="Bad Request") from error
        model = str(said.get("model") or names[0])
        if model not in names:
            words = f"The model `{model}` does not exist. Valid aliases: {', '.join(names)}."
            raise BadRequest(words, status=404, kind="NotFoundError")
        prompt_tokens = max(1, len(text) // 4)
        if prompt_tokens >= max_len:
            raise BadRequest(
                f"This model's maximum context length is {max_len} tokens. However, your prompt"
                f" contains at least {prompt_tokens} input tokens."
            )
        chat = path.endswith("/chat/completions")
        room = max_len - prompt_tokens
        wanted = said.get("max_completion_tokens") or said.get("max_tokens")
        tokens = min(int(wanted or (room if chat else _TOKENS)), room)
        if int(wanted or 1) > max_len:
            raise BadRequest(f"max_tokens={wanted} cannot be greater than max_model_len={max_len}")
        ends = not said.get("ignore_eos") and tokens > _NATURAL_END
        options = said.get("stream_options") or {}
        kind = "chatcmpl" if chat else "cmpl"
        return cls(
            chat=chat,
            model=model,
            tokens=_NATURAL_END if ends else tokens,
            finish=STOPPED if ends else FINISHED,
            prompt_tokens=prompt_tokens,
            stream=bool(said.get("stream")),
            with_usage=bool(options.get("include_usage")),
            id=f"{kind}-{next(_numbers):08x}",
        )

    def usage(self) -> dict[str, int]:
        """The bill."""
        total = self.prompt_tokens + self.tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.tokens,
            "total_tokens": total,
        }

    def whole(self, words: list[str]) -> dict[str, Any]:
        """The answer in one piece."""
        text = " ".join(words)
        said = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        choice = {"index": 0, **said, "finish_reason": self.finish}
        kind = "chat.completion" if self.chat else "text_completion"
        return {**self._head(kind), "choices": [choice], "usage": self.usage()}

    def opening(self) -> dict[str, Any] | None:
        """The first event of a chat's stream: who speaks."""
        return self._chunk({"role": "assistant", "content": ""}, None) if self.chat else None

    def piece(self, word: str, *, last: bool) -> dict[str, Any]:
        """One token of a stream; the *last* one says why it is."""
        said: Any = {"content": f"{word} "} if self.chat else f"{word} "
        return self._chunk(said, self.finish if last else None)

    def bill(self) -> dict[str, Any]:
        """The event after the last token, for who asked for it."""
        return {**self._head(self._kind), "choices": [], "usage": self.usage()}

    @property
    def _kind(self) -> str:
        return "chat.completion.chunk" if self.chat else "text_completion"

    def _chunk(self, said: Any, finish: str | None) -> dict[str, Any]:
        name = "delta" if self.chat else "text"
        choice = {"index": 0, name: said, "finish_reason": finish}
        return {**self._head(self._kind), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.at, "model": self.model}


def word(number: int, *, broken: bool) -> str:
    """The token at place *number*."""
    words = TEXT.split()
    return BROKEN if broken else words[number % len(words)]


def error(message: str, status: int, kind: str) -> dict[str, Any]:
    """vLLM's shape of an error."""
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def _prompt(said: dict[str, Any]) -> str:
    if "messages" in said:
        return " ".join(str(message["content"]) for message in said["messages"])
    return str(said["prompt"])
