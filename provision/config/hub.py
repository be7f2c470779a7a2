"""Hubs that serve model weights."""

from __future__ import annotations

from urllib.parse import urlsplit

_HUGGING_FACE = ("huggingface.co", "hf.co")


def is_public(endpoint: str) -> bool:
    """Whether *endpoint* is Hugging Face itself: in the internet, with gates of its own."""
    host = urlsplit(endpoint).hostname or ""
    return any(host == name or host.endswith(f".{name}") for name in _HUGGING_FACE)
