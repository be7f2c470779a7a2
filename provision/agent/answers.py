"""What an engine answered, and whether that is an answer at all: pure.

An engine may load, say 200 and talk nonsense: broken weights, a wrong quantization or a bad kernel
make logits that are no numbers, and the first entry of the vocabulary comes out without end
("!!!!!!!!" with many tokenizers, nothing at all with others).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

ENDINGS = ("stop", "length")
_DONE = "[DONE]"
_TEXTS = ("content", "reasoning", "reasoning_content")
_SAME = 8  # so many equal signs, and nothing else, are no answer
_NO_CHARACTER = "\ufffd"


@dataclass(frozen=True)
class Said:
    """A completion. ``tokens`` is None when the engine did not say how many it made."""

    text: str
    ending: Optional[str]
    tokens: Optional[int]


def read(text: str, *, stream: bool) -> Tuple[Optional[Said], str]:
    """The completion in the body of an answer, or None and why there is none."""
    if stream:
        return _streamed(text)
    try:
        document: Dict[str, Any] = json.loads(text)
        (choice,) = document["choices"]
        return Said(_text(choice), choice.get("finish_reason"), _tokens(document)), ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return None, f"not a completion: {text.strip()[:200]}"


def cut(said: Said) -> str:
    """Why the answer did not come to its own end, empty when it did."""
    if said.ending not in ENDINGS:
        return f"it ended with {said.ending or 'no finish_reason'}"
    return ""


def nonsense(said: Said) -> str:
    """Why this can't come from a model that works, empty when it may."""
    if said.tokens is None:
        return "it does not say how many tokens it made"
    if said.tokens <= 0:
        return "it has no token"
    text = "".join(said.text.split())
    if not text:
        return f"{said.tokens} tokens and no text"
    if len(text) >= _SAME and len(set(text)) == 1 and not text[0].isalnum():
        return f"nothing but {len(text)} times {text[0]!r}"
    if len(text) >= _SAME and text.count(_NO_CHARACTER) * 4 > len(text) * 3:
        return f"{text.count(_NO_CHARACTER)} of {len(text)} characters are none"
    return ""


def _streamed(text: str) -> Tuple[Optional[Said], str]:
    """Server-sent events. A dead worker sends its error under HTTP 200, and [DONE] after it."""
    # Lines end with "\n" there; splitlines() would cut a text that holds U+2028 or its like.
    events = [line[5:].strip() for line in text.split("\n") if line.startswith("data:")]
    if not events or events[-1] != _DONE:
        return None, "the stream has no end"
    try:
        chunks: List[Mapping[str, Any]] = [json.loads(event) for event in events[:-1]]
        wrong = next((chunk["error"] for chunk in chunks if "error" in chunk), None)
        if wrong is not None:
            return None, f"an error in the stream: {json.dumps(wrong)[:200]}"
        choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
        endings = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
        tokens = [_tokens(chunk) for chunk in chunks if chunk.get("usage")]
        said = "".join(_text(choice) for choice in choices)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None, f"not a stream of completions: {text.strip()[:200]}"
    return Said(said, endings[-1] if endings else None, tokens[-1] if tokens else None), ""


def _text(choice: Mapping[str, Any]) -> str:
    """A choice's text, whether whole or a piece; what a model thinks aloud counts too."""
    if "text" in choice:
        return str(choice["text"] or "")
    message: Mapping[str, Any] = choice.get("message") or choice.get("delta") or {}
    return "".join(str(message.get(name) or "") for name in _TEXTS)


def _tokens(document: Mapping[str, Any]) -> Optional[int]:
    tokens = (document.get("usage") or {}).get("completion_tokens")
    return tokens if isinstance(tokens, int) else None
