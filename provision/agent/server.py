"""What the agent answers: readiness for the load balancer, status for people, keys."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple, Type

from provision.agent.errors import AgentError
from provision.agent.keys import KeyRing

PORT = 8081
_SOCKET_S = 10.0

Deep = Callable[[], Tuple[bool, str]]
Status = Callable[[], Dict[str, Any]]


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
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if body is not None:
            self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def status_server(deep: Deep, status: Status, *, port: int = PORT) -> ThreadingHTTPServer:
    """Serve ``/healthz/deep`` (200 or 503, with the reason) and ``/status`` on every address."""

    class Handler(_Quiet):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/healthz/deep":
                ready, reason = deep()
                self._say(200 if ready else 503, {"ready": ready, "reason": reason})
            elif path == "/status":
                self._say(200, status())
            else:
                self._say(404, {"error": "there is /healthz/deep and /status"})

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
