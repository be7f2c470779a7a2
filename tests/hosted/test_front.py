"""Real nginx before the real gateway, as in a task: what held on a host holds here."""

from __future__ import annotations

import http.client
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provision.config.environment import EngineSettings, FrontSettings
from provision.config.timeouts import chain
from provision.render.front import Places, gateway_config
from rehearsal.hosted_api import Manner
from tests.hosted.standing import KEY, Reply, Standing, chat, free_port, read_reply
from tests.render.stubs import accepts, start_nginx, wait_until

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Front:
    """The task's nginx, and what it wrote."""

    port: int
    scratch: Path

    def ask(self, body: Any, *, key: str = KEY, hang_up: bool = False, **headers: str) -> Reply:
        """As a client does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        told = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **named}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), told)
        try:
            return read_reply(connection.getresponse(), 3 if hang_up else None)
        finally:
            connection.close()

    def get(self, path: str) -> int:
        """The status of a path, asked without a key."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture(scope="module")
def front(gateway: Standing) -> Iterator[Front]:
    """nginx as the task has it; the hop secret and the key socket are the gateway's own."""
    scratch, port, run = Path(tempfile.mkdtemp(prefix="llm-fleet-")), free_port(), gateway.folder
    scratch.chmod(0o755)
    places = Places(
        listen=f"127.0.0.1:{port}",
        scratch=str(scratch),
        hop=str(run / "run/hop.conf"),
        agent_socket=str(run / "run/agent.sock"),
        access_log=str(scratch / "access.log"),
    )
    (scratch / "nginx.conf").write_text(
        gateway_config(
            FrontSettings(max_body_kib=64, requests_per_minute_per_key=6000),
            chain=chain(EngineSettings(longest_generation_s=30)),
            gateway=f"127.0.0.1:{gateway.port}",
            places=places,
        )
    )
    process = start_nginx(scratch)
    gateway.api_a.behave(Manner())
    gateway.api_b.behave(Manner())
    time.sleep(gateway.environment.fallback.cooldown_s)
    try:
        wait_until(lambda: accepts(port))
        yield Front(port, scratch)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(scratch)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_gets_a_hosted_answer_with_its_own_key(front: Front, stream: bool) -> None:
    """The tier is the gateway's word, which the front passes on."""
    reply = front.ask(chat(stream=stream))
    assert reply.whole
    assert reply.tier == "hosted"
    assert reply.text.startswith("one two")


def test_a_stranger_gets_nothing(front: Front, gateway: Standing) -> None:
    """Keys end here as on a host; no provider hears of it."""
    asked = gateway.api_a.asked
    assert front.ask(chat(), key="sk-fleet-nobody").status == 401
    assert front.ask(chat(), key=gateway.hop).status == 401
    assert gateway.api_a.asked == asked


def test_what_is_local_only_stays(front: Front, gateway: Standing) -> None:
    """At weights 0/100, too."""
    asked = gateway.api_a.asked
    reply = front.ask(chat(), x_llm_local_only="1")
    assert (reply.status, reply.code) == (503, "local_only")
    assert gateway.api_a.asked == asked


def test_nobody_chooses_a_name_or_a_tier(front: Front, gateway: Standing) -> None:
    """Headers that are the fleet's own are written by the fleet alone."""
    assert front.ask(chat(), x_key_name="batch", x_llm_tier="primary").tier == "hosted"
    wait_until(lambda: gateway.log[-1]["event"] == "hosted")
    assert gateway.log[-1]["key"] == "team-a"


def test_readiness_needs_no_key_and_nothing_else_is_open(front: Front) -> None:
    """The load balancer asks for it; LiteLLM's other paths are not there."""
    assert front.get("/health/readiness") == 200
    assert front.get("/health") == 404
    assert front.get("/key/info") == 404
    assert front.get("/v1/models") == 401


def test_an_old_answer_says_its_tier_and_age(front: Front, gateway: Standing) -> None:
    """Through the front as without it."""
    body = chat("through", "the", "front", temperature=0)
    assert front.ask(body, x_llm_allow_stale="1").whole
    time.sleep(0.3)
    gateway.api_a.refuse()
    gateway.api_b.refuse()
    try:
        reply = front.ask(body, x_llm_allow_stale="1")
        assert reply.tier == "stale"
        assert int(reply.headers["x-llm-stale-age"]) < 60
        none = front.ask(chat("never asked"))
        assert (none.status, none.code) == (503, "providers_failed")
        assert none.tier not in ("primary", "hosted", "stale")
    finally:
        gateway.api_a.behave(Manner())
        gateway.api_b.behave(Manner())
        time.sleep(gateway.environment.fallback.cooldown_s)


def test_a_client_that_leaves_ends_the_provider_s_stream(front: Front, gateway: Standing) -> None:
    """Through nginx, too: nobody pays for an answer that nobody reads."""
    gateway.settled()
    gateway.clear_spend()
    gateway.api_a.behave(Manner(tokens=40, pace_s=0.05))
    front.ask(chat(stream=True), hang_up=True)
    wait_until(lambda: bool(gateway.spent()[0]), timeout_s=20)
    (line,) = gateway.api_a.bill
    assert not line.whole
    assert line.output < 30
    gateway.settled()


def test_the_front_s_log_names_tier_and_key(front: Front) -> None:
    """One line a request, as on a host; the key itself is nowhere."""
    lines = [json.loads(row) for row in (front.scratch / "access.log").read_text().splitlines()]
    assert {"hosted", "stale"} <= {row["tier"] for row in lines}
    assert {row["key"] for row in lines} <= {"team-a", ""}
    assert KEY not in (front.scratch / "access.log").read_text()
