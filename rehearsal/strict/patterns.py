"""AWS writes patterns for Java; this turns them into Python's."""

from __future__ import annotations

import re
from functools import cache

# Classes that Python's `re` lacks, as the ranges that names and tags are made of.
_CLASSES = {
    r"\p{all}": r"\s\S",
    r"\p{L}": "a-zA-Z\u00aa-\ud7ff\uf900-\uffdc",
    r"\p{M}": "\u0300-\u036f",
    r"\p{N}": "0-9\u00b2\u00b3\u00b9\u0660-\u0669",
    r"\p{P}": r"!-#%-*,-/:;?@\[-\]_{}",
    r"\p{S}": r"$+<-> ^`|~".replace(" ", ""),
    r"\p{Zs}": " \u00a0",
    r"\p{Z}": " \u00a0\u2028\u2029",
}
_SURROGATES = r"\uD800\uDC00-\uDBFF\uDFFF"
_ASTRAL = r"\U00010000-\U0010FFFF"
_LOOSE_DASH = re.compile(r"\\w-(?=[_\\/])")


@cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """The Python pattern, None for one that Python can't say (it is then not checked)."""
    text = pattern.replace(_SURROGATES, _ASTRAL)
    for name, ranges in _CLASSES.items():
        text = text.replace(name, ranges)
    try:
        return re.compile(_LOOSE_DASH.sub(r"\\w\\-", text))
    except re.error:
        return None
