"""What the gateway says of its answers."""

from __future__ import annotations

from typing import Any

import pytest

from provision.gateway.answers import HOSTED, tokens, whole


@pytest.mark.parametrize(
    ("usage", "headers"),
    [
        (
            {"prompt_tokens": 12, "completion_tokens": 0},
            [("x-llm-input-tokens", "12"), ("x-llm-output-tokens", "0")],
        ),
        ({"prompt_tokens": 12, "completion_tokens": None}, [("x-llm-input-tokens", "12")]),
        (None, []),
    ],
)
def test_a_whole_answer_says_what_it_took(usage: Any, headers: list[tuple[str, str]]) -> None:
    """What its provider did not count stays out: the front writes null for it."""
    said = {"id": "a", "usage": usage}
    assert list(whole(200, said, HOSTED, **tokens(said)).headers[2:]) == headers
