"""What the gateway itself answers, in the shape that OpenAI's clients understand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TIER = "x-llm-tier"
STALE_AGE = "x-llm-stale-age"
INPUT_TOKENS, OUTPUT_TOKENS = "x_llm_input_tokens", "x_llm_output_tokens"
HOSTED, STALE, NOBODY = "hosted", "stale", "none"
BUSY_S = 5  # Retry-After of what may work in a moment


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


class Refused(Exception):
    """A request that is not passed on, and what its client is told."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.decode())
        self.answer = answer


def whole(status: int, body: Any, tier: str, **headers: str) -> Answer:
    """A JSON answer. Header names are written with underscores."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    kind = ("content-type", "application/json")
    return Answer(status, json.dumps(body).encode(), (kind, (TIER, tier), *named))


def tokens(said: Mapping[str, Any]) -> dict[str, str]:
    """Headers that say what a whole answer took: the front's log has them from there."""
    usage = said.get("usage") or {}
    counts = {
        INPUT_TOKENS: usage.get("prompt_tokens"),
        OUTPUT_TOKENS: usage.get("completion_tokens"),
    }
    return {name: str(count) for name, count in counts.items() if isinstance(count, int)}


def error(status: int, code: str, message: str, *, retry_after_s: int | None = None) -> Answer:
    """An error. No tier gave it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    fields = {"message": message, "type": kind, "param": None, "code": code}
    waiting = {} if retry_after_s is None else {"retry_after": str(retry_after_s)}
    return whole(status, {"error": fields}, NOBODY, **waiting)


def broken_stream() -> bytes:
    """The event that ends a stream which its provider broke off."""
    fields = {
        "message": "The hosted API broke off in the middle of its answer.",
        "type": "server_error",
        "param": None,
        "code": "stream_broken",
    }
    return f"data: {json.dumps({'error': fields})}\n\n".encode()
