"""A front as it runs on a host: real nginx, between a stub of the engine and one of the agent."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any, Literal

import httpx

from provision.config.environment import EngineSettings, FrontSettings
from provision.config.timeouts import TimeoutChain, chain
from provision.render.front import KEY_SECONDS, Places, Spill, gateway_config, nginx_config

ANNA = "sk-fleet-" + "a" * 43
BERT = "sk-fleet-" + "b" * 43
HOP = "the-hop-secret"


class Agent:
    """Answers ``/auth`` on a unix socket and counts how often it is asked."""

    def __init__(self, socket_path: Path) -> None:
        self.names = {ANNA: "anna", BERT: "bert"}
        self.asked: list[str] = []
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                agent.asked.append(f"{self.path} {token}")
                name = agent.names.get(token)
                self.send_response(204 if name else 401)
                if name:
                    self.send_header("X-Key-Name", name)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *arguments: object) -> None: ...

        class Server(ThreadingMixIn, UnixStreamServer):
            daemon_threads = True

        self._server = Server(str(socket_path), Handler)
        socket_path.chmod(0o666)
        self._path = socket_path
        _serve(self._server)

    def stop(self) -> None:
        """Gone, socket and all, as while it restarts."""
        self._server.shutdown()
        self._server.server_close()
        self._path.unlink(missing_ok=True)


@dataclass
class Seen:
    """One request as the engine got it."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Script:
    """How the engine answers: *go* holds back each chunk of a stream after the first.

    With *pause_s* nothing is held back: it waits so long before each of them, and before a whole
    answer. *ends* is where its connection does: before an answer, or within it.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    chunks: int = 3
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    hold: threading.Event = field(default_factory=threading.Event)
    pause_s: float | None = None
    ends: Literal["before", "within"] | None = None


class Engine:
    """An OpenAI-like server: echoes, streams when asked to, or answers as its script says."""

    def __init__(self, port: int = 0) -> None:
        self.seen: list[Seen] = []
        self.running = 0
        self._counting = threading.Lock()
        self._connections: set[socket.socket] = set()
        self.script = Script()
        self.script.hold.set()
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet an answer; without it delayed acknowledgements cost 40 ms

            def do_GET(self) -> None:
                self._counted()

            def do_POST(self) -> None:
                self._counted()

            def _counted(self) -> None:
                engine._connections.add(self.connection)
                engine._count(1)
                try:
                    self._answer()
                finally:
                    engine._count(-1)

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                engine.seen.append(Seen(self.path, headers, body, self.client_address[1]))
                engine.script.hold.wait(10)
                asked: dict[str, Any] = json.loads(body) if body else {}
                if engine.script.ends == "before":
                    self.close_connection = True
                    return
                self.send_response(engine.script.status)
                for name, value in engine.script.headers.items():
                    self.send_header(name, value)
                if asked.get("stream"):
                    self._stream()
                else:
                    self._whole()

            def _whole(self) -> None:
                time.sleep(engine.script.pause_s or 0.0)
                content = json.dumps({"status": engine.script.status}).encode()
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if engine.script.ends == "within":
                    content, self.close_connection = content[:5], True
                self.wfile.write(content)

            def _stream(self) -> None:
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for number in range(engine.script.chunks):
                    if engine.script.pause_s is not None:
                        time.sleep(engine.script.pause_s)
                    elif number:
                        engine.script.go.acquire(timeout=10)
                    event = f"data: {number}\n\n".encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
                    self.wfile.flush()
                    if engine.script.ends == "within":
                        self.close_connection = True
                        return
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *arguments: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.address = f"127.0.0.1:{self.port}"
        _serve(self._server)

    def _count(self, change: int) -> None:
        with self._counting:
            self.running += change

    def cut(self) -> None:
        """Killed: no longer there, and what it was sending ends in the middle."""
        self.stop()
        for connection in tuple(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """No longer there: connections are refused."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Front:
    """What a test holds in its hands."""

    client: httpx.Client
    agent: Agent
    engines: list[Engine]
    port: int
    scratch: Path

    @property
    def engine(self) -> Engine:
        """The first one, of most fronts the only one."""
        return self.engines[0]

    @property
    def out(self) -> Path:
        """Where the agent says which engines get nothing new."""
        return self.scratch / "out"

    def ask(self, key: str | None = ANNA, **headers: str) -> httpx.Response:
        """One chat completion."""
        authorization = {"Authorization": f"Bearer {key}"} if key else {}
        return self.client.post(
            "/v1/chat/completions", json={"model": "m"}, headers={**authorization, **headers}
        )

    @property
    def complaints(self) -> str:
        """What nginx wrote into its error log."""
        return (self.scratch / "stderr").read_text()

    def log(self) -> list[dict[str, Any]]:
        """The access log, a line a request."""
        lines = (self.scratch / "access.log").read_text().splitlines()
        return [json.loads(line) for line in lines]


