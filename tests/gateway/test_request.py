"""What of a client's request is passed on, and what it may cost at the most."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.gateway.answers import Refused
from provision.gateway.request import CHAT, COMPLETION, OVERHEAD_TOKENS, Asked, read

MESSAGES = [{"role": "user", "content": "one two three"}]


def asked(path: str = CHAT, *, longest: int = 100, **body: Any) -> Asked:
    usual = {"prompt": "one"} if path == COMPLETION else {"messages": MESSAGES}
    data = json.dumps({"model": "mistral-7b", **usual, **body}).encode()
    return read(path, data, names=("mistral-7b", "org/mistral"), longest_tokens=longest)


def refusal(path: str = CHAT, **body: Any) -> tuple[int, str, str]:
    with pytest.raises(Refused) as caught:
        asked(path, **body)
    said = json.loads(caught.value.answer.body)["error"]
    return caught.value.answer.status, said["code"], said["message"]


def test_what_steers_litellm_is_left_out() -> None:
    """A client can't say where its request goes, with which key, or how often."""
    steering = {
        "api_base": "http://elsewhere",
        "api_key": "sk-mine",
        "fallbacks": ["gpt-5"],
        "num_retries": 9,
        "mock_response": "hi",
        "metadata": {"tags": ["x"]},
        "service_tier": "priority",
        "user": "somebody",
        "min_p": 0.1,
    }
    body = asked(temperature=0.5, max_tokens=7, **steering).body
    assert body == {"messages": MESSAGES, "temperature": 0.5, "max_tokens": 7}


def test_the_most_is_a_token_for_every_byte_and_every_answer_whole() -> None:
    """No provider bills more, whatever its tokenizer does."""
    one = asked(max_tokens=7)
    several = asked(max_completion_tokens=7, n=3)
    assert one.most.output == 7
    assert several.most.output == 21
    assert several.body["max_tokens"] == 7
    assert one.most.input == len(json.dumps({"model": "mistral-7b", "messages": MESSAGES,
                                             "max_tokens": 7})) + OVERHEAD_TOKENS  # fmt: skip


def test_a_length_that_nobody_asked_for_is_what_the_context_leaves() -> None:
    """As the fleet's own engine does it; the provider's own default could be anything."""
    prompt = len(json.dumps(MESSAGES))
    assert asked(longest=100).body["max_tokens"] == 100 - prompt // 4
    assert asked(longest=100, stream=True).body == asked(longest=100).body
    assert asked(longest=5).body["max_tokens"] == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"max_tokens": 101}, "`max_tokens` is a whole number from 1 to 100."),
        ({"max_tokens": 0}, "`max_tokens` is a whole number from 1 to 100."),
        ({"max_completion_tokens": "9"}, "`max_completion_tokens` is a whole number"),
        ({"n": 17}, "`n` is a whole number from 1 to 16."),
        ({"n": True}, "`n` is a whole number from 1 to 16."),
        ({"messages": []}, "`messages` is a list with one message at least."),
        ({"messages": "hi"}, "`messages` is a list with one message at least."),
        ({"messages": [{"content": [{"type": "image_url"}]}]}, "Messages hold text only."),
        ({"messages": [3]}, "Messages hold text only."),
    ],
)
def test_what_could_not_be_bounded_is_refused(body: dict[str, Any], says: str) -> None:
    """Clearly, as the client's own mistake."""
    status, code, message = refusal(**body)
    assert (status, code) == (400, "bad_request")
    assert message.startswith(says)


def test_other_models_do_not_exist() -> None:
    """Whoever asks for the provider's name gets what the fleet would say."""
    assert refusal(model="gpt-4o-mini")[:2] == (404, "model_not_found")
    assert asked(model="org/mistral").name == "org/mistral"


@pytest.mark.parametrize("prompt", [["a", "b"], [1, 2], None, 3])
def test_a_completion_has_one_prompt_in_words(prompt: Any) -> None:
    """Lists of prompts, and tokens of the fleet's own tokenizer, mean nothing to a provider."""
    assert refusal(COMPLETION, prompt=prompt)[:2] == (400, "bad_request")


@pytest.mark.parametrize(
    ("body", "steady"),
    [
        ({"temperature": 0}, True),
        ({"temperature": 0.0}, True),
        ({"temperature": 0.1}, False),
        ({}, False),
        ({"temperature": 0, "n": 2}, False),
    ],
)
def test_only_at_temperature_zero_one_answer_is_as_good_as_another(
    body: dict[str, Any], steady: bool
) -> None:
    """The default temperature is not 0."""
    assert asked(**body).steady is steady


@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["model", "messages", "content", "stream", "stream_options", "n"]), inner
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nonsense_is_answered_not_stumbled_over(data: bytes) -> None:
    """Whatever arrives is a request, or a refusal of status 400 or 404."""
    assert outcome(data) in (200, 400, 404)


def outcome(data: bytes) -> int:
    try:
        read(CHAT, data, names=("mistral-7b",), longest_tokens=100)
    except Refused as refused:
        return refused.answer.status
    return 200
