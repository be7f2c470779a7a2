"""The front, as real nginx runs it."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from provision.agent.cloud import Cloud
from provision.agent.keys import KeyRing
from provision.agent.out import Out
from provision.agent.server import in_background, key_server, stop_listening
from provision.config.environment import EngineSettings, FrontSettings
from provision.config.timeouts import chain
from provision.planning.keys import Keys, add
from provision.render.front import OPEN_PATHS, Spill, nginx_config
from tests.render.stubs import ANNA, BERT, HOP, Engine, Front, places, running_front, wait_until


@pytest.fixture(scope="module")
def shared() -> Iterator[Front]:
    with running_front(FrontSettings(max_body_kib=4)) as front:
        yield front


@pytest.fixture
def front(shared: Front) -> Front:
    """The module's nginx, with an engine that has seen nothing and answers normally."""
    shared.engine.seen.clear()
    shared.agent.asked.clear()
    shared.engine.script.status = 200
    shared.engine.script.headers = {}
    return shared


class TestKeys:
    def test_a_good_key_is_replaced_by_the_hop_secret(self, front: Front) -> None:
        """The engine gets the hop secret, once, and never the client's key."""
        answer = front.ask()

        assert (answer.status_code, answer.json()) == (200, {"status": 200})
        [seen] = front.engine.seen
        assert seen.headers["authorization"] == f"Bearer {HOP}"
        assert ANNA not in str(seen)

    @pytest.mark.parametrize("key", [None, "sk-other", "sk-fleet-" + "x" * 43, "sk-fleet-é"])
    def test_anything_else_is_refused_before_the_engine(self, front: Front, key: str) -> None:
        """A missing, foreign or unknown key gets 401 in OpenAI's shape."""
        headers = [] if key is None else [(b"Authorization", f"Bearer {key}".encode())]
        answer = front.client.post("/v1/chat/completions", json={}, headers=headers)

        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"] == 'Bearer realm="llm-fleet"'
        assert front.engine.seen == []

    def test_what_does_not_look_like_a_key_never_reaches_the_agent(self, front: Front) -> None:
        """Guesses cost a regular expression, not a question to the agent."""
        front.ask("guess")
        front.ask(None)

        assert front.agent.asked == []

    def test_a_key_is_asked_about_once_while_remembered(self, front: Front) -> None:
        """The hot path asks nobody."""
        for _ in range(20):
            assert front.ask(BERT).status_code == 200

        assert len(front.agent.asked) <= 1

    def test_a_probe_needs_a_key_too(self, front: Front) -> None:
        """The probe header routes, it never authenticates."""
        assert front.ask(None, **{"x-llm-probe": "1"}).status_code == 401
        assert front.ask(ANNA, **{"x-llm-probe": "1"}).status_code == 200

    def test_a_revoked_key_is_refused_when_it_is_forgotten(self) -> None:
        """Without any reload: the agent's no takes over when the remembered yes ends."""
        with running_front(key_seconds=1) as front:
            assert front.ask().status_code == 200
            del front.agent.names[ANNA]
            wait_until(lambda: front.ask().status_code == 401, timeout_s=5)

    def test_keys_in_use_stay_good_while_the_agent_restarts(self) -> None:
        """A known key outlives the agent; an unknown one gets 503, not a wrong 401."""
        with running_front(key_seconds=1) as front:
            assert front.ask().status_code == 200
            asked = len(front.agent.asked)
            wait_until(lambda: front.ask().is_success and len(front.agent.asked) > asked)
            front.agent.stop()

            for _ in range(3):
                assert front.ask().status_code == 200
            unknown = front.ask(BERT)

            assert unknown.status_code == 503
            assert unknown.json()["error"]["code"] == "key_check_failed"
            assert unknown.headers["retry-after"] == "5"

    def test_the_host_program_answers_the_front(self, tmp_path: Path) -> None:
        """Its own key server, on the document that ``fab keys`` writes."""
        ring = KeyRing(tmp_path / "keys.json")
        document = add(Keys({}), "search", ANNA, now=datetime.now(UTC)).to_json()

        with running_front() as front:
            front.agent.stop()
            server = key_server(ring, lambda: 0.0, front.scratch / "agent.sock")
            in_background(server)
            early = front.ask()
            ring.sync(Secrets(document), "client-keys", 0.0)
            good, bad = front.ask(), front.ask(BERT)
            stop_listening(server)

            assert early.json()["error"]["code"] == "key_check_failed"
            assert (good.status_code, bad.status_code) == (200, 401)
            wait_until(lambda: len(front.log()) == 3)
            assert [line["key"] for line in front.log()] == ["", "search", ""]


