"""A DNS server on loopback: knows the names that it is told, and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rehearsal.names import answer

_TTL_S = 1  # tests change names


@dataclass
class Names:
    """Addresses by name. *port* is where it is asked; *asked* what it was asked for."""

    addresses: dict[str, list[str]] = field(default_factory=dict)
    silent: bool = False
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def resolver(self) -> str:
        """As nginx is told."""
        return f"127.0.0.1:{self.port}"

    def lookup(self, name: str) -> list[str]:
        """The addresses of a name; none where there is no such name."""
        self.asked.append(name)
        return self.addresses.get(name, [])


@contextmanager
def dns(**addresses: list[str]) -> Iterator[Names]:
    """A server until the end of the block; ``__`` in a name stands for a dot."""
    names = Names({name.replace("__", "."): found for name, found in addresses.items()})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.05)
        names.port = server.getsockname()[1]
        ended = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, names, ended))
        thread.start()
        try:
            yield names
        finally:
            ended.set()
            thread.join()


def _serve(server: socket.socket, names: Names, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            question, asker = server.recvfrom(512)
        except TimeoutError:
            continue
        if not names.silent:
            server.sendto(answer(question, names.lookup, ttl_s=_TTL_S), asker)
