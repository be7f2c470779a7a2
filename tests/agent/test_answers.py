"""What counts as an answer: whole, ended by itself, and nothing that only a broken model says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provision.agent.answers import Said, cut, nonsense, read

WHOLE = Said("hello there", "stop", 3)


def whole(**choice: Any) -> str:
    ending = {"index": 0, "finish_reason": "stop"}
    return json.dumps({"choices": [{**ending, **choice}], "usage": {"completion_tokens": 3}})


def stream(*chunks: dict[str, Any], end: str = "data: [DONE]\n\n") -> str:
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end


def piece(text: str, ending: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": ending}]}


USAGE = {"choices": [], "usage": {"completion_tokens": 3}}


class TestRead:
    @pytest.mark.parametrize(
        "choice",
        [
            {"text": "hello there"},
            {"message": {"role": "assistant", "content": "hello there"}},
            {"message": {"content": None, "reasoning": "hello there"}},
            {"message": {"content": "there", "reasoning_content": None}, "text": "hello there"},
        ],
        ids=["completion", "chat", "thinks-aloud", "both"],
    )
    def test_whole_answers_of_either_endpoint(self, choice: dict[str, Any]) -> None:
        """Text, ending and number of tokens; a model may still be thinking after 16 tokens."""
        assert read(whole(**choice), stream=False) == (WHOLE, "")

    def test_an_answer_may_hold_separators_of_lines(self) -> None:
        """vLLM writes them as they are; only a line feed ends a line of events."""
        said = piece("one\u2028two\x85three", "stop")
        text = f"data: {json.dumps(said, ensure_ascii=False)}\r\n\r\ndata: [DONE]\r\n\r\n"
        whole, problem = read(text, stream=True)
        assert (whole and whole.text, problem) == ("one\u2028two\x85three", "")

    def test_a_stream_is_put_together(self) -> None:
        """The role chunk has no text, the last one no choice."""
        role = {"choices": [{"delta": {"role": "assistant", "content": ""}}]}
        text = stream(role, piece("hello "), piece("there", "stop"), USAGE)
        assert read(text, stream=True) == (WHOLE, "")

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (stream(piece("a", "stop"), end=""), "the stream has no end"),
            ("", "the stream has no end"),
            (
                stream({"error": {"message": "EngineCore encountered an issue", "code": 500}}),
                'an error in the stream: {"message": "EngineCore encountered an issue",'
                ' "code": 500}',
            ),
            ("data: {\n\ndata: [DONE]\n\n", "not a stream of completions: data: {"),
            ("data: [1]\n\ndata: [DONE]\n\n", "not a stream of completions: data: [1]"),
        ],
        ids=["cut", "empty", "error-under-200", "broken-json", "no-object"],
    )
    def test_what_is_no_stream_is_said(self, text: str, problem: str) -> None:
        """A dead worker sends its error under HTTP 200, and [DONE] after it."""
        said, why = read(text, stream=True)
        assert said is None
        assert why.partition("\n")[0] == problem

    @pytest.mark.parametrize("text", ["", "<html>", "[]", '{"choices": []}', '{"choices": null}'])
    def test_what_is_no_completion_is_said(self, text: str) -> None:
        """With its beginning."""
        assert read(text, stream=False) == (None, f"not a completion: {text}")

    def test_unknown_is_none(self) -> None:
        """Neither an ending nor a number is made up."""
        assert read('{"choices": [{"text": "a"}]}', stream=False)[0] == Said("a", None, None)
        assert read(stream(piece("a")), stream=True)[0] == Said("a", None, None)


@pytest.mark.parametrize(
    ("ending", "problem"),
    [
        ("stop", ""),
        ("length", ""),
        ("abort", "it ended with abort"),
        (None, "it ended with no finish_reason"),
    ],
)
def test_an_answer_comes_to_its_own_end(ending: str | None, problem: str) -> None:
    """An engine that is stopped under an answer says abort, and 200."""
    assert cut(Said("a", ending, 1)) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("!!!!!!!!", "nothing but 8 times '!'"),
        ("! ! ! ! ! ! ! !", "nothing but 8 times '!'"),
        ("", "3 tokens and no text"),
        (" \n\t ", "3 tokens and no text"),
        ("\ufffd" * 9, "nothing but 9 times '\ufffd'"),
        ("\ufffd" * 7 + "mall", ""),
        ("\ufffd" * 12 + "GC", "12 of 14 characters are none"),
        ("!!!!!!!", ""),
        ("XXXXXXXXXXXXXXXX", ""),
        ("!!!!!!!! Hello", ""),
        ("XXXXX throX throX", ""),
        ("\u4f60\u597d, \u4e16\u754c! \U0001f44b\ufffd", ""),
        ("1, 2, 3, 4, 5, 6, 7, 8", ""),
        ("4", ""),
    ],
)
def test_nonsense_is_told_from_odd_but_possible(text: str, problem: str) -> None:
    """The sign of logits that are no numbers, and not the words of a small or odd model."""
    assert nonsense(Said(text, "length", 3)) == problem


def test_an_answer_says_how_many_tokens_it_has() -> None:
    """And it has some."""
    assert nonsense(Said("a", "stop", None)) == "it does not say how many tokens it made"
    assert nonsense(Said("", "stop", 0)) == "it has no token"
