"""The instance metadata service, as an agent asks it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from provision.agent.errors import CloudUnreachable
from provision.agent.metadata import Identity, Metadata


@dataclass
class Imds:
    """A metadata service that wants version 2; *token* is the one that it takes now."""

    url: str = ""
    token: str = "tok-1"
    tokens: int = 0
    status: int = 200
    texts: dict[str, str] = field(
        default_factory=lambda: {
            "/latest/meta-data/instance-id": "i-0abc",
            "/latest/meta-data/placement/availability-zone": "us-east-1a",
            "/latest/meta-data/autoscaling/target-lifecycle-state": "InService",
        }
    )


@pytest.fixture
def imds() -> Iterator[Imds]:
    state = Imds()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_PUT(self) -> None:
            state.tokens += 1
            wanted = self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            self._say(200 if wanted else 400, state.token)

        def do_GET(self) -> None:
            if self.headers["X-aws-ec2-metadata-token"] != state.token:
                self._say(401, "")
            elif self.path not in state.texts:
                self._say(404, "")
            else:
                self._say(state.status, state.texts[self.path])

        def _say(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_asks_with_a_token(imds: Imds) -> None:
    """Version 1 is switched off on these hosts; one token does for many questions."""
    metadata = Metadata(imds.url)
    assert metadata.identity() == Identity("i-0abc", "us-east-1a")
    assert metadata.item("autoscaling/target-lifecycle-state") == "InService"
    assert imds.tokens == 1


def test_what_is_not_there_is_none(imds: Imds) -> None:
    """No spot notice is the usual case, not an error."""
    assert Metadata(imds.url).item("spot/instance-action") is None


def test_a_token_that_ended_is_replaced(imds: Imds) -> None:
    """They last six hours, agents last longer."""
    metadata = Metadata(imds.url)
    assert metadata.item("instance-id") == "i-0abc"
    imds.token = "tok-2"
    assert metadata.item("instance-id") == "i-0abc"
    assert imds.tokens == 2


def test_nobody_there() -> None:
    """Not an EC2 instance, or IMDS is off: said so."""
    with pytest.raises(CloudUnreachable, match="metadata service does not answer"):
        Metadata("http://127.0.0.1:9").identity()


def test_a_service_in_trouble(imds: Imds) -> None:
    """An answer that is neither yes nor "there is none" is no answer."""
    imds.status = 500
    with pytest.raises(CloudUnreachable, match="does not answer: HTTP 500"):
        Metadata(imds.url).item("instance-id")


def test_a_service_that_knows_no_instance(imds: Imds) -> None:
    """Who this is must be known: there is no going on without."""
    imds.texts.clear()
    with pytest.raises(CloudUnreachable, match="it has no instance-id"):
        Metadata(imds.url).identity()
