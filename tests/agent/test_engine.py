"""An engine's HTTP face, as it behaves when it is well, slow, full, hung or gone."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from provision.agent.engine import Engine
from provision.agent.last_good import Limit
from provision.agent.metrics import Metrics, Served
from provision.agent.settings import Expectation, WarmUp
from provision.agent.system import SystemClock
from tests.agent.fakes import EngineBehaviour, stub_engine

WARM_UP = WarmUp("short", "long", "streamed", max_tokens=4, max_ttft_s=5.0, deadline_s=5.0)
LIMIT = Limit(5.0)


@pytest.fixture
def behaviour() -> EngineBehaviour:
    return EngineBehaviour()


@pytest.fixture
def engine(behaviour: EngineBehaviour) -> Iterator[Engine]:
    with stub_engine(behaviour) as port:
        yield Engine(port, "mistral-7b", "hop", SystemClock())


class TestCanary:
    def test_asks_for_one_token_that_no_cache_can_answer(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """Every prompt is another one."""
        assert engine.canary(5.0, None).ok
        assert engine.canary(5.0, None).ok
        first, second = behaviour.asked
        assert first["max_tokens"] == 1
        assert first["prompt"] != second["prompt"]

    def test_a_hung_engine_misses_at_the_deadline(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """No answer and no step: not alive, after the deadline and not much later."""
        behaviour.hang, behaviour.steps_move = threading.Event(), False
        begun = time.monotonic()
        verdict = engine.canary(0.2, 0.0)
        assert not verdict.ok
        assert verdict.reason.startswith("no token (timed out after 0.")
        assert time.monotonic() - begun < 2.0

    def test_a_slow_engine_that_works_is_alive(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """The step counter moved while the token was late: saturated, not hung."""
        behaviour.hang = threading.Event()
        verdict = engine.canary(0.2, 0.0)
        assert (verdict.ok, verdict.busy) == (True, True)
        assert verdict.reason.startswith("slow")

    @pytest.mark.parametrize(
        ("status", "ok"), [(429, True), (503, True), (500, False), (401, False)]
    )
    def test_full_is_alive_and_an_error_is_not(
        self, engine: Engine, behaviour: EngineBehaviour, status: int, ok: bool
    ) -> None:
        """429 and 503 come from a full queue; anything else is trouble."""
        behaviour.status = status
        verdict = engine.canary(5.0, None)
        assert (verdict.ok, verdict.busy) == (ok, ok)

    def test_a_closed_port_is_a_miss(self) -> None:
        """While the engine loads, nobody listens."""
        with stub_engine(EngineBehaviour()) as port:
            pass
        verdict = Engine(port, "m", "hop", SystemClock()).canary(1.0, None)
        assert not verdict.ok
        assert "refused" in verdict.reason

    def test_the_wrong_hop_secret_is_said(self, behaviour: EngineBehaviour) -> None:
        """An engine that was started with another secret."""
        with stub_engine(behaviour) as port:
            verdict = Engine(port, "m", "other", SystemClock()).canary(5.0, None)
        assert "HTTP 401" in verdict.reason


class TestWarmUp:
    def test_a_chat_model_is_asked_with_messages(self, behaviour: EngineBehaviour) -> None:
        """The way its clients ask, so that the chat template is warm as well."""
        with stub_engine(behaviour) as port:
            asks = Engine(port, "m", "hop", SystemClock(), chat=True)
            assert asks.warm_up(WARM_UP, LIMIT).ok
        assert [asked["messages"][0]["role"] for asked in behaviour.asked] == ["user"] * 3

    def test_says_how_long_the_first_token_took(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """Of the streamed prompt, which is what later starts are measured by."""
        behaviour.first_token_s = 0.05
        verdict = engine.warm_up(WARM_UP, LIMIT)
        assert verdict.ok
        assert verdict.first_token_s is not None
        assert 0.05 <= verdict.first_token_s < 1.0

    def test_a_late_first_token_fails_the_gate(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """After the allowed rounds the reason gives both numbers, and why so much is allowed."""
        behaviour.first_token_s = 0.05
        warmup = WarmUp("a", "b", "c", max_tokens=4, deadline_s=5.0, rounds=2)
        verdict = engine.warm_up(warmup, Limit(0.01, "r-old took 0.00 s"))
        assert not verdict.ok
        assert re.fullmatch(
            r"the first token took 0\.\d\d s, allowed are 0\.01 s \(r-old took 0\.00 s\)",
            verdict.reason,
        )
        assert len(behaviour.asked) == 6

    def test_a_stream_that_breaks_off_fails(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """A stream without its end is an engine that died."""
        behaviour.broken_stream = True
        assert engine.warm_up(WARM_UP, LIMIT).reason == (
            "the streamed warm-up prompt failed: the stream has no end"
        )

    def test_an_error_names_the_prompt(self, engine: Engine, behaviour: EngineBehaviour) -> None:
        """Which of the prompts it was, and the answer's own words."""
        behaviour.status = 400
        assert engine.warm_up(WARM_UP, LIMIT).reason.startswith(
            "the short warm-up prompt failed: HTTP 400"
        )

    @pytest.mark.parametrize(
        ("broken", "reason"),
        [
            ({"text": "!" * 16}, "nothing but 16 times '!'"),
            ({"text": ""}, "4 tokens and no text"),
            ({"tokens": None}, "it does not say how many tokens it made"),
            ({"ending": "abort"}, "it ended with abort"),
        ],
    )
    def test_nonsense_is_no_answer(
        self, engine: Engine, behaviour: EngineBehaviour, broken: dict[str, object], reason: str
    ) -> None:
        """It loads, it says 200, and what it says can't come from a model that works."""
        for name, value in broken.items():
            setattr(behaviour, name, value)
        verdict = engine.warm_up(WARM_UP, LIMIT)
        assert not verdict.ok
        assert verdict.reason == f"the short warm-up prompt failed: {reason}"

    def test_asks_for_some_tokens_at_least(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """A model that has nothing to say to a prompt is not a broken one."""
        assert engine.warm_up(WARM_UP, LIMIT).ok
        assert [asked["min_tokens"] for asked in behaviour.asked] == [4, 4, 4]
        assert behaviour.asked[2]["stream_options"] == {"include_usage": True}


class TestExpectation:
    WARM_UP = replace(WARM_UP, expect=Expectation("What is 2+2?", "(?i)4|four"))

    def test_the_known_answer_is_asked_for_whole_and_streamed(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """After the other prompts, with as many tokens as an answer needs."""
        behaviour.text = "It is Four."
        assert engine.warm_up(self.WARM_UP, LIMIT).ok
        whole, streamed = behaviour.asked[3:]
        assert [whole["stream"], streamed["stream"]] == [False, True]
        assert whole["prompt"].endswith("] What is 2+2?")
        assert (whole["max_tokens"], whole.get("min_tokens")) == (64, None)

    def test_another_answer_keeps_the_engine_out_of_traffic(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """Fluent and wrong: the reason shows what it said."""
        behaviour.text = "It is five."
        verdict = engine.warm_up(self.WARM_UP, LIMIT)
        assert not verdict.ok
        assert verdict.reason == (
            "the question 'What is 2+2?' failed: 'It is five.' does not match '(?i)4|four'"
        )


def test_metrics_come_from_the_engine(engine: Engine, behaviour: EngineBehaviour) -> None:
    """vLLM 0.32's own names, as an engine sends them."""
    behaviour.served = {"answered": 12.0, "first_tokens": 11.0, "first_tokens_s": 2.5}
    served = Served(answered=12.0, first_tokens=11.0, first_tokens_s=2.5)
    expected = Metrics(running=2, waiting=1, kv_usage=0.25, steps=0, served=served)
    assert engine.metrics() == expected