class TestPaths:
    @pytest.mark.parametrize("path", OPEN_PATHS)
    def test_serving_paths_are_open(self, front: Front, path: str) -> None:
        """Each reaches the engine under its own name, query included."""
        answer = front.client.get(f"{path}?a=b", headers={"Authorization": f"Bearer {ANNA}"})

        assert answer.status_code == 200
        assert [seen.path for seen in front.engine.seen] == [f"{path}?a=b"]

    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/health",
            "/metrics",
            "/version",
            "/tokenize",
            "/invocations",
            "/v1/embeddings",
            "/v1/responses",
            "/v1/models/",
            "/v1/load_lora_adapter",
            "/internal/key",
            "/v1/models/../../metrics",
            "/v1/chat/completions/../../../invocations",
            "/V1/models",
        ],
    )
    def test_everything_else_is_not_there(self, front: Front, path: str) -> None:
        """Even with a key: 404 from the front, and the engine hears nothing."""
        answer = _raw(front, f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {ANNA}\r\n")

        assert answer.startswith("HTTP/1.1 404 ")
        assert '"code": "unknown_url"' in answer
        assert front.engine.seen == []

    def test_only_the_plain_spelling_reaches_the_engine(self, front: Front) -> None:
        """A path written another way arrives as the path that was allowed."""
        answer = _raw(front, f"GET /x/..//v1/%6dodels HTTP/1.1\r\nAuthorization: Bearer {ANNA}\r\n")

        assert answer.startswith("HTTP/1.1 200 ")
        assert [seen.path for seen in front.engine.seen] == ["/v1/models"]


class TestHeaders:
    def test_every_answer_says_its_tier_and_id(self, front: Front) -> None:
        """Also errors of the front and of the engine, once each."""
        answers = [front.ask(), front.ask(None), front.client.get("/nowhere")]
        front.engine.script.status = 503
        answers.append(front.ask())

        assert [answer.status_code for answer in answers] == [200, 401, 404, 503]
        for answer in answers:
            assert answer.headers.get_list("x-llm-tier") == ["primary"]
            assert len(answer.headers["x-request-id"]) == 32

    def test_a_request_that_is_no_http_gets_the_same_shape(self, front: Front) -> None:
        """Even when nginx gives up on the request line's headers."""
        answer = _raw(front, "GET / HTTP/1.1\r\nContent-Length: nonsense\r\n")

        assert answer.startswith("HTTP/1.1 400 ")
        assert "x-llm-tier: primary" in answer
        assert '"code": "bad_request"' in answer

    @pytest.mark.parametrize(
        ("given", "kept"),
        [("order-66.a_b", True), ("x" * 129, False), ("two words", False), ('a"b', False)],
    )
    def test_a_plain_request_id_is_kept(self, front: Front, given: str, kept: bool) -> None:
        """One that could break a log line is replaced."""
        answer = front.ask(**{"x-request-id": given})

        assert (answer.headers["x-request-id"] == given) is kept
        assert front.engine.seen[0].headers["x-request-id"] == answer.headers["x-request-id"]

    def test_the_engine_does_not_speak_for_the_front(self, front: Front) -> None:
        """Its own tier and id headers are dropped."""
        front.engine.script.headers = {"x-llm-tier": "gateway", "x-request-id": "other"}
        answer = front.ask()

        assert answer.headers.get_list("x-llm-tier") == ["primary"]
        assert answer.headers.get_list("x-request-id") != ["other"]

    def test_a_full_engine_is_passed_on_with_a_time_to_come_back(self, front: Front) -> None:
        """vLLM's 503 has no Retry-After; the front adds it and changes nothing else."""
        front.engine.script.status = 503
        for _ in range(5):
            answer = front.ask()
            assert (answer.status_code, answer.json()) == (503, {"status": 503})
            assert answer.headers["retry-after"] == "5"
        front.engine.script.status = 200

        assert front.ask().status_code == 200  # full was not counted as broken

    def test_connections_to_the_engine_are_kept(self, front: Front) -> None:
        """Requests one after the other share connections: at most one a worker."""
        for _ in range(20):
            front.ask()

        assert len({seen.connection for seen in front.engine.seen}) <= 2


class TestBodies:
    def test_a_body_up_to_the_limit_arrives_whole(self, front: Front) -> None:
        """Four KiB were allowed."""
        body = b'{"a": "' + b"x" * 4000 + b'"}'
        answer = front.client.post(
            "/v1/completions", content=body, headers={"Authorization": f"Bearer {ANNA}"}
        )

        assert answer.status_code == 200
        assert front.engine.seen[0].body == body

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_larger_body_is_refused(self, front: Front, chunked: bool) -> None:
        """By its declared length or by what arrives, in OpenAI's shape."""
        body = iter([b"x" * 5000]) if chunked else b"x" * 5000
        answer = front.client.post(
            "/v1/completions", content=body, headers={"Authorization": f"Bearer {ANNA}"}
        )

        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "request_too_large"
        assert answer.headers["x-llm-tier"] == "primary"
        assert front.engine.seen == []


class TestStreams:
    def test_chunks_leave_one_by_one(self, front: Front) -> None:
        """Each event arrives before the engine makes the next one."""
        engine = front.engine
        with front.client.stream(
            "POST",
            "/v1/chat/completions",
            json={"stream": True},
            headers={"Authorization": f"Bearer {ANNA}"},
        ) as answer:
            events = answer.iter_raw()
            received = []
            for _ in range(engine.script.chunks):
                received.append(next(events))
                engine.script.go.release()

            assert answer.headers["content-type"] == "text/event-stream"
            assert received == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]
            assert list(events) == []


