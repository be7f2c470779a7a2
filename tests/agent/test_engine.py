"""An engine's HTTP face, as it behaves when it is well, slow, full, hung or gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from provision.agent.engine import Engine, Metrics, parse_metrics, stream_is_whole
from provision.agent.settings import WarmUp
from provision.agent.system import SystemClock
from tests.agent.fakes import EngineBehaviour, stub_engine

WARM_UP = WarmUp("short", "long", "streamed", max_tokens=4, max_ttft_s=5.0, deadline_s=5.0)


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
        assert verdict.ok
        assert verdict.reason.startswith("slow")

    @pytest.mark.parametrize(
        ("status", "ok"), [(429, True), (503, True), (500, False), (401, False)]
    )
    def test_full_is_alive_and_an_error_is_not(
        self, engine: Engine, behaviour: EngineBehaviour, status: int, ok: bool
    ) -> None:
        """429 and 503 come from a full queue; anything else is trouble."""
        behaviour.status = status
        assert engine.canary(5.0, None).ok is ok

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
            assert Engine(port, "m", "hop", SystemClock(), chat=True).warm_up(WARM_UP).ok
        assert [asked["messages"][0]["role"] for asked in behaviour.asked] == ["user"] * 3

    def test_a_late_first_token_fails_the_gate(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """After the allowed rounds the reason gives both numbers."""
        strict = WarmUp("a", "b", "c", max_ttft_s=0.0, deadline_s=5.0, rounds=2)
        verdict = engine.warm_up(strict)
        assert not verdict.ok
        assert verdict.reason.endswith("allowed are 0.00 s")
        assert len(behaviour.asked) == 6

    def test_a_stream_that_breaks_off_fails(
        self, engine: Engine, behaviour: EngineBehaviour
    ) -> None:
        """A stream without its end is an engine that died."""
        behaviour.broken_stream = True
        assert "streamed warm-up prompt failed" in engine.warm_up(WARM_UP).reason

    def test_an_error_names_the_prompt(self, engine: Engine, behaviour: EngineBehaviour) -> None:
        """Which of the prompts it was, and the answer's own words."""
        behaviour.status = 400
        assert engine.warm_up(WARM_UP).reason.startswith(
            "the short warm-up prompt failed (HTTP 400"
        )


class TestMetrics:
    def test_of_the_real_names(self, engine: Engine) -> None:
        """vLLM 0.32's own gauges."""
        assert engine.metrics() == Metrics(running=2, waiting=1, kv_usage=0.25, steps=0)

    def test_several_cores_are_added(self) -> None:
        """Data parallel engines report once each."""
        text = (
            'vllm:num_requests_running{engine="0"} 2\nvllm:num_requests_running{engine="1"} 3.0\n'
        )
        assert parse_metrics(text).running == 5

    def test_unknown_is_none(self) -> None:
        """An engine that says nothing is not an idle engine."""
        assert parse_metrics("") == Metrics()


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('data: {"choices":[]}\n\ndata: [DONE]\n\n', True),
        ('data: {"choices":[]}\n\n', False),
        ('data: {"error":{"message":"EngineCore"}}\n\ndata: [DONE]\n\n', False),
        ("", False),
    ],
)
def test_a_whole_stream_ends_by_itself_and_holds_no_error(text: str, whole: bool) -> None:
    """A dead worker sends its error under HTTP 200, and [DONE] after it."""
    assert stream_is_whole(text) is whole
