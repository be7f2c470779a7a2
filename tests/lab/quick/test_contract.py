"""What the quick engine shares with vLLM 0.32: ports, signals, answers, numbers.

`make soak` holds vLLM itself to the same, so that the stand-in is a stand-in.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from provision.agent import engine_log
from tests.lab.quick.running import NAME, QUICK, REAL, Kind, Running, eventually, question

pytestmark = pytest.mark.enable_socket
WORK = 200  # tokens of a request that is under way for a while
MUCH = 1900  # and of one that takes several seconds on any machine


@pytest.fixture(
    scope="module", params=[QUICK, pytest.param(REAL, marks=pytest.mark.soak)], ids=lambda k: k.name
)
def kind(request: pytest.FixtureRequest) -> Kind:
    """The engine that is held to it."""
    found: Kind = request.param
    return found


@pytest.fixture(scope="module")
def engine(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that stays for the tests that only ask."""
    with kind.started(tmp_path_factory.mktemp("engine")) as running:
        yield running


class TestAnswers:
    def test_a_whole_answer(self, engine: Running) -> None:
        """As many tokens as were asked for, and why it ended."""
        answer = engine.ask(max_tokens=5)

        assert answer.status_code == 200
        said = answer.json()
        assert said["model"] == NAME
        assert said["object"] == "chat.completion"
        (choice,) = said["choices"]
        assert choice["message"]["role"] == "assistant"
        assert isinstance(choice["message"]["content"], str)
        assert choice["finish_reason"] == "length"
        usage = said["usage"]
        assert usage["completion_tokens"] == 5
        assert usage["total_tokens"] == usage["prompt_tokens"] + 5

    def test_a_stream(self, engine: Running) -> None:
        """A role, then the tokens, an end with its reason, the bill for who asks, [DONE]."""
        *events, done = engine.stream(max_tokens=6, stream_options={"include_usage": True})

        assert done == "[DONE]"
        assert {event["object"] for event in events} == {"chat.completion.chunk"}
        assert events[0]["choices"][0]["delta"]["role"] == "assistant"
        ends = [c["finish_reason"] for event in events for c in event["choices"]]
        assert [end for end in ends if end] == ["length"]
        assert events[-1]["choices"] == []
        assert events[-1]["usage"]["completion_tokens"] == 6

    def test_tokens_come_one_by_one(self, engine: Running) -> None:
        """The first long before the last."""
        begun = time.monotonic()
        events = engine.events(max_tokens=WORK)
        next(events), next(events)
        first = time.monotonic() - begun
        assert list(events)[-1] == "[DONE]"
        assert first < (time.monotonic() - begun) / 3

    def test_a_plain_completion(self, engine: Running) -> None:
        """The other way to ask, whole and streamed."""
        body = {"model": NAME, "prompt": "Hello", "max_tokens": 3, "ignore_eos": True}
        said = engine.http.post("/v1/completions", json=body).json()
        streamed = engine.http.post("/v1/completions", json={**body, "stream": True}).text

        assert isinstance(said["choices"][0]["text"], str)
        assert said["choices"][0]["finish_reason"] == "length"
        assert said["usage"]["completion_tokens"] == 3
        assert streamed.endswith("data: [DONE]\n\n")

    def test_models(self, engine: Running) -> None:
        """Under the served name."""
        said = engine.http.get("/v1/models").json()

        assert [one["id"] for one in said["data"]] == [NAME]
        assert said["data"][0]["max_model_len"] == 2048


class TestRefusals:
    def test_without_the_key(self, engine: Running) -> None:
        """401 under /v1, and nowhere else."""
        wrong = {"Authorization": "Bearer other"}
        answer = engine.http.post("/v1/chat/completions", json=question(), headers=wrong)

        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})
        for path in ("/health", "/metrics", "/version"):
            assert engine.http.get(path, headers=wrong).status_code == 200

    @pytest.mark.parametrize(
        ("more", "status", "words"),
        [
            ({"model": "nope"}, 404, "`nope` does not exist"),
            ({"max_tokens": 5000}, 400, "cannot be greater than max_model_len"),
            ({"messages": [{"role": "user", "content": "x y " * 9000}]}, 400, "context length"),
            ({"messages": None}, 400, ""),
        ],
    )
    def test_bad_requests(
        self, engine: Running, more: dict[str, Any], status: int, words: str
    ) -> None:
        """400 or 404 in OpenAI's shape, never 422."""
        answer = engine.ask(**more)

        assert answer.status_code == status
        error = answer.json()["error"]
        assert error["code"] == status
        assert words in error["message"]

    def test_paths_and_methods(self, engine: Running) -> None:
        """404 and 405."""
        assert engine.http.get("/v1/nowhere").status_code == 404
        assert engine.http.get("/v1/chat/completions").status_code == 405