@contextmanager
def running_front(
    settings: FrontSettings | None = None,
    *,
    read_timeout_s: int = 20,
    key_seconds: int = KEY_SECONDS,
    replicas: int = 1,
    spill: Spill | None = None,
) -> Iterator[Front]:
    """The front of a host, before so many engines."""

    def configure(engines: list[str], places: Places, links: TimeoutChain) -> str:
        return nginx_config(
            settings or FrontSettings(),
            engines=engines,
            chain=links,
            places=places,
            key_seconds=key_seconds,
            spill=spill,
        )

    with _running(configure, replicas=replicas, read_timeout_s=read_timeout_s) as front:
        yield front


@contextmanager
def running_task(
    settings: FrontSettings | None = None, *, read_timeout_s: int = 20
) -> Iterator[Front]:
    """The front of a gateway's task; the only engine of it is the gateway's program."""

    def configure(engines: list[str], places: Places, links: TimeoutChain) -> str:
        return gateway_config(
            settings or FrontSettings(), gateway=engines[0], chain=links, places=places
        )

    with _running(configure, replicas=1, read_timeout_s=read_timeout_s) as front:
        front.engine.script.headers = {"x-llm-tier": "hosted"}
        yield front


@contextmanager
def _running(
    configure: Callable[[list[str], Places, TimeoutChain], str],
    *,
    replicas: int,
    read_timeout_s: int,
) -> Iterator[Front]:
    """nginx with the rendered configuration on a free port of loopback."""
    # Not below pytest's own folder: nginx's workers are another user, and that one is closed.
    scratch = Path(tempfile.mkdtemp(prefix="llm-fleet-front-"))
    scratch.chmod(0o755)
    agent, port = Agent(scratch / "agent.sock"), free_port()
    engines = [Engine() for _ in range(replicas)]
    (scratch / "hop.conf").write_text(f'proxy_set_header Authorization "Bearer {HOP}";\n')
    links = replace(chain(EngineSettings()), front_read_s=read_timeout_s)
    addresses = [engine.address for engine in engines]
    (scratch / "nginx.conf").write_text(configure(addresses, places(scratch, port), links))
    process = start_nginx(scratch)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10)
    try:
        wait_until(lambda: accepts(port))
        yield Front(client, agent, engines, port, scratch)
    finally:
        client.close()
        process.terminate()
        process.wait(10)
        agent.stop()
        for engine in engines:
            engine.stop()
        shutil.rmtree(scratch)


def places(scratch: Path, port: int) -> Places:
    """Everything that the configuration names, below *scratch*."""
    return Places(
        listen=f"127.0.0.1:{port}",
        scratch=str(scratch),
        hop=str(scratch / "hop.conf"),
        agent_socket=str(scratch / "agent.sock"),
        out=str(scratch / "out"),
        answers=str(scratch / "answers.sock"),
        counting=str(scratch / "counting"),
        access_log=str(scratch / "access.log"),
    )


def start_nginx(scratch: Path) -> subprocess.Popen[bytes]:
    """nginx in the foreground, its errors in a file."""
    errors = str(scratch / "error.log")
    with (scratch / "stderr").open("wb") as stderr:
        return subprocess.Popen(
            ["nginx", "-e", errors, "-c", str(scratch / "nginx.conf")],
            stderr=stderr,
            env={"PATH": f"{os.environ['PATH']}:/usr/sbin"},
        )


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether somebody listens on *port* of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Any, timeout_s: float = 10) -> None:
    """Return as soon as *condition* holds; fail when it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.02)


def _serve(server: Any) -> None:
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
