"""A paper world behind HTTP, so that real processes act on it and can be killed.

What they say travels as pickles: both ends are this test, on loopback.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from provision.errors import FleetError
from tests.paper.doors import CloudDoor, PaperClock, PaperHttp, Process, Room
from tests.paper.shell import PaperShell


class Doors:
    """What one process beyond the wire sees, by its name."""

    def __init__(self, room: Room, name: str) -> None:
        process = Process(room, name)
        self._all = {
            "cloud": CloudDoor(process),
            "clock": PaperClock(process),
            "http": PaperHttp(process),
            "shell": PaperShell(process),
        }

    def call(self, door: str, method: str, arguments: Any, options: Any) -> tuple[str, Any]:
        """``("ok", value)``, or an error in parts: not every error can be made from its text."""
        try:
            if door == "shell" and method == "stream":
                lines: list[str] = []
                result = self._all[door].stream(*arguments, lines.append)  # type: ignore[attr-defined]
                return "ok", (result, lines)
            return "ok", getattr(self._all[door], method)(*arguments, **options)
        except FleetError as error:
            return "error", (type(error), error.args, vars(error))


class Far:
    """One door of a server, as the process beyond the wire has it."""

    def __init__(self, address: tuple[str, int], process: str, door: str) -> None:
        self._address, self._process, self._door = address, process, door
        self._lines = threading.local()

    def ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        """The call's value, or its error."""
        if not hasattr(self._lines, "line"):
            self._lines.line = HTTPConnection(*self._address)
        said = pickle.dumps((self._process, self._door, method, arguments, options))
        self._lines.line.request("POST", "/", body=said)
        kind, value = pickle.loads(self._lines.line.getresponse().read())
        if kind == "ok":
            return value
        made, parts, more = value
        error = made.__new__(made, *parts)
        error.__dict__.update(more)
        raise error

    def __getattr__(self, method: str) -> Any:
        return lambda *arguments, **options: self.ask(method, *arguments, **options)


class FarShell(Far):
    """Lines of a stream come after it."""

    def stream(self, host: Any, command: Any, on_line: Any) -> Any:
        """As Shell."""
        result, lines = self.ask("stream", host, command)
        for line in lines:
            on_line(line)
        return result


@contextmanager
def serving(room: Room) -> Iterator[tuple[str, int]]:
    """The address at which the world of *room* is served."""
    known: dict[str, Doors] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = (
            True  # else each answer, sent in two parts, waits 40 ms for an ACK
        )

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            name, door, method, arguments, options = pickle.loads(self.rfile.read(size))
            if name not in known:
                known[name] = Doors(room, name)
            answer = pickle.dumps(known[name].call(door, method, arguments, options))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def handle(self) -> None:
            with suppress(ConnectionError):  # whoever asked was killed
                super().handle()

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield ("127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
