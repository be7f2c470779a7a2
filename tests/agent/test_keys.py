"""Client keys on a host: from Secrets Manager to the front's yes or no."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.agent.errors import AgentError
from provision.agent.keys import KeyRing, name_of, parse
from provision.agent.server import in_background, key_server, status_server, stop_listening
from tests.agent.conftest import World, shared_cloud

SECRET = "/llm-fleet/test/client-keys"
NOW = 1_795_230_000.0
GOOD = "sk-fleet-" + "g" * 43


def entry(key: str, **more: Any) -> dict[str, Any]:
    return {"sha256": sha(key), "created": "2026-11-01T00:00:00Z", **more}


def sha(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def document(**named: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "keys": named})


def put(text: str) -> None:
    client = shared_cloud().client("secretsmanager")
    try:
        client.create_secret(Name=SECRET, SecretString=text)
    except client.exceptions.ResourceExistsException:
        client.put_secret_value(SecretId=SECRET, SecretString=text)


class TestNameOf:
    def test_knows_a_key_by_its_hash(self) -> None:
        """With the name under which it was given out."""
        known = json.loads(document(app=entry(GOOD), other=entry("x")))["keys"]
        assert name_of(known, f"Bearer {GOOD}", NOW) == "app"
        assert name_of(known, f"bearer {GOOD}", NOW) == "app"

    @pytest.mark.parametrize("header", ["", "Bearer ", "Bearer nope", GOOD, f"Basic {GOOD}"])
    def test_anything_else_is_nobody(self, header: str) -> None:
        """Empty, unknown, and without its scheme."""
        assert name_of({"app": entry(GOOD)}, header, NOW) is None

    def test_the_previous_key_until_its_end(self) -> None:
        """A rotation leaves clients the time that it was given, and no more."""
        rotated = entry("new", previous_sha256=sha(GOOD), previous_until="2026-11-21T03:00:00Z")
        at = 1_795_230_000.0  # 2026-11-21T03:00:00Z
        assert name_of({"app": rotated}, f"Bearer {GOOD}", at - 1) == "app"
        assert name_of({"app": rotated}, f"Bearer {GOOD}", at) is None
        assert name_of({"app": rotated}, "Bearer new", at) == "app"

    @given(st.text(max_size=80))
    def test_no_header_ever_raises(self, header: str) -> None:
        """Whatever a client sends is a yes or a no."""
        assert name_of({"app": entry(GOOD)}, f"Bearer {header}", NOW) is None


class TestParse:
    @pytest.mark.parametrize(
        "text", [None, "", "{}", '{"keys": {"a": {"sha256": "short"}}}', '{"keys": [1]}']
    )
    def test_refuses_what_is_not_as_expected(self, text: str | None) -> None:
        """A damaged secret never becomes an empty list of keys."""
        with pytest.raises(AgentError, match="secret with the client keys"):
            parse(text)

    def test_refuses_a_date_that_is_none(self) -> None:
        """Better now than at a client's request."""
        with pytest.raises(AgentError):
            parse(document(app=entry(GOOD, previous_until="tomorrow")))


