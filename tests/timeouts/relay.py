"""A wire that takes its time: what is sent arrives later, the end of a connection too."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

HOST = "127.0.0.1"


@contextmanager
def wire(target: int, delay_s: float) -> Iterator[int]:
    """A port of loopback from which TCP is passed on to *target*, each way *delay_s* late."""
    open_: list[socket.socket] = []
    listener = socket.create_server((HOST, 0))
    accepting = threading.Thread(target=_accept, args=(listener, target, delay_s, open_))
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        for one in (listener, *open_):
            _hang_up(one)
        accepting.join()
        for one in open_:
            one.close()


def _accept(
    listener: socket.socket, target: int, delay_s: float, open_: list[socket.socket]
) -> None:
    ways = []
    with listener, suppress(OSError):
        while True:
            here, _ = listener.accept()
            open_.append(here)
            try:
                there = socket.create_connection((HOST, target))
            except OSError:
                _hang_up(here)
                continue
            open_.append(there)
            for pair in ((here, there), (there, here)):
                ways.append(threading.Thread(target=_pass, args=(*pair, delay_s)))
                ways[-1].start()
    for way in ways:
        way.join()


def _pass(reading: socket.socket, writing: socket.socket, delay_s: float) -> None:
    """Each piece as late as the wire is long, its end too."""
    under_way: SimpleQueue[tuple[float, bytes]] = SimpleQueue()

    def deliver() -> None:
        with suppress(OSError):
            while True:
                due, piece = under_way.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    break
                writing.sendall(piece)
        _hang_up(writing)
        _hang_up(reading)

    delivering = threading.Thread(target=deliver)
    delivering.start()
    piece = b"x"
    while piece:
        try:
            piece = reading.recv(65536)
        except OSError:
            piece = b""
        under_way.put((time.monotonic() + delay_s, piece))
    delivering.join()


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
