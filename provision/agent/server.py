"""What the agent answers: readiness for the load balancer, status for people, keys."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple, Type

from provision.agent.errors import AgentError
from provision.agent.keys import KeyRing

PORT = 8081
TEXT = "text/plain; version=0.0.4; charset=utf-8"  # as Prometheus wants it
_SOCKET_S = 10.0

Health = Callable[[], Mapping[str, Any]]
Status = Callable[[], Dict[str, Any]]
Text = Callable[[str], Optional[Tuple[int, str]]]


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SOCKET_S
    server_version = "llm-fleet-agent"
    sys_version = ""

    def log_message(self, *_: Any) -> None:
        """Nothing: the load balancer asks every few seconds."""

    def address_string(self) -> str:
        """A unix socket's peer has no address."""
        return "-"

    def _say(self, status: int, body: Optional[Any] = None, **headers: str) -> None:
        data = b"" if body is None else (json.dumps(body) + "\n").encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._send(status, data, headers)

    def _send(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def status_server(
    health: Health, status: Status, text: Text, *, port: int = PORT
) -> ThreadingHTTPServer:
    """Serve ``/healthz/deep`` (200 or 503, with the reason) and ``/status`` on every address.

    *text* knows the pages for machines that read no JSON, each with its status; None: no such page.
    """

    class Handler(_Quiet):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/healthz/deep":
                body = health()
                self._say(200 if body["ready"] else 503, body)
            elif path == "/status":
                self._say(200, status())
            else:
                self._page(path)

        def _page(self, path: str) -> None:
            page = text(path)
            if page is None:
                self._say(404, {"error": "there is /healthz/deep, /status and /metrics"})
            else:
                self._send(page[0], page[1].encode(), {"Content-Type": TEXT})

        do_HEAD = do_GET

    try:
        return _Server(("0.0.0.0", port), Handler)  # noqa: S104 - the load balancer is outside
    except OSError as error:
        raise AgentError(
            f"the agent can't listen on port {port}: {error}",
            hint=f"`ss -ltnp 'sport = :{port}'` shows who does",
        ) from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 512


def key_server(
    ring: KeyRing, now: Callable[[], float], path: Path
) -> socketserver.UnixStreamServer:
    """Serve ``/auth`` on a unix socket: 204 with X-Key-Name, 401, or 503 before the first sync."""

    class Handler(_Quiet):
        def do_GET(self) -> None:
            name = ring.name_of(self.headers.get("Authorization", ""), now())
            if self.path.partition("?")[0] != "/auth":
                self._say(404)
            elif name is not None:
                self._say(204, X_Key_Name=name)
            elif ring.loaded:
                self._say(401, {"error": "unknown key"})
            else:
                self._say(503, {"error": "client keys are not loaded yet"})

    return _listen(path, Handler)


def _listen(path: Path, handler: Type[BaseHTTPRequestHandler]) -> socketserver.UnixStreamServer:
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.unlink()
    server = _UnixServer(str(path), handler)
    path.chmod(0o666)  # nginx's workers are not root; the answer is yes or no
    return server


def in_background(server: socketserver.BaseServer) -> None:
    """Serve until the process ends."""
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
    ).start()


def stop_listening(server: socketserver.BaseServer) -> None:
    """End a server that :func:`in_background` started."""
    server.shutdown()
    server.server_close()
