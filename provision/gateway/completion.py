"""The old completions API, as a chat with one message: hosted models know nothing else.

LiteLLM would translate it, too; but of a streamed completion it counts no tokens (1.108), so what
reaches it is always a chat.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_ONLY_COMPLETIONS = ("prompt", "suffix", "logprobs")
_DATA, _DONE = b"data: ", b"[DONE]"


def as_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same request to /v1/chat/completions."""
    rest = {name: value for name, value in body.items() if name not in _ONLY_COMPLETIONS}
    return {**rest, "messages": [{"role": "user", "content": body["prompt"]}]}


def from_chat(said: Mapping[str, Any]) -> dict[str, Any]:
    """A chat's answer, or a chunk of one, in the shape of a completion."""
    answer = {name: value for name, value in said.items() if name != "choices"}
    choices = [_choice(choice) for choice in said["choices"]]
    return {**answer, "object": "text_completion", "choices": choices}


def event_from_chat(data: bytes) -> bytes:
    """One event of a stream; what is no chunk stays as it is."""
    if not data.startswith(_DATA) or data[len(_DATA) :].startswith(_DONE):
        return data
    try:
        chunk = from_chat(json.loads(data[len(_DATA) :]))
    except (LookupError, TypeError, ValueError, AttributeError):
        return data
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = choice.get("message") or choice.get("delta") or {}
    return {
        "index": choice["index"],
        "text": message.get("content") or "",
        "logprobs": None,
        "finish_reason": choice.get("finish_reason"),
    }
