"""What a rule is, and the ways to write one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from provision.config.images import is_pinned


@dataclass(frozen=True, slots=True)
class Rule:
    """``says`` completes the sentence "<value> is not ..."."""

    says: str
    holds: Callable[[Any], bool]
    hint: Callable[[Any], str] = lambda _: ""


def between(low: float, high: float, unit: str) -> Rule:
    """A number with its unit."""
    return Rule(f"between {low:,} and {high:,} {unit}", lambda value: low <= value <= high)


def one_of(values: Collection[Any]) -> Rule:
    """One of a few values; the hint names the nearest."""
    known = [str(value) for value in values]

    def nearest(value: object) -> str:
        found = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        return f"did you mean {found[0]}?" if found and not isinstance(value, int) else ""

    return Rule(f"one of {', '.join(known)}", lambda value: value in values, nearest)


def matching(pattern: str, says: str, hint: str = "") -> Rule:
    """Text of a certain form."""
    compiled = re.compile(pattern, re.ASCII)
    return Rule(says, lambda value: compiled.fullmatch(value) is not None, lambda _: hint)


IMAGE = Rule(
    "a pinned image, like vllm/vllm-openai:v0.32.0",
    is_pinned,
    lambda _: "name a version or a digest: a tag that moves mixes versions in one fleet",
)
