"""Kept answers: when, for whom, and in which shape."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provision.gateway import completion, stale
from provision.gateway.request import COMPLETION, Asked, read
from provision.gateway.stale import Assembler, Kept
from tests.gateway.test_request import asked

STEADY = asked(temperature=0)
ANSWER = {
    "id": "1",
    "created": 1,
    "model": "mistral-7b",
    "object": "chat.completion",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def events(answer: stale.Answer) -> list[str]:
    return [line[6:] for line in answer.body.decode().split("\n\n") if line]


@pytest.mark.parametrize(
    ("request_", "wish", "name", "wanted"),
    [
        (STEADY, "1", "team", True),
        (STEADY, "", "team", False),
        (STEADY, "yes", "team", False),
        (STEADY, "1", "", False),
        (replace(STEADY, steady=False), "1", "team", False),
    ],
)
def test_an_old_answer_is_for_who_asks_for_it(
    request_: Asked, wish: str, name: str, wanted: bool
) -> None:
    """By header, at temperature 0, with a key that has a name."""
    assert stale.wanted(request_, wish, name) is wanted


def test_the_same_is_the_same_to_the_letter() -> None:
    """Key, path, model and every parameter; whether it is streamed does not matter."""
    same = stale.key(STEADY, "team")
    assert stale.key(asked(temperature=0, stream=True), "team") == same
    assert stale.key(STEADY, "other") != same
    assert stale.key(asked(temperature=0, seed=1), "team") != same
    assert stale.key(asked(temperature=0, model="org/mistral"), "team") != same


def test_the_age_is_said() -> None:
    """In seconds, with the tier."""
    given = stale.answer(Kept(100.0, ANSWER), STEADY, now=160.4)
    assert dict(given.headers)["x-llm-tier"] == "stale"
    assert dict(given.headers)["x-llm-stale-age"] == "60"
    assert json.loads(given.body) == ANSWER


def test_a_kept_answer_streams() -> None:
    """One chunk with all of it, the end, usage where it is wanted, [DONE]."""
    wanted = asked(temperature=0, stream=True, stream_options={"include_usage": True})
    *chunks, done = events(stale.answer(Kept(0, ANSWER), wanted, now=0))
    said = [json.loads(chunk) for chunk in chunks]
    assert said[0]["choices"][0]["delta"]["content"] == "hi"
    assert said[1]["choices"][0]["finish_reason"] == "stop"
    assert said[2]["usage"] == ANSWER["usage"]
    assert done == "[DONE]"


def test_what_was_streamed_is_put_together_again() -> None:
    """Cut anywhere into pieces; and streamed once more it says the same."""
    wanted = asked(temperature=0, stream=True)
    whole = stale.answer(Kept(0, ANSWER), wanted, now=0).body
    for size in (1, 7, 1000):
        assembler = Assembler()
        for start in range(0, len(whole), size):
            assembler.feed(whole[start : start + size])
        found = assembler.whole(wanted)
        assert found is not None
        assert found["choices"] == ANSWER["choices"]
        assert stale.may_be_kept(found)


@pytest.mark.parametrize(
    "change",
    [
        {"finish_reason": "length"},
        {"finish_reason": "tool_calls"},
        {"message": {"content": "x", "tool_calls": [{}]}},
        {"message": {"content": None}},
    ],
)
def test_only_whole_answers_in_text_are_kept(change: dict[str, Any]) -> None:
    """What ran out of tokens, or calls a tool, is not given again."""
    choice = {**ANSWER["choices"][0], **change}  # type: ignore[index]
    assert not stale.may_be_kept({**ANSWER, "choices": [choice]})
    assert not stale.may_be_kept({**ANSWER, "choices": [choice, choice]})
    assert not stale.may_be_kept({"error": {}})


@pytest.mark.parametrize(
    "broken", [b'data: {"error": {}}\n\n', b"data: no json\n\n", b""], ids=["error", "junk", "cut"]
)
def test_a_stream_that_broke_is_not_kept(broken: bytes) -> None:
    """Nor one whose end did not come."""
    wanted = asked(temperature=0, stream=True)
    body = stale.answer(Kept(0, ANSWER), wanted, now=0).body
    assembler = Assembler()
    assembler.feed(body.replace(b"data: [DONE]\n\n", broken))
    assert assembler.whole(wanted) is None


def test_a_completion_is_a_chat_underneath() -> None:
    """One message out of the prompt, and the answer's content as its text."""
    data = json.dumps({"model": "m", "prompt": "one", "suffix": "x", "temperature": 0}).encode()
    found = read(COMPLETION, data, names=("m",), longest_tokens=50)
    body = completion.as_chat(found.body)
    assert body["messages"] == [{"role": "user", "content": "one"}]
    assert "prompt" not in body
    assert "suffix" not in body
    said = completion.from_chat(ANSWER)
    assert said["object"] == "text_completion"
    assert said["choices"] == [
        {"index": 0, "text": "hi", "logprobs": None, "finish_reason": "stop"}
    ]
    assert stale.may_be_kept(said)


def test_chunks_become_completions_and_the_rest_stays() -> None:
    """Events that are no chunks pass as they are."""
    chunk = {"id": "1", "choices": [{"index": 0, "delta": {"content": "x"}}]}
    data = f"data: {json.dumps(chunk)}\n\n".encode()
    said = json.loads(completion.event_from_chat(data)[6:])
    assert said["choices"][0]["text"] == "x"
    for other in (b"data: [DONE]\n\n", b": ping\n\n", b'data: {"error": {}}\n\n', b""):
        assert completion.event_from_chat(other) == other
