"""A host's own front is asked as clients ask it, before clients are sent to it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from provision.agent.ask import Question, ask
from provision.agent.errors import AgentError
from provision.agent.events import Events
from tests.agent.fakes import EngineBehaviour, FakeClock, stub_engine

KEY = "sk-fleet-probe"
QUESTION = Question("mistral-7b", KEY)


class Front:
    """A front as a stub, and what was said about it."""

    def __init__(self, port: int, behaviour: EngineBehaviour) -> None:
        self.behaviour, self._port = behaviour, port
        self.clock, self.stream = FakeClock(), io.StringIO()

    def ask(self, question: Question = QUESTION, *, timeout_s: float = 30.0) -> dict[str, Any]:
        """The event of a success."""
        events = Events(self.clock, stream=self.stream, file=None)
        ask(question, timeout_s, clock=self.clock, events=events, port=self._port)
        (line,) = self.stream.getvalue().splitlines()
        return dict(json.loads(line))

    def problem(self, **how: Any) -> str:
        """The reason of a failure."""
        for name, value in how.items():
            setattr(self.behaviour, name, value)
        with pytest.raises(AgentError) as raised:
            self.ask()
        assert KEY not in raised.value.reason + raised.value.hint
        return raised.value.reason


@pytest.fixture
def front() -> Iterator[Front]:
    behaviour = EngineBehaviour(secret=KEY, headers={"x-llm-tier": "primary"})
    with stub_engine(behaviour) as port:
        yield Front(port, behaviour)


def test_one_whole_and_one_streamed_answer_of_our_own(front: Front) -> None:
    """Through the paths that clients use, marked as a probe."""
    assert front.ask()["event"] == "asked"
    whole, streamed = front.behaviour.asked
    assert [whole["stream"], streamed["stream"]] == [False, True]
    assert whole["messages"] == [{"role": "user", "content": "Say hello."}]
    assert whole["model"] == "mistral-7b"


def test_a_base_model_is_asked_for_a_completion(front: Front) -> None:
    """It has no chat template."""
    front.ask(Question("base", KEY, chat=False))
    assert [asked["prompt"] for asked in front.behaviour.asked] == ["Say hello."] * 2


def test_tries_until_the_front_knows_the_key(front: Front) -> None:
    """The agent reads the keys every 20 s."""
    front.behaviour.secret = "other"
    begun = front.clock.now()

    def later() -> None:
        if front.clock.now() - begun >= 20:
            front.behaviour.secret = KEY

    front.clock.on_sleep = later
    assert front.ask()["seconds"] == 20.0


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (
            {"status": 503, "text": "x" * 300},
            'whole: HTTP 503, x-llm-tier primary: {"choices": [{"index": 0, "message": ',
        ),
        ({"headers": {}}, "whole: x-llm-tier missing, not primary"),
        ({"headers": {"x-llm-tier": "gateway"}}, "whole: x-llm-tier gateway, not primary"),
        ({"ending": "abort"}, "whole: it ended with abort"),
        ({"broken_stream": True}, "streamed: the stream has no end"),
    ],
)
def test_anything_else_fails_with_what_came(front: Front, how: dict[str, Any], reason: str) -> None:
    """After the time that it had, with status, tier and the beginning of the body."""
    said = front.problem(**how)
    assert said.startswith(
        "no answer of this host's own engine through its front within 30 s: " + reason
    )
    assert front.clock.now() - FakeClock().now() == 30.0


def test_a_front_that_is_not_there_is_said() -> None:
    """Its container does not run."""
    with stub_engine(EngineBehaviour()) as port:
        pass
    assert "refused" in Front(port, EngineBehaviour()).problem()


@pytest.mark.parametrize("request_", [{}, {"key": ""}, {"key": 5}])
def test_a_request_needs_a_key(request_: dict[str, Any]) -> None:
    """The program is not called by hand, and says what it wants all the same."""
    with pytest.raises(AgentError, match="has no key"):
        Question.parse(request_, model="m", chat=True)
