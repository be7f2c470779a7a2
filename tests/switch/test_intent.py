"""What a person may write, and what becomes of nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provision.switch.intent import parse
from provision.switch.values import Intent, Wish
from tests.switch.scenes import NOW

SAID = {
    "mode": "force-fallback",
    "by": "ann",
    "reason": "new GPUs",
    "expires_at": "2026-11-21T12:00:00Z",
}


def said(**others: Any) -> str:
    return json.dumps({**SAID, **others})


def test_no_parameter_is_auto() -> None:
    """Nobody wanted anything yet."""
    assert parse(None, None, NOW) == Intent()


def test_an_intent_in_full() -> None:
    """With the version, which the audit line repeats."""
    expected = Intent(Wish.FORCE_FALLBACK, "ann", "new GPUs", NOW + 9 * 3600, 4)
    assert parse(said(), 4, NOW) == expected


@pytest.mark.parametrize("mode", list(Wish))
def test_every_mode_without_an_end(mode: Wish) -> None:
    """An intent may last until the next one."""
    intent = parse(json.dumps({"mode": mode}), 1, NOW)
    assert (intent.wish, intent.expires_at, intent.by, intent.problem) == (
        mode,
        None,
        "unknown",
        "",
    )


@pytest.mark.parametrize(
    ("expires_at", "seconds"),
    [
        (NOW + 60, 60.0),
        (int(NOW) + 60, 60.0),
        ("2026-11-21T04:00:00+00:00", 3600.0),
        ("2026-11-21T04:00:00+01:00", None),
        ("2026-11-21T05:00:00+01:00", 3600.0),
    ],
)
def test_ends_are_moments_with_a_zone(expires_at: object, seconds: float | None) -> None:
    """ISO 8601 or seconds since the epoch; one in the past has run out."""
    intent = parse(said(expires_at=expires_at), 1, NOW)
    assert intent.expires_at == (None if seconds is None else NOW + seconds)
    assert (intent.wish is Wish.AUTO) is (seconds is None)


def test_what_has_run_out_is_auto_and_says_so() -> None:
    """To the second."""
    intent = parse(said(expires_at=NOW), 9, NOW)
    assert (intent.wish, intent.version) == (Wish.AUTO, 9)
    assert intent.problem == (
        "force-fallback of ann ran out at 2026-11-21T03:00:00Z, so it is auto"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "force-fallback",
        "[]",
        "null",
        "5",
        "{}",
        said(mode="fallback"),
        said(mode=None),
        said(expires_at="tomorrow"),
        said(expires_at="2026-11-21T12:00:00"),
        said(expires_at=True),
        said(expires_at=[]),
        said(expires_at=1e30),
        said(expires_at=float("nan")),
    ],
)
def test_what_can_not_be_read_is_auto_and_says_so(text: str) -> None:
    """Never a guess at what somebody may have meant."""
    intent = parse(text, 3, NOW)
    assert (intent.wish, intent.version) == (Wish.AUTO, 3)
    assert intent.problem.startswith("the intent can't be read, so it is auto: ")
