"""The front of a gateway's task: what holds on the fleet holds here, whatever the weights are."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from provision.config.environment import EngineSettings, FrontSettings
from provision.config.timeouts import chain
from provision.render.front import OPEN_PATHS, TASK_PLACES, Spill, gateway_config
from tests.render.stubs import ANNA, BERT, HOP, Front, running_front, running_task, wait_until

PATH = "/v1/chat/completions"
KEY = {"Authorization": f"Bearer {ANNA}"}
READINESS = "/health/readiness"


@pytest.fixture(scope="module")
def shared() -> Iterator[Front]:
    with running_task(FrontSettings(max_body_kib=4)) as front:
        yield front


@pytest.fixture
def task(shared: Front) -> Front:
    """The module's nginx, with a gateway that has seen nothing and answers well."""
    shared.engine.seen.clear()
    shared.engine.script.status = 200
    shared.engine.script.headers = {"x-llm-tier": "hosted"}
    return shared


def line_of(front: Front, id: str) -> dict[str, Any]:
    """The log's line of one request."""
    wait_until(lambda: any(line["id"] == id for line in front.log()))
    return next(line for line in front.log() if line["id"] == id)


class TestTiers:
    @pytest.mark.parametrize(
        ("status", "says", "tier"),
        [
            (200, {"x-llm-tier": "hosted"}, "hosted"),
            (200, {"x-llm-tier": "stale", "x-llm-stale-age": "9"}, "stale"),
            (503, {"x-llm-tier": "none", "Retry-After": "40000"}, "none"),
            (400, {"x-llm-tier": "none"}, "none"),
            (500, {}, "none"),
        ],
    )
    def test_the_gateway_says_who_answered(
        self, task: Front, status: int, says: dict[str, str], tier: str
    ) -> None:
        """Passed on once, with the age of an old answer and when there is money again."""
        task.engine.script.status, task.engine.script.headers = status, says
        answer = task.ask()

        assert (answer.status_code, answer.json()) == (status, {"status": status})
        assert answer.headers.get_list("x-llm-tier") == [tier]
        assert len(answer.headers.get_list("x-request-id")) == 1
        assert answer.headers.get("x-llm-stale-age") == says.get("x-llm-stale-age")
        assert answer.headers.get("Retry-After") == says.get("Retry-After")
        assert line_of(task, answer.headers["x-request-id"])["tier"] == tier

    def test_it_can_not_pass_for_the_fleet(self, task: Front) -> None:
        """A bake or a probe that asks for `primary` must never get it from here."""
        task.engine.script.headers = {"x-llm-tier": "primary"}
        assert task.ask().headers.get_list("x-llm-tier") == ["none"]

    def test_a_gateway_that_is_gone_has_no_tier(self) -> None:
        """502 when nobody listens, 504 when the answer takes longer than any may."""
        with running_task(read_timeout_s=1) as front:
            front.engine.script.hold.clear()
            silent = front.ask()
            front.engine.script.hold.set()
            front.engine.cut()
            gone = front.ask()
        assert (silent.status_code, silent.json()["error"]["code"]) == (504, "gateway_timeout")
        assert (gone.status_code, gone.json()["error"]["code"]) == (502, "gateway_unreachable")
        for answer in (silent, gone):
            assert answer.headers.get_list("x-llm-tier") == ["none"]

    def test_a_stream_leaves_token_by_token(self, task: Front) -> None:
        """Each event arrives before the gateway makes the next one."""
        with task.client.stream("POST", PATH, json={"stream": True}, headers=KEY) as answer:
            events = answer.iter_raw()
            received = [next(events)]
            for _ in range(2):
                task.engine.script.go.release()
                received.append(next(events))
        assert received == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]

    def test_the_log_has_tokens_and_why_a_host_passed_it_on(self, task: Front) -> None:
        """So that an answer which a host counts as well can be told from others."""
        says = {"x-llm-input-tokens": "12", "x-llm-output-tokens": "3"}
        task.engine.script.headers |= says
        spilled = task.ask(**{"x-llm-spill": "full"})
        task.engine.script.headers = {"x-llm-tier": "hosted", "x-llm-input-tokens": "many"}
        own = task.ask()

        line = line_of(task, spilled.headers["x-request-id"])
        assert (line["spill"], line["input_tokens"], line["output_tokens"]) == ("full", 12, 3)
        line = line_of(task, own.headers["x-request-id"])
        assert (line["spill"], line["input_tokens"], line["output_tokens"]) == ("", None, None)
        assert line["key"] == "anna"