class TestLimits:
    def test_a_key_that_asks_too_often_gets_429(self) -> None:
        """A minute's worth at once, then 429; other keys are not touched."""
        with running_front(FrontSettings(requests_per_minute_per_key=3)) as front:
            statuses = [front.ask().status_code for _ in range(6)]
            refused = front.ask()

            assert statuses == [200, 200, 200, 200, 429, 429]
            assert refused.json()["error"]["code"] == "rate_limit_exceeded"
            assert refused.headers["retry-after"] == "5"
            assert front.ask(BERT).status_code == 200

    def test_an_engine_that_is_gone_or_silent_is_told_apart(self) -> None:
        """502 when nobody listens, 504 when the answer takes longer than any may."""
        with running_front(read_timeout_s=1) as front:
            front.engine.script.hold.clear()
            silent = front.ask()
            front.engine.script.hold.set()
            front.engine.stop()
            gone = front.ask()

            assert (silent.status_code, silent.json()["error"]["code"]) == (504, "engine_timeout")
            assert (gone.status_code, gone.json()["error"]["code"]) == (502, "engine_unreachable")


class TestSeveralEngines:
    """One engine after the other is left out, while the host stays in the load balancer."""

    @pytest.fixture
    def two(self) -> Iterator[Front]:
        with running_front(replicas=2) as front:
            yield front

    def served(self, front: Front, questions: int = 20) -> list[int]:
        """How many of so many questions each engine gets."""
        for engine in front.engines:
            engine.seen.clear()
        assert {front.ask().status_code for _ in range(questions)} == {200}
        return [len(engine.seen) for engine in front.engines]

    def leave_out(self, front: Front, *indexes: int) -> None:
        Out(front.out).update(lambda _: indexes)

    def test_who_is_out_gets_nothing_new_at_once(self, two: Front) -> None:
        """With the very next request, both ways, and the agent is not asked."""
        assert min(self.served(two)) > 0
        asked = len(two.agent.asked)
        for index in (0, 1):
            self.leave_out(two, index)
            expected = [20, 20]
            expected[index] = 0
            assert self.served(two) == expected
            self.leave_out(two)
            assert min(self.served(two)) > 0
        assert len(two.agent.asked) == asked

    def test_the_query_and_the_plain_spelling_arrive(self, two: Front) -> None:
        """As before a single engine."""
        _raw(two, f"GET /x/..//v1/%6dodels?a=b%20c HTTP/1.1\r\nAuthorization: Bearer {ANNA}\r\n")
        self.leave_out(two, 0)
        _raw(two, f"GET /v1/models HTTP/1.1\r\nAuthorization: Bearer {ANNA}\r\n")
        paths = [seen.path for engine in two.engines for seen in engine.seen]
        assert paths == ["/v1/models?a=b%20c", "/v1/models"]

    def test_what_runs_there_goes_on(self, two: Front) -> None:
        """A stream that began before its engine was left out comes to its end."""
        self.leave_out(two, 1)
        headers = {"Authorization": f"Bearer {ANNA}"}
        path = "/v1/chat/completions"
        with two.client.stream("POST", path, json={"stream": True}, headers=headers) as answer:
            events = answer.iter_raw()
            received = [next(events)]
            self.leave_out(two, 0)
            assert two.ask().status_code == 200
            for _ in range(two.engine.script.chunks):
                two.engine.script.go.release()
            received += list(events)
        assert b"".join(received) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert len(two.engines[1].seen) == 1

    def test_with_all_of_them_out_somebody_is_asked_all_the_same(self, two: Front) -> None:
        """The host has left the load balancer then; whoever still comes gets what there is."""
        self.leave_out(two, 0, 1)
        assert min(self.served(two)) > 0

    def test_one_that_is_gone_before_anybody_noticed_costs_no_answer(self, two: Front) -> None:
        """Refused is not taken: the other one gets the request."""
        two.engines[0].stop()
        assert self.served(two) == [0, 20]
        two.engines[0] = Engine(two.engines[0].port)
        assert min(self.served(two)) > 0

    def test_of_eight_any_two_may_be_out(self) -> None:
        """One on purpose, and one that hangs."""
        with running_front(replicas=8) as front:
            self.leave_out(front, 2, 7)
            counts = self.served(front, 60)
            assert [index for index, count in enumerate(counts) if count == 0] == [2, 7]

    def test_engines_are_changed_one_by_one_and_no_request_is_lost(self, two: Front) -> None:
        """Left out, emptied, stopped, started anew, back: under load, whole and streamed."""
        with asking(two, clients=6) as came:
            for index in (0, 1):
                self.leave_out(two, index)
                wait_until(lambda one=two.engines[index]: one.running == 0)  # type: ignore[misc]
                two.engines[index].cut()  # and the front's kept connections with it
                before = len(came)
                wait_until(lambda least=before + 60: len(came) >= least)  # type: ignore[misc]
                two.engines[index] = _quick(Engine(two.engines[index].port))
                self.leave_out(two)
                wait_until(lambda one=two.engines[index]: len(one.seen) > 10)  # type: ignore[misc]
        assert len(came) > 120
        assert [problem for problem in came if problem] == []

    def test_without_leaving_out_some_would_be_lost(self, two: Front) -> None:
        """Or the test above would prove nothing: a stop in the middle cuts answers."""
        with asking(two, clients=6) as came:
            wait_until(lambda: two.engines[0].running > 0)
            two.engines[0].cut()
            wait_until(lambda: any(came))
        assert any(came)