class TestNumbers:
    def test_the_ones_that_the_host_program_reads(self, engine: Running) -> None:
        """Gauges when idle, and a step counter that moves with every token."""
        eventually(lambda: engine.metric("vllm:num_requests_running") == 0)
        before = engine.metric("vllm:iteration_tokens_total_count")
        engine.ask(max_tokens=8)
        eventually(lambda: engine.metric("vllm:iteration_tokens_total_count") >= before + 8)

        assert engine.metric("vllm:num_requests_waiting") == 0
        assert engine.metric("vllm:kv_cache_usage_perc") == 0

    def test_one_that_runs_is_counted(self, engine: Running) -> None:
        """While it runs, and not after."""
        events = engine.events(max_tokens=WORK)
        next(events), next(events)
        eventually(lambda: engine.metric("vllm:num_requests_running") == 1)
        list(events)
        eventually(lambda: engine.metric("vllm:num_requests_running") == 0)

    def test_what_was_answered_is_counted(self, engine: Running) -> None:
        """First tokens with their seconds, how answers ended, statuses by hundreds."""

        def numbers() -> dict[str, float]:
            names = (
                "vllm:time_to_first_token_seconds_count",
                "vllm:time_to_first_token_seconds_sum",
                "vllm:request_success_total",
                "vllm:generation_tokens_total",
                "http_requests_total",
            )
            return {name.partition(":")[2] or name: engine.metric(name) for name in names}

        engine.ask(max_tokens=1)
        engine.ask(model="nope")  # a counter appears with the first that it counts
        eventually(lambda: engine.metric("vllm:num_requests_running") == 0)
        before = numbers()
        engine.ask(max_tokens=4)
        engine.ask(model="nope")
        eventually(lambda: numbers()["request_success_total"] > before["request_success_total"])
        after = numbers()

        gained = {name: after[name] - before[name] for name in before}
        assert gained.pop("time_to_first_token_seconds_sum") > 0
        assert gained == {
            "time_to_first_token_seconds_count": 1,
            "request_success_total": 1,
            "generation_tokens_total": 4,
            "http_requests_total": 2,
        }
        text = engine.http.get("/metrics").text
        counted = [line for line in text.splitlines() if line.startswith("http_requests_total{")]
        path = 'handler="/v1/chat/completions",method="POST"'
        assert any(f'{path},status="2xx"' in line for line in counted)
        assert any(f'{path},status="4xx"' in line for line in counted)

    def test_a_client_that_hangs_up_frees_its_place(self, engine: Running) -> None:
        """Nobody generates for nobody."""
        with engine.http.stream(
            "POST", "/v1/chat/completions", json=question(stream=True, max_tokens=MUCH)
        ) as answer:
            next(answer.iter_lines())
            eventually(lambda: engine.metric("vllm:num_requests_running") == 1)
        eventually(lambda: engine.metric("vllm:num_requests_running") == 0, seconds=3)


class TestHang:
    def test_a_frozen_core_is_not_seen_by_health(self, engine: Running) -> None:
        """200 everywhere, numbers that stand still, an answer that never comes; then it goes on."""
        eventually(lambda: engine.metric("vllm:num_requests_running") == 0)
        engine.signal_core(signal.SIGSTOP)
        try:
            steps = engine.metric("vllm:iteration_tokens_total_count")
            with pytest.raises(httpx.ReadTimeout):
                engine.http.post("/v1/chat/completions", json=question(), timeout=1.5)
            body = question(stream=True)
            with engine.http.stream(
                "POST", "/v1/chat/completions", json=body, timeout=1.5
            ) as answer:
                assert answer.status_code == 200  # at once; the first event needs a token
                with pytest.raises(httpx.ReadTimeout):
                    next(answer.iter_lines())
            assert engine.health() == 200
            assert engine.http.get("/v1/models").status_code == 200
            assert engine.metric("vllm:iteration_tokens_total_count") == steps
            assert engine.metric("vllm:num_requests_running") == 0
        finally:
            engine.signal_core(signal.SIGCONT)
        assert engine.ask().status_code == 200


class TestLoading:
    def test_the_port_is_closed_and_sigterm_is_swallowed(self, kind: Kind, tmp_path: Path) -> None:
        """Refused, never 503; asked to end while it loads it does not.

        vLLM either serves all the same or stays where it is for good; the quick one serves.
        """
        with kind.loading(tmp_path, variables={"QUICK_LOAD_S": "1.5"}) as engine:
            time.sleep(20 if kind.real else 0.7)
            with pytest.raises(httpx.ConnectError):
                engine.http.get("/health")
            engine.process.send_signal(signal.SIGTERM)
            if kind.real:
                time.sleep(20)
                assert engine.process.poll() is None
            else:
                engine.wait_ready(kind.start_s)
                assert engine.ask().status_code == 200

    def test_its_log_tells_the_parts_of_the_start(self, engine: Running) -> None:
        """In the words that the host program looks for."""
        said = engine_log.parse(engine.log.read_text().splitlines())

        assert said.kv_cache_tokens
        assert said.load_s is not None
        assert said.init_s is not None