class TestWhatHoldsAsOnAHost:
    def test_a_good_key_is_replaced_and_named(self, task: Front) -> None:
        """Whatever its client calls itself: priorities and kept answers go by that name."""
        task.ask(**{"x-key-name": "somebody-else"})
        [seen] = task.engine.seen
        assert seen.headers["authorization"] == f"Bearer {HOP}"
        assert seen.headers["x-key-name"] == "anna"
        assert ANNA not in str(seen)

    @pytest.mark.parametrize("key", [None, "sk-other", "sk-fleet-" + "x" * 43])
    def test_anything_else_is_refused(self, task: Front, key: str | None) -> None:
        """Before the gateway, and with the wish to stay local as well."""
        for header in ({}, {"x-llm-local-only": "1"}):
            answer = task.ask(key, **header)
            assert (answer.status_code, task.engine.seen) == (401, [])
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert answer.headers.get_list("x-llm-tier") == ["hosted"]

    @pytest.mark.parametrize("value", ["1", "true", "0"])
    @pytest.mark.parametrize("path", OPEN_PATHS)
    def test_what_must_not_leave_never_does(self, task: Front, value: str, path: str) -> None:
        """503, with a reason; the gateway does not even hear of it."""
        headers = {**KEY, "x-llm-local-only": value}
        answer = task.client.post(path, json={"model": "m"}, headers=headers)

        assert (answer.status_code, task.engine.seen) == (503, [])
        assert answer.json()["error"]["code"] == "local_only"
        assert answer.headers.get_list("x-llm-tier") == ["none"]
        assert answer.headers.get_list("Retry-After") == ["5"]
        assert line_of(task, answer.headers["x-request-id"])["tier"] == "none"

    @pytest.mark.parametrize(
        "path",
        [
            *("/", "/metrics", "/health", "/health/liveliness", "/health/readiness/", "/routes"),
            *("/v1/embeddings", "/key/generate", "/model/info", "/config/update", "/ui"),
            *("/spend/logs", "/openapi.json", "/chat/completions", "/v1/chat/completions/x"),
        ],
    )
    def test_other_paths_are_not_there(self, task: Front, path: str) -> None:
        """LiteLLM has hundreds."""
        for answer in (task.client.get(path, headers=KEY), task.client.post(path, headers=KEY)):
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
        assert task.engine.seen == []

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_large_body_is_refused(self, task: Front, chunked: bool) -> None:
        """By its declared length or by what arrives."""
        body = iter([b"x" * 5000]) if chunked else b"x" * 5000
        answer = task.client.post(PATH, content=body, headers=KEY)
        assert (answer.status_code, task.engine.seen) == (413, [])
        assert answer.json()["error"]["code"] == "request_too_large"
        assert len(answer.headers.get_list("x-llm-tier")) == 1

    def test_a_key_that_asks_too_often_gets_429(self) -> None:
        """Other keys are not touched."""
        with running_task(FrontSettings(requests_per_minute_per_key=3)) as front:
            statuses = [front.ask().status_code for _ in range(6)]
            refused, other = front.ask(), front.ask(BERT)
        assert statuses == [200, 200, 200, 200, 429, 429]
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert refused.headers.get_list("Retry-After") == ["5"]
        assert other.status_code == 200


class TestReadiness:
    def test_the_load_balancer_needs_no_key(self, task: Front) -> None:
        """It hears what the gateway says of itself, and the gateway hears no client's header."""
        task.engine.script.headers = {"x-llm-tier": "none"}
        for status in (200, 503):
            task.engine.script.status = status
            answer = task.client.get(READINESS)
            assert (answer.status_code, answer.json()) == (status, {"status": status})
            assert answer.headers.get_list("x-llm-tier") == ["none"]
        assert [seen.path for seen in task.engine.seen] == [READINESS] * 2

    def test_nobody_writes_it_down(self) -> None:
        """Neither while all is well nor while the gateway starts: it is asked every few seconds."""
        with running_task() as front:
            assert front.client.get(READINESS).status_code == 200
            front.engine.cut()
            for _ in range(3):
                assert front.client.get(READINESS).status_code == 503
            marked = front.ask().headers["x-request-id"]
            line_of(front, marked)
            assert [line["id"] for line in front.log()] == [marked]
            assert READINESS not in front.complaints


