"""The network's own names: what Cloud Map knows, told as DNS tells it, and nothing else."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

from rehearsal.processes import MachineError

PORT = 53
TTL_S = 10
Lookup = Callable[[str], Sequence[str]]
_HEAD = struct.Struct(">HHHHHH")
_KIND = struct.Struct(">H")
_RECORD = struct.Struct(">HHHIH")
_KNOWN, _UNKNOWN, _BROKEN = 0x8180, 0x8183, 0x8182  # there is one; there is none; ask again
_ADDRESS = 1  # the kind of record: IPv4
_NAME_ABOVE = 0xC00C  # points back to the question's name


class NameServer:
    """Answers questions for addresses at *address*; *lookup* knows them."""

    def __init__(
        self, address: str, lookup: Lookup, say: Callable[[str], None], *, port: int = PORT
    ) -> None:
        self._lookup, self._say = lookup, say
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0.2)
        try:
            self._socket.bind((address, port))
        except OSError as error:
            self._socket.close()
            raise MachineError(
                f"names can't be told at {address}:{port}: {error}",
                hint="another DNS server of this machine listens on all addresses",
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="names", daemon=True)

    def start(self) -> NameServer:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the door."""
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                question, asker = self._socket.recvfrom(512)
                self._socket.sendto(answer(question, self._lookup), asker)
            except TimeoutError:
                continue
            except Exception as error:  # somebody's nonsense must not end it
                self._say(f"names: {type(error).__name__}: {error}")


def answer(question: bytes, lookup: Lookup, *, ttl_s: int = TTL_S) -> bytes:
    """The answer to one question; a *lookup* that fails is told as a fault of the server.

    Whoever asked may keep it for *ttl_s*.
    """
    number, *_ = _HEAD.unpack_from(question)
    name, end = _name(question, _HEAD.size)
    (kind,) = _KIND.unpack_from(question, end)
    try:
        found, said = list(lookup(name)), _KNOWN
    except Exception:
        found, said = [], _BROKEN
    if said == _KNOWN and not found:
        said = _UNKNOWN
    records = [
        _RECORD.pack(_NAME_ABOVE, _ADDRESS, 1, ttl_s, 4) + socket.inet_aton(address)
        for address in (found if kind == _ADDRESS else ())
    ]
    head = _HEAD.pack(number, said, 1, len(records), 0, 0)
    return head + question[_HEAD.size : end + 4] + b"".join(records)


def cloud_map(discovery: Any) -> Lookup:
    """Addresses of what is registered under a name; *discovery* is Cloud Map's client."""

    def lookup(name: str) -> Sequence[str]:
        first, _, zone = name.lower().partition(".")
        spaces = {
            one["Id"] for one in discovery.list_namespaces()["Namespaces"] if one["Name"] == zone
        }
        return [
            instance["Attributes"]["AWS_INSTANCE_IPV4"]
            for service in discovery.list_services()["Services"]
            if service["Name"] == first and service["DnsConfig"].get("NamespaceId") in spaces
            for instance in discovery.list_instances(ServiceId=service["Id"])["Instances"]
        ]

    return lookup


def _name(message: bytes, at: int) -> tuple[str, int]:
    labels = []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels), at + 1