class TestSync:
    def test_brings_a_new_and_takes_away_a_revoked_key(self, world: World) -> None:
        """Without a deploy, from one sync to the next."""
        ring = KeyRing(world.paths.keys)
        put(document(app=entry(GOOD)))
        ring.sync(world.host.cloud, SECRET, NOW)
        assert ring.name_of(f"Bearer {GOOD}", NOW) == "app"
        put(document())
        ring.sync(world.host.cloud, SECRET, NOW + 20)
        assert ring.name_of(f"Bearer {GOOD}", NOW) is None
        assert (ring.loaded, ring.count, ring.synced_at) == (True, 0, NOW + 20)

    def test_keeps_the_last_good_copy(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """While Secrets Manager is away, also over a restart of the agent."""
        ring = KeyRing(world.paths.keys)
        put(document(app=entry(GOOD)))
        ring.sync(world.host.cloud, SECRET, NOW)
        put("not json")
        ring.sync(world.host.cloud, SECRET, NOW + 20)
        assert ring.name_of(f"Bearer {GOOD}", NOW) == "app"
        assert "not as expected" in ring.problem
        assert KeyRing(world.paths.keys).name_of(f"Bearer {GOOD}", NOW) == "app"

    def test_only_root_reads_the_copy(self, world: World) -> None:
        """Hashes, and still nobody's business."""
        put(document(app=entry(GOOD)))
        KeyRing(world.paths.keys).sync(world.host.cloud, SECRET, NOW)
        assert stat.S_IMODE(world.paths.keys.stat().st_mode) == 0o600

    def test_a_secret_that_is_not_there(self, world: World) -> None:
        """The problem says what to type."""
        ring = KeyRing(world.paths.keys)
        ring.sync(world.host.cloud, "/llm-fleet/test/nope", NOW)
        assert not ring.loaded
        assert "is empty" in ring.problem


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, as nginx speaks it."""

    def __init__(self, path: Path) -> None:
        super().__init__("agent")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def ask(path: Path, where: str, **headers: str) -> tuple[int, str | None]:
    connection = UnixConnection(path)
    connection.request("GET", where, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("X-Key-Name")


class TestAuth:
    @pytest.fixture
    def ring(self, tmp_path: Path) -> KeyRing:
        return KeyRing(tmp_path / "keys.json")

    @pytest.fixture
    def door(self, ring: KeyRing, tmp_path: Path) -> Iterator[Path]:
        """The socket of a running key server."""
        path = tmp_path / "agent.sock"
        server = key_server(ring, lambda: NOW, path)
        in_background(server)
        yield path
        stop_listening(server)

    def test_yes_no_and_not_yet(self, ring: KeyRing, door: Path) -> None:
        """204 with the key's name, 401, and 503 before the keys are there."""
        assert ask(door, "/auth", Authorization=f"Bearer {GOOD}") == (503, None)
        ring._keys = {"app": entry(GOOD)}
        assert ask(door, "/auth", Authorization=f"Bearer {GOOD}") == (204, "app")
        assert ask(door, "/auth", Authorization="Bearer nope") == (401, None)
        assert ask(door, "/auth") == (401, None)
        assert ask(door, "/other", Authorization=f"Bearer {GOOD}") == (404, None)

    def test_nginx_may_reach_it(self, door: Path) -> None:
        """Its workers are not root."""
        assert stat.S_IMODE(door.stat().st_mode) == 0o666

    def test_a_socket_left_by_a_killed_agent_is_replaced(
        self, ring: KeyRing, tmp_path: Path
    ) -> None:
        """The next agent takes the same place."""
        path = tmp_path / "old.sock"
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(str(path))
        server = key_server(ring, lambda: NOW, path)
        in_background(server)
        assert ask(path, "/auth") == (503, None)
        stop_listening(server)


class TestStatusServer:
    def test_deep_health_and_status(self) -> None:
        """200 or 503 with the reason; the document; a page of text; 404 for the rest."""
        well = {"ready": True, "reason": "", "condition": "ok"}
        ill = {"ready": False, "reason": "replica 0 is warming", "condition": "starting"}
        answers, pages = [well, ill], {"/metrics": (200, "1"), "/metrics/engine/0": (503, "2")}
        server = status_server(
            lambda: answers.pop(0), lambda: {"state": "ready"}, pages.get, port=0
        )
        in_background(server)
        port = server.server_address[1]
        said = [
            _get(int(port), path)
            for path in ("/healthz/deep", "/healthz/deep?x=1", "/status", *pages, "/")
        ]
        stop_listening(server)
        assert said == [
            (200, well),
            (503, ill),
            (200, {"state": "ready"}),
            (200, 1),
            (503, 2),
            (404, {"error": "there is /healthz/deep, /status and /metrics"}),
        ]


def _get(port: int, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


def test_every_hash_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long an answer takes does not tell which key came close."""
    compared: list[str] = []
    real = hmac.compare_digest

    def spy(given_: str, known: str) -> bool:
        compared.append(known)
        return bool(real(given_, known))

    monkeypatch.setattr(hmac, "compare_digest", spy)
    name_of({"a": entry(GOOD), "b": entry("x"), "c": entry("y")}, f"Bearer {GOOD}", NOW)
    assert len(compared) == 6
