"""A DNS server on loopback: knows the names that it is told, and nothing else."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_HEAD = struct.Struct(">HHHHHH")
_A_RECORD = struct.Struct(">HHHIH")
_KNOWN, _UNKNOWN = 0x8180, 0x8183  # an answer; an answer that there is no such name


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

    def answer(self, question: bytes) -> bytes:
        """The answer to one question for an address."""
        number, *_ = _HEAD.unpack_from(question)
        name, end = _name(question, _HEAD.size)
        self.asked.append(name)
        found = self.addresses.get(name, [])
        head = _HEAD.pack(number, _KNOWN if found else _UNKNOWN, 1, len(found), 0, 0)
        # 0xC00C points back to the name in the question; the record may be kept for a second.
        records = [
            _A_RECORD.pack(0xC00C, 1, 1, 1, 4) + socket.inet_aton(address) for address in found
        ]
        return head + question[_HEAD.size : end + 4] + b"".join(records)


def _name(message: bytes, at: int) -> tuple[str, int]:
    labels = []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels), at + 1


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
            server.sendto(names.answer(question), asker)
