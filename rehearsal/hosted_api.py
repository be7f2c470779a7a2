"""A hosted API of one's own: answers like OpenAI's and Anthropic's, counts tokens, writes a bill.

Its words are tokens of OpenAI's tokenizers too, and it counts four more for a message and three for
the answer's begin, as OpenAI does: so whoever estimates by a tokenizer comes to the same numbers.
It bills what it did: the prompt once it began to answer, and every token that it sent, whether or
not anybody was there to read it.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rehearsal.hosted_shapes import SHAPES, Shape


class Fault(StrEnum):
    """How it fails. That nobody listens is no manner: see :meth:`HostedApi.refuse`."""

    NONE = "none"
    ERROR = "error"  # 500
    LIMITED = "limited"  # 429
    BAD_KEY = "bad key"  # 401
    HANG = "hang"  # takes the request and says nothing
    STALL = "stall"  # a stream stops after *after* tokens and stays open
    CUT = "cut"  # a stream ends after *after* tokens, without its last events


@dataclass(frozen=True, slots=True)
class Manner:
    """How requests are answered from now on."""

    fault: Fault = Fault.NONE
    after: int = 3
    tokens: int = 8
    pace_s: float = 0.0
    wait_s: float = 0.0


@dataclass(slots=True)
class Billed:
    """One request on the bill."""

    model: str
    stream: bool
    input: int
    output: int = 0
    whole: bool = False


@dataclass
class HostedApi:
    """The server; ``bill`` has a line for every request that it began to answer.

    By its *words* one can tell who answered.
    """

    name: str = "hosted"
    key: str = "sk-provider"
    words: tuple[str, ...] = ("one", "two", "three", "four", "five", "six", "seven", "eight")
    manner: Manner = field(default_factory=Manner)
    bill: list[Billed] = field(default_factory=list)
    asked: int = 0
    prompts: list[dict[str, Any]] = field(default_factory=list)
    address: str = "127.0.0.1"
    port: int = 0
    _server: _Server | None = None
    _released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it is, also while it refuses."""
        return f"http://{self.address}:{self.port}"

    def open(self) -> None:
        """Listen, on the same port as before."""
        self._released.clear()
        self._server = _Server((self.address, self.port), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def refuse(self) -> None:
        """Stop listening: connections are refused, and those that there are end."""
        self._released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._server = None

    def behave(self, manner: Manner) -> None:
        """Be open, and answer in this manner; the bill starts anew."""
        self._released.set()
        self.manner = manner
        self.bill, self.asked, self.prompts = [], 0, []
        if self._server is None:
            self.open()
        self._released = threading.Event()

    @property
    def billed(self) -> tuple[int, int]:
        """Input and output tokens of the whole bill."""
        return sum(line.input for line in self.bill), sum(line.output for line in self.bill)


@contextmanager
def hosted_api(name: str = "hosted", **values: Any) -> Iterator[HostedApi]:
    """One that listens until the end of the block."""
    api = HostedApi(name, **values)
    api.open()
    try:
        yield api
    finally:
        api.refuse()


class _Server(ThreadingHTTPServer):
    """Knows its connections: clients keep them open, and would be answered there for ever."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are expected here."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End every connection that is open."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Gone(Exception):
    """The client hung up."""


_REFUSALS = {
    Fault.ERROR: (500, "The server had an error.", "server_error"),
    Fault.LIMITED: (429, "Rate limit reached.", "rate_limit_error"),
    Fault.BAD_KEY: (401, "Incorrect API key provided.", "authentication_error"),
}


def _handler(api: HostedApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Nothing."""

        def do_POST(self) -> None:
            api.asked += 1
            manner, released = api.manner, api._released
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api.prompts.append(asked)
            shape = SHAPES.get(self.path.partition("?")[0])
            if shape is None:
                return self._say(404, {"error": {"message": "no such path"}})
            if not self._has_key():
                return self._refuse(Fault.BAD_KEY)
            if manner.fault in _REFUSALS:
                return self._refuse(manner.fault)
            if manner.fault is Fault.HANG:
                self._hang(released)
                return None
            time.sleep(manner.wait_s)
            line = Billed(asked["model"], bool(asked.get("stream")), shape.count(asked))
            api.bill.append(line)
            if line.stream:
                self._stream(shape, asked, line, manner, released)
            else:
                self._whole(shape, asked, line, manner, released)
            return None

        def _has_key(self) -> bool:
            given = self.headers.get("Authorization", "").removeprefix("Bearer ")
            return api.key in (given, self.headers.get("x-api-key"))

        def _refuse(self, fault: Fault) -> None:
            status, message, kind = _REFUSALS[fault]
            error = {"message": message, "type": kind, "code": kind}
            self._say(status, {"type": "error", "error": error})

        def _whole(
            self,
            shape: Shape,
            asked: dict[str, Any],
            line: Billed,
            manner: Manner,
            released: threading.Event,
        ) -> None:
            words = _words(api, manner, asked)
            if manner.fault is Fault.STALL:
                line.output = min(manner.after, len(words))
                return self._hang(released)
            time.sleep(manner.pace_s * len(words))
            line.output, line.whole = len(words), True
            if manner.fault is Fault.CUT:
                return self._hang_up()
            self._say(200, shape.whole(asked["model"], words, line.input))
            return None

        def _stream(
            self,
            shape: Shape,
            asked: dict[str, Any],
            line: Billed,
            manner: Manner,
            released: threading.Event,
        ) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            words = _words(api, manner, asked)
            try:
                self._events(shape.begin(asked, line.input))
                for index, word in enumerate(words):
                    if index == manner.after and manner.fault is Fault.STALL:
                        return self._hang(released)
                    if index == manner.after and manner.fault is Fault.CUT:
                        return self._hang_up()
                    # Billed first: the token was made, whether or not it can still be sent.
                    line.output += 1
                    self._events([shape.token(asked, word)])
                    time.sleep(manner.pace_s)
                line.whole = True
                self._events(shape.end(asked, line.input, len(words)))
                self.wfile.write(b"0\r\n\r\n")
            except _Gone:
                self.close_connection = True
            return None

        def _events(self, events: Iterator[str] | list[str]) -> None:
            try:
                for event in events:
                    data = event.encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
            except OSError:
                raise _Gone from None

        def _hang(self, released: threading.Event) -> None:
            """Until the client goes, or the test lets everybody go."""
            self.close_connection = True
            self.connection.settimeout(0.05)
            while not released.is_set():
                try:
                    if self.connection.recv(1) == b"":
                        return
                except TimeoutError:
                    continue
                except OSError:
                    return

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def _say(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if status == 429:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _words(api: HostedApi, manner: Manner, asked: dict[str, Any]) -> list[str]:
    most = asked.get("max_tokens") or asked.get("max_completion_tokens") or manner.tokens
    words = [api.words[index % len(api.words)] for index in range(min(manner.tokens, most))]
    return [word if index == 0 else f" {word}" for index, word in enumerate(words)]
