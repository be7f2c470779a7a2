"""Answers 503, with the reason, while no worker serves: nobody's request hangs meanwhile."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from provision.gateway.answers import BUSY_S, error

_LOOK_S = 0.1
_READ_S = 1.0
_MOST_BYTES = 65_536


class Waiting:
    """A thread that accepts on the gateway's own socket until :meth:`stop`."""

    def __init__(self, listener: socket.socket, reason: Callable[[], str]) -> None:
        self._listener = listener
        self._reason = reason
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread is None:
            self._over.clear()
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; the socket stays open for others."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        while not self._over.is_set():
            readable, _, _ = select.select([self._listener], [], [], _LOOK_S)
            if readable:
                # Another process may have taken the connection since.
                with suppress(BlockingIOError, OSError):
                    connection, _ = self._listener.accept()
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(_READ_S)
            connection.recv(_MOST_BYTES)
            answer = error(503, "not_ready", self._reason(), retry_after_s=BUSY_S)
            head = [f"HTTP/1.1 {answer.status} Service Unavailable", "connection: close"]
            head += [f"{name}: {value}" for name, value in answer.headers]
            head.append(f"content-length: {len(answer.body)}")
            connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + answer.body)
            connection.shutdown(socket.SHUT_WR)
