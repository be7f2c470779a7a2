"""Releases as a table, and the difference of two."""

from __future__ import annotations

from provision.executor.releases import Row
from provision.report.releases import NONE, differences, text


def test_one_line_a_release() -> None:
    """The current one is marked, and the one that a rollback would take."""
    rows = [
        Row("r-1", "mistral-7b", "0123456789abcdef", "engine-1", current=True, before=False),
        Row("r-2", "mistral-7b", None, None, current=False, before=True),
    ]
    assert text(rows).splitlines() == [
        "release  model       weights       image",
        "r-1      mistral-7b  0123456789ab  engine-1  current",
        "r-2      mistral-7b  unknown       unknown   before it",
    ]


def test_nothing_was_published() -> None:
    """Says what to type."""
    assert text([]) == NONE


def test_what_changed() -> None:
    """File by file, with new and lost ones; nothing for equal releases."""
    before = {"engine.yaml": "a: 1\nb: 2\n", "same": "x\n"}
    after = {"engine.yaml": "a: 1\nb: 3\n", "same": "x\n", "new": "n\n"}
    assert differences("r-1", before, "r-2", after) == [
        "--- r-1/engine.yaml",
        "+++ r-2/engine.yaml",
        "@@ -1,2 +1,2 @@",
        " a: 1",
        "-b: 2",
        "+b: 3",
        "--- r-1/new",
        "+++ r-2/new",
        "@@ -0,0 +1 @@",
        "+n",
    ]
    assert differences("r-1", before, "r-2", before) == []
