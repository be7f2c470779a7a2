"""What a client asks, read strictly: only what is known is passed on.

LiteLLM lets a request say where it goes, with which key, how often it is tried again and much
more. So what leaves here is put together anew from what the OpenAI API has, and each value that
multiplies the cost has a bound.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from provision.gateway.answers import Refused, error
from provision.gateway.money import Tokens

CHAT, COMPLETION = "/v1/chat/completions", "/v1/completions"
PATHS = (CHAT, COMPLETION)
MOST_ANSWERS = 16  # `n` of the OpenAI API
# No tokenizer makes more than one token of a byte. Beside the prompt providers count some words of
# their own, most of them around tools.
OVERHEAD_TOKENS = 1024
BYTES_PER_TOKEN = 4  # of usual text; only for an answer's length that nobody asked for

_COMMON = (
    "temperature", "top_p", "n", "stop", "seed", "presence_penalty", "frequency_penalty",
    "logit_bias", "logprobs",
)  # fmt: skip
_PASSED_ON = {
    CHAT: (
        *_COMMON, "messages", "top_logprobs", "response_format", "tools", "tool_choice",
        "parallel_tool_calls",
    ),
    COMPLETION: (*_COMMON, "prompt", "suffix"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it may be passed on.

    Attributes:
        name: of the model, as the client wrote it.
        body: without model and stream.
        most: tokens that no provider bills more than.
        steady: asked for the likeliest answer, so an old one is as good.
    """

    path: str
    name: str
    body: dict[str, Any]
    stream: bool
    with_usage: bool
    most: Tokens
    steady: bool


def read(path: str, data: bytes, *, names: tuple[str, ...], longest_tokens: int) -> Asked:
    """Read a request. Raises Refused."""
    said = _object(data)
    name = said.get("model")
    if name not in names:
        message = f"The model {name!r} does not exist here; there is {names[0]}."
        raise Refused(error(404, "model_not_found", message))
    body = {key: said[key] for key in _PASSED_ON[path] if said.get(key) is not None}
    _require_text(path, body)
    answers = _count(body, "n", default=1, most=MOST_ANSWERS)
    body["max_tokens"] = _answer_tokens(said, _size(body), longest_tokens)
    stream = said.get("stream") is True
    return Asked(
        path=path,
        name=name,
        body=body,
        stream=stream,
        with_usage=stream and _wants_usage(said),
        most=Tokens(len(data) + OVERHEAD_TOKENS, answers * body["max_tokens"]),
        steady=body.get("temperature") == 0 and answers == 1,
    )


def _object(data: bytes) -> dict[str, Any]:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(error(400, "bad_request", "The body is not JSON.")) from None
    if not isinstance(said, dict):
        raise Refused(error(400, "bad_request", "The body is not a JSON object."))
    return said


def _require_text(path: str, body: dict[str, Any]) -> None:
    """The fleet's models read text, and what pictures cost can't be bounded here."""
    if path == COMPLETION:
        if not isinstance(body.get("prompt"), str):
            raise Refused(error(400, "bad_request", "`prompt` is one text here."))
        return
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(error(400, "bad_request", "`messages` is a list with one message at least."))
    if not all(_is_text(message) for message in messages):
        raise Refused(error(400, "bad_request", "Messages hold text only."))


def _is_text(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    content = message.get("content")
    if isinstance(content, list):
        return all(isinstance(part, dict) and part.get("type") == "text" for part in content)
    return content is None or isinstance(content, str)


def _answer_tokens(said: dict[str, Any], size: int, longest: int) -> int:
    """How long an answer may become. Nobody's default is asked for: it could be anything."""
    for name in ("max_completion_tokens", "max_tokens"):
        if said.get(name) is not None:
            return _count(said, name, default=1, most=longest)
    return max(1, longest - size // BYTES_PER_TOKEN)


def _size(body: dict[str, Any]) -> int:
    """Of the prompt alone: the same question gets the same length, streamed or not."""
    return len(json.dumps(body.get("messages") or body.get("prompt")))


def _count(said: dict[str, Any], name: str, *, default: int, most: int) -> int:
    value = said.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        message = f"`{name}` is a whole number from 1 to {most}."
        raise Refused(error(400, "bad_request", message))
    return value


def _wants_usage(said: dict[str, Any]) -> bool:
    options = said.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
