"""A small HTTP server in the place of the load balancer, or of the gateway, that can fail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = {"choices": [{"index": 0, "text": "a", "finish_reason": "length"}]}


@dataclass
class Tier:
    """How it answers. *hang* waits before the answer, *drip* after its first half; *trickle_s*
    passes between two bytes of it."""

    tier: str | None = "primary"
    status: int = 200
    body: Any = field(default_factory=lambda: TOKEN)
    hang: threading.Event | None = None
    drip: threading.Event | None = None
    trickle_s: float = 0.0
    cut: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def refuse(self, status: int, code: object = None) -> None:
        """Answer as OpenAI's APIs do when something is wrong."""
        self.status, self.body = status, {"error": {"message": "no", "code": code}}


@contextmanager
def serving(tier: Tier) -> Iterator[Tier]:
    """*tier* on loopback, its ``url`` set."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Nothing."""

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            tier.asked.append({"path": self.path, "headers": headers, "body": sent})
            if tier.hang:
                tier.hang.wait(10)
            if tier.cut:
                self.close_connection = True
                return
            said = json.dumps(tier.body).encode()
            self.send_response(tier.status)
            if tier.tier is not None:
                self.send_header("x-llm-tier", tier.tier)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            half = len(said) // 2
            self.wfile.write(said[:half])
            if tier.drip:
                tier.drip.wait(10)
            for byte in said[half:] if tier.trickle_s else ():
                time.sleep(tier.trickle_s)
                self.wfile.write(bytes([byte]))
            self.wfile.write(b"" if tier.trickle_s else said[half:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who asked has gone
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    tier.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield tier
    finally:
        for event in (tier.hang, tier.drip):
            if event:
                event.set()
        server.shutdown()
        server.server_close()
