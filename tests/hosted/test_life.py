"""A gateway's life: without keys, with them, worn out, crashed, and told to go."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import gateway as litellm
from rehearsal.hosted_api import hosted_api
from tests.hosted.standing import KEY, Reply, Standing, chat, put_secret, standing

pytestmark = pytest.mark.lab

WORN_OUT_AFTER = 120  # soon reached, and not again before the end


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """A gateway whose providers' keys nobody has filled in yet."""
    litellm.ensure(print)
    folder = tmp_path_factory.mktemp("young")
    with (
        hosted_api("A") as a,
        hosted_api("B") as b,
        standing(
            *(folder, a, b),
            name="young",
            provider_keys=False,
            limits={"max_requests": WORN_OUT_AFTER},
        ) as found,
    ):
        yield found


def until(true: object, seconds: float, gateway: Standing) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, gateway.log[-8:]
        time.sleep(0.1)


def events(gateway: Standing, name: str) -> list[dict[str, object]]:
    return [event for event in gateway.log if event["event"] == name]


def asks_for_key(gateway: Standing, authorization: str) -> tuple[int, str | None]:
    """As the front's auth_request does it, over the unix socket."""
    connection = http.client.HTTPConnection("agent")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(gateway.folder / "run/agent.sock"))
    connection.request("GET", "/auth", headers={"Authorization": authorization})
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("x-key-name")


def test_without_keys_it_is_not_ready_and_says_which_secret(young: Standing) -> None:
    """Nobody hangs: everything is answered 503, with the name of what is missing."""
    said: list[Reply] = []

    def names_the_secret() -> bool:
        try:
            said.append(young.ask(None, path="/health/readiness"))
        except OSError:
            return False
        return "llm-fleet/young/openai-api-key" in said[-1].body.decode()

    until(names_the_secret, 60, young)
    assert said[-1].status == 503
    assert young.ask(chat()).code == "not_ready"


def test_a_key_that_arrives_makes_it_ready(young: Standing) -> None:
    """One provider is enough; the other is named, and left out until it has a key, too."""
    put_secret(young.client("secretsmanager"), "llm-fleet/young/openai-api-key", young.api_a.key)
    young.wait_ready()
    said = young.ask(None, path="/health/readiness").said
    assert said["providers"] == ["openai/gpt-4o-mini"]
    assert said["without_key"] == ["anthropic/claude-haiku-4-5"]
    assert young.ask(chat()).text.startswith("one")


def test_the_front_asks_here_for_keys(young: Standing) -> None:
    """With the same words as on a host."""
    assert asks_for_key(young, f"Bearer {KEY}") == (204, "team-a")
    assert asks_for_key(young, "Bearer sk-fleet-other") == (401, None)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/health", "GET"),
        ("/config/update", "POST"),
        ("/model/info", "GET"),
        ("/key/generate", "POST"),
        ("/v1/embeddings", "POST"),
        ("/v1/responses", "POST"),
        ("/mcp/tools", "GET"),
        ("/", "GET"),
        ("/v1/chat/completions/", "POST"),
    ],
)
def test_of_litellm_s_many_paths_none_is_open(young: Standing, path: str, method: str) -> None:
    """Not even for the front."""
    own = {"Authorization": f"Bearer {young.hop}"}
    body = {} if method == "GET" else chat()
    reply = young.ask(body or None, path=path, headers=own)
    assert (reply.status, reply.code) == (404, "unknown_url")


def test_only_the_front_may_ask(young: Standing) -> None:
    """Without the hop secret nothing but readiness is told."""
    for wrong in ("", "Bearer wrong", f"Bearer {KEY}"):
        reply = young.ask(chat(), headers={"Authorization": wrong})
        assert (reply.status, reply.code) == (401, "invalid_api_key")


def test_what_must_not_leave_does_not_leave(young: Standing) -> None:
    """A request that is for the fleet alone gets 503, and no provider hears of it."""
    asked = young.api_a.asked
    reply = young.ask(chat(), headers={"x-llm-local-only": "1"})
    assert (reply.status, reply.code) == (503, "local_only")
    assert young.api_a.asked == asked


def test_models_are_the_fleet_s(young: Standing) -> None:
    """Not the providers'."""
    own = {"Authorization": f"Bearer {young.hop}"}
    said = young.ask(None, path="/v1/models", headers=own).said
    assert said["data"][0]["id"] == "mistral-7b"


def test_nothing_of_the_client_s_reaches_a_provider_but_its_request(young: Standing) -> None:
    """Neither where to go, nor who asked."""
    young.api_a.behave(young.api_a.manner)
    assert young.ask(chat(api_base="http://127.0.0.1:9", user="someone", metadata={"a": "b"})).whole
    (sent,) = young.api_a.prompts
    assert set(sent) <= {"model", "messages", "max_tokens", "stream", "extra_body"}
    assert sent["model"] == "gpt-4o-mini"


def test_a_worn_out_worker_is_replaced_and_no_answer_is_lost(young: Standing) -> None:
    """Its successor serves before it goes; who asks meanwhile notices nothing."""
    asking, replies = threading.Event(), []

    def ask_on() -> None:
        while not asking.is_set():
            replies.append(young.ask(chat(stream=len(replies) % 2 == 0)))
            time.sleep(0.0 if len(replies) < WORN_OUT_AFTER else 0.25)

    client = threading.Thread(target=ask_on)
    client.start()
    try:
        until(lambda: len(events(young, "worker-gone")) > 0, 180, young)
    finally:
        asking.set()
        client.join()
    assert len(replies) > WORN_OUT_AFTER
    assert all(reply.whole for reply in replies)
    assert str(events(young, "worker-worn-out")[0]["reason"]).endswith(" requests")
    assert events(young, "worker-gone")[0]["code"] == 0
    assert young.settled() > 0


def test_a_worker_that_is_killed_is_made_good(young: Standing) -> None:
    """Meanwhile everybody is told that nobody serves; what it had reserved is given back later."""
    before = len(events(young, "worker-serves"))
    os.kill(worker_of(young), signal.SIGKILL)
    until(lambda: events(young, "worker-gone")[-1]["code"] == -signal.SIGKILL, 10, young)
    reply = young.ask(chat())
    assert (reply.status, reply.code) == (503, "not_ready")
    until(lambda: len(events(young, "worker-serves")) > before, 180, young)
    young.wait_ready()
    assert young.ask(chat()).whole


def test_told_to_go_it_finishes_what_it_has_begun(young: Standing) -> None:
    """A stream in flight comes to its end, its cost is settled, and the exit code is 0."""
    young.api_a.behave(young.api_a.manner)
    young.clear_spend()
    young.api_a.manner = type(young.api_a.manner)(tokens=30, pace_s=0.1)
    replies: list[Reply] = []
    client = threading.Thread(target=lambda: replies.append(young.ask(chat(stream=True))))
    client.start()
    until(lambda: young.api_a.asked, 10, young)
    assert young.stop() == 0
    client.join()
    assert replies[0].whole
    spent, committed = young.spent()
    assert 0 < spent == committed


def worker_of(gateway: Standing) -> int:
    """The process that serves: the child that was started last."""
    assert gateway.process is not None
    pid = gateway.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[-1])
