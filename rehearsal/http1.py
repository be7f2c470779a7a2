"""HTTP/1.1 messages on asyncio streams, as a proxy needs them: heads parsed, bodies passed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

MAX_HEAD = 64 * 1024
PIECE = 64 * 1024
HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "upgrade", "te"})


class BadMessage(Exception):
    """A peer that does not speak HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line's three words, and the headers as they came."""

    first: tuple[str, str, str]
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """A header's value, the name in any case."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), None)

    def without(self, *names: str) -> Head:
        """The head without these headers (lower case)."""
        return replace(self, headers=tuple(h for h in self.headers if h[0].lower() not in names))

    def adding(self, *headers: tuple[str, str]) -> Head:
        """The head with more headers at its end."""
        return replace(self, headers=(*self.headers, *headers))

    def wants_close(self) -> bool:
        """Whether the connection ends after this message."""
        said = (self.get("connection") or "").lower()
        old = "HTTP/1.0" in (self.first[0], self.first[2])
        return "close" in said or (old and "keep-alive" not in said)

    def encode(self) -> bytes:
        """The head on the wire."""
        lines = [" ".join(self.first), *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    @property
    def status(self) -> int:
        """An answer's status code."""
        return int(self.first[1])


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next message's head; None when the peer closed between messages."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise BadMessage("a head cut short") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise BadMessage("a head too long") from error
    lines = raw.decode("latin-1").strip("\r\n").split("\r\n")
    words = (*lines[0].split(" ", 2), "", "")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadMessage(f"not a header: {line!r}")
        headers.append((name.strip(), value.strip()))
    if "HTTP/" not in words[0] + words[2]:
        raise BadMessage(f"not HTTP: {lines[0]!r}")
    return Head((words[0], words[1], words[2]), tuple(headers))


def request_body(head: Head, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The request's body in pieces, framed as it came."""
    if "chunked" in (head.get("transfer-encoding") or "").lower():
        return _chunks(reader)
    return _exactly(reader, int(head.get("content-length") or 0))


def answer_body(
    method: str, head: Head, reader: asyncio.StreamReader
) -> tuple[AsyncIterator[bytes], bool]:
    """The answer's body in pieces, and whether it ends only when the connection does."""
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return _exactly(reader, 0), False
    if "chunked" in (head.get("transfer-encoding") or "").lower():
        return _chunks(reader), False
    if (length := head.get("content-length")) is not None:
        return _exactly(reader, int(length)), False
    return _until_end(reader), True


async def _exactly(reader: asyncio.StreamReader, length: int) -> AsyncIterator[bytes]:
    while length:
        piece = await reader.read(min(length, PIECE))
        if not piece:
            raise BadMessage("a body cut short")
        length -= len(piece)
        yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        line = await _line(reader)
        yield line
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        async for piece in _exactly(reader, size + 2):
            yield piece
    while True:
        trailer = await _line(reader)
        yield trailer
        if trailer == b"\r\n":
            return


async def _line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise BadMessage("a chunk cut short")
    return line


async def _until_end(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(PIECE):
        yield piece
