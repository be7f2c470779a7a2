"""Limits of tags, wherever a call carries some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.strict.refusal import Look, Params, Refusal

TAGS_MAX, KEY_MAX, VALUE_MAX = 50, 128, 256
_FIELDS = ("Tags", "tags", "TagList")


def check_tags(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """Refuse too many tags, too long ones, and those that belong to AWS."""
    for pairs in _tag_sets(params):
        wrong = _wrong(pairs)
        if wrong:
            return Refusal("InvalidTag", wrong)
    return None


def _tag_sets(params: Params) -> Iterator[list[tuple[str, str]]]:
    for field in _FIELDS:
        if field in params:
            yield list(_pairs(params[field]))
    for specification in params.get("TagSpecifications") or ():
        yield list(_pairs(specification.get("Tags") or ()))
    data = params.get("LaunchTemplateData")
    if isinstance(data, dict):
        yield from _tag_sets(data)


def _pairs(tags: Any) -> Iterator[tuple[str, str]]:
    if isinstance(tags, Mapping):
        yield from ((str(key), str(value)) for key, value in tags.items())
        return
    for tag in tags:
        lower = {str(name).lower(): value for name, value in tag.items()}
        yield (
            str(lower.get("key", lower.get("tagkey", ""))),
            str(lower.get("value", lower.get("tagvalue", ""))),
        )


def _wrong(pairs: list[tuple[str, str]]) -> str:
    if len(pairs) > TAGS_MAX:
        return f"{len(pairs)} tags, {TAGS_MAX} are allowed"
    if len({key for key, _ in pairs}) != len(pairs):
        return "a tag is given twice"
    for key, value in pairs:
        if not key or len(key) > KEY_MAX or len(value) > VALUE_MAX:
            return f"tag {key!r}: at most {KEY_MAX} characters, its value {VALUE_MAX}"
        if key.lower().startswith("aws:"):
            return f"tag {key!r}: names that begin with aws: are reserved"
    return ""
