"""A small threaded HTTP server that ends cleanly, for the room's metadata, hub and repositories."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietHandler(BaseHTTPRequestHandler):
    """Keeps connections alive and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the room's processes write their own events."""

    def answer(
        self,
        status: int,
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        kind: str = "text/plain",
    ) -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


class Server:
    """One HTTP server in a thread. Port 0 takes a free one; ``port`` says which."""

    def __init__(
        self, address: str, port: int, handler: Callable[..., QuietHandler], *, ttl: int = 0
    ) -> None:
        self._server = _Threaded((address, port), handler)
        if ttl:
            self._server.socket.setsockopt(_IPPROTO_IP, _IP_TTL, ttl)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> Server:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the door."""
        self._server.shutdown()
        self._server.server_close()


class _Threaded(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


_IPPROTO_IP, _IP_TTL = 0, 2