@contextmanager
def asking(front: Front, *, clients: int) -> Iterator[list[str]]:
    """Clients that ask without a pause while the block runs; what was wrong with each answer."""
    came: list[str] = []
    ended = threading.Event()
    for engine in front.engines:
        _quick(engine)

    def go_on() -> None:
        headers = {"Authorization": f"Bearer {ANNA}"}
        base = f"http://127.0.0.1:{front.port}"
        with httpx.Client(base_url=base, trust_env=False, timeout=10, headers=headers) as http:
            stream = False
            while not ended.is_set():
                stream = not stream
                came.append(_problem(http, stream=stream))

    threads = [threading.Thread(target=go_on) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield came
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _problem(http: httpx.Client, *, stream: bool) -> str:
    try:
        answer = http.post("/v1/chat/completions", json={"model": "m", "stream": stream})
    except httpx.HTTPError as error:
        return repr(error)
    if answer.status_code != 200:
        return f"HTTP {answer.status_code}: {answer.text}"
    whole = answer.text.endswith("data: 2\n\n") if stream else answer.json() == {"status": 200}
    return "" if whole else f"cut: {answer.text}"


def _quick(engine: Engine) -> Engine:
    """An answer takes as long as it takes to send it, and 20 ms."""
    engine.script.pause_s = 0.02
    return engine


def test_the_log_names_the_key_and_never_shows_it(front: Front) -> None:
    """One JSON line a request, with times; neither key nor query is in it."""
    before = len(front.log())
    front.client.get("/v1/models?secret=1", headers={"Authorization": f"Bearer {ANNA}"})
    front.ask(None)
    wait_until(lambda: len(front.log()) == before + 2)
    good, bad = front.log()[before:]

    assert {key: good[key] for key in ("tier", "key", "path", "status", "engine_status")} == {
        "tier": "primary",
        "key": "anna",
        "path": "/v1/models",
        "status": 200,
        "engine_status": "200",
    }
    assert good["seconds"] >= 0
    assert float(good["first_byte_seconds"]) >= 0
    assert (bad["key"], bad["status"], bad["engine"]) == ("", 401, "")
    whole = (front.scratch / "access.log").read_text()
    assert ANNA not in whole
    assert "secret" not in whole


@pytest.mark.parametrize("spill", [None, Spill("gateway.llm-fleet-prod.internal:8000")])
def test_several_replicas_and_all_limits_pass_nginx_itself(
    tmp_path: Path, spill: Spill | None
) -> None:
    """``nginx -t`` accepts eight replicas and the largest settings that a file may hold.

    Each choice of engines that are out has its group, for any of the eight may be.
    """
    text = nginx_config(
        FrontSettings(max_body_kib=102_400, requests_per_minute_per_key=1_000_000),
        engines=[f"198.18.97.{10 + index}:8000" for index in range(8)],
        chain=chain(EngineSettings(longest_generation_s=3570)),
        places=places(tmp_path, 8000),
        spill=spill,
    )
    (tmp_path / "hop.conf").write_text("")
    (tmp_path / "nginx.conf").write_text(text)
    done = subprocess.run(
        ["nginx", "-t", "-e", "/dev/stderr", "-c", str(tmp_path / "nginx.conf")],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
    assert text.count("upstream engines") == 2**8


class Secrets(Cloud):
    """Secrets Manager with one secret."""

    def __init__(self, text: str) -> None:
        self._text = text

    def secret(self, name: str) -> str | None:
        return self._text


def _raw(front: Front, head: str) -> str:
    """The whole answer to a request that no HTTP library would write."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as connection:
        connection.sendall(f"{head}Host: front\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