@contextmanager
def pair(settings: FrontSettings | None = None) -> Iterator[tuple[Front, Front]]:
    """A host's front, and the task's that it knows, which has *settings*."""
    with ExitStack() as stack:
        task = stack.enter_context(running_task(settings))
        spill = Spill(f"127.0.0.1:{task.port}")
        yield stack.enter_context(running_front(spill=spill)), task


class TestBehindAHost:
    """Two real fronts, one behind the other."""

    @pytest.fixture
    def both(self) -> Iterator[tuple[Front, Front]]:
        with pair() as found:
            yield found

    def test_a_request_is_passed_on_under_one_id(self, both: tuple[Front, Front]) -> None:
        """Each front with the secret of its own hop; both logs tell of it."""
        host, task = both
        host.engine.script.status = 503
        answer = host.ask()

        assert (answer.status_code, answer.headers.get_list("x-llm-tier")) == (200, ["hosted"])
        [id] = answer.headers.get_list("x-request-id")
        [seen] = task.engine.seen
        assert seen.headers["x-request-id"] == id
        assert seen.headers["x-key-name"] == "anna"
        assert ANNA not in str(seen) + str(host.engine.seen)
        assert line_of(host, id)["spill"] == line_of(task, id)["spill"] == "full"

    def test_the_gateways_no_is_the_answer(self, both: tuple[Front, Front]) -> None:
        """With a moment to come back in which the engine may have room, not with the day's end."""
        host, task = both
        host.engine.script.status = task.engine.script.status = 503
        task.engine.script.headers = {"x-llm-tier": "none", "Retry-After": "40000"}
        answer = host.ask()

        assert (answer.status_code, answer.json()) == (503, {"status": 503})
        assert answer.headers.get_list("x-llm-tier") == ["none"]
        assert answer.headers.get_list("Retry-After") == ["5"]

    def test_a_task_whose_gateway_is_gone_is_nobody(self, both: tuple[Front, Front]) -> None:
        """Its front's 502 is not the client's business."""
        host, task = both
        host.engine.script.status = 500
        task.engine.cut()
        answer = host.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "nobody_answers")
        assert answer.headers.get_list("x-llm-tier") == ["none"]

    def test_its_own_limit_holds_too(self) -> None:
        """Its 429 is passed on: that key has had what it may have."""
        with pair(FrontSettings(requests_per_minute_per_key=3)) as (host, _):
            host.engine.script.status = 500
            answers = [host.ask() for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429, 429]
        assert answers[-1].json()["error"]["code"] == "rate_limit_exceeded"
        assert answers[-1].headers.get_list("Retry-After") == ["5"]


def test_nginx_itself_takes_the_configuration_of_a_task(tmp_path: Path) -> None:
    """With the places of the container but for those that this machine does not have."""
    text = gateway_config(FrontSettings(), chain=chain(EngineSettings()))
    assert "listen 8000 " in text
    assert "/dev/shm/keys" in text
    assert "server 127.0.0.1:4000 " in text
    (tmp_path / "hop.conf").write_text("")
    text = text.replace(TASK_PLACES.hop, str(tmp_path / "hop.conf"))
    text = text.replace(f"{TASK_PLACES.scratch}/", f"{tmp_path}/")
    (tmp_path / "nginx.conf").write_text(text)
    done = subprocess.run(
        ["nginx", "-t", "-e", "/dev/stderr", "-c", str(tmp_path / "nginx.conf")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "warn" in done.stderr) == (0, False), done.stderr


def test_nothing_secret_is_in_a_configuration_and_it_fits_into_a_task_definition() -> None:
    """Which may have 64 KiB in all, beside the gateway's own document."""
    text = gateway_config(FrontSettings(), chain=chain(EngineSettings()))
    assert len(json.dumps(text)) < 24 * 1024
    assert "sk-" not in text.replace("sk-fleet-[", "")