class TestEnd:
    def test_with_a_timeout_what_runs_ends_well(self, kind: Kind, tmp_path: Path) -> None:
        """Answers under way are whole; new ones get 500; /health says 200 to the end."""
        seconds = "30" if kind.real else "5"
        tokens = MUCH if kind.real else WORK
        with kind.started(tmp_path, "--shutdown-timeout", seconds) as engine:
            with _under_way(engine, tokens) as (streamed, whole):
                engine.process.send_signal(signal.SIGTERM)
                eventually(lambda: engine.ask(max_tokens=1).status_code == 500)
                assert engine.health() == 200
                assert streamed.result(60)[-1] == "[DONE]"
                assert whole.result(60).json()["choices"][0]["finish_reason"] == "length"
                assert whole.result().json()["usage"]["completion_tokens"] == tokens
            assert engine.process.wait(40) == 0

    def test_with_too_short_a_timeout_it_hangs(self, kind: Kind, tmp_path: Path) -> None:
        """No error and no end: clients wait until they leave or somebody kills the engine."""
        with kind.started(tmp_path, "--shutdown-timeout", "1") as engine:
            with _under_way(engine, MUCH) as (streamed, whole):
                engine.process.send_signal(signal.SIGTERM)
                time.sleep(8 if kind.real else 3)
                assert not streamed.done()
                assert not whole.done()
                assert engine.process.poll() is None
                engine.process.kill()
            assert isinstance(streamed.exception(), httpx.TransportError)
            assert isinstance(whole.exception(), httpx.TransportError)


class TestDeath:
    def test_of_the_core(self, kind: Kind, tmp_path: Path) -> None:
        """A stream hears of it, a whole answer is a 500, and the process ends by itself.

        Who asks between gets a 500 too, before the head of a stream, or nobody to ask.
        """
        with kind.started(tmp_path) as engine:
            with _under_way(engine, MUCH) as (streamed, whole):
                engine.signal_core(signal.SIGKILL)
                *_, error, done = streamed.result(20)
                assert done == "[DONE]"
                assert error["error"]["code"] == 500
                assert whole.result(20).status_code == 500
            with suppress(httpx.TransportError):
                assert engine.ask(stream=True).status_code == 500
            engine.process.wait(20)


class TestQueue:
    def test_a_full_queue_is_503(self, kind: Kind, tmp_path: Path) -> None:
        """One runs, one waits, and the others are refused without a time to come back."""
        limits = ("--max-num-seqs", "1", "--max-num-queued-reqs", "1")
        with kind.started(tmp_path, *limits) as engine, ThreadPoolExecutor(8) as pool:
            many = list(pool.map(lambda _: engine.ask(max_tokens=WORK), range(8)))
            refused = [one for one in many if one.status_code == 503]

            assert {one.status_code for one in many} == {200, 503}
            assert len(refused) >= 5
            assert "currently busy" in refused[0].json()["error"]["message"]
            assert "retry-after" not in refused[0].headers
            assert engine.metric("vllm:admission_rejections_total") == len(refused)


class TestKeepAlive:
    def test_an_idle_connection_is_closed(self, kind: Kind, tmp_path: Path) -> None:
        """After the seconds of its variable; one that is used goes on."""
        variables = {"VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "1"}
        with kind.started(tmp_path, variables=variables) as engine:
            with engine.http.stream("GET", "/health") as answer:
                answer.read()
                stream = answer.extensions["network_stream"]
                sock = stream.get_extra_info("socket")
            sock.settimeout(5)
            begun = time.monotonic()
            assert sock.recv(1) == b""
            assert 0.5 < time.monotonic() - begun < 3


class _UnderWay:
    """Two requests that run: one streamed, one whole."""

    def __init__(self, engine: Running, tokens: int) -> None:
        self._engine, self._tokens = engine, tokens
        self._pool = ThreadPoolExecutor(2)

    def __enter__(self) -> tuple[Future[list[Any]], Future[httpx.Response]]:
        begun = threading.Event()

        def stream() -> list[Any]:
            events = []
            for event in self._engine.events(max_tokens=self._tokens):
                events.append(event)
                begun.set()
            return events

        streamed = self._pool.submit(stream)
        whole = self._pool.submit(self._engine.ask, max_tokens=self._tokens)
        assert begun.wait(60)
        time.sleep(0.3)  # the other one is on its way
        return streamed, whole

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)


def _under_way(engine: Running, tokens: int) -> _UnderWay:
    return _UnderWay(engine, tokens)
