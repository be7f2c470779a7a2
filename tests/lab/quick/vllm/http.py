"""As much of HTTP/1.1 as a front and an agent speak with an engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

MAX_HEAD = 65536


@dataclass(frozen=True)
class Request:
    """One request, read whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer:
    """Where the answer to one request goes, whole or piece by piece."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.status = 0

    @property
    def client_left(self) -> bool:
        """The client hung up."""
        return self._reader.at_eof() or self._writer.is_closing()

    def document(self, status: int, body: Any) -> None:
        """The whole answer as JSON."""
        self.text(status, json.dumps(body), kind="application/json")

    def text(self, status: int, body: str, *, kind: str = "text/plain; charset=utf-8") -> None:
        """The whole answer."""
        data = body.encode()
        self._head(status, kind, f"content-length: {len(data)}")
        self._writer.write(data)

    def open_stream(self) -> None:
        """The head of a stream: it comes at once, long before the first event."""
        self._head(200, "text/event-stream; charset=utf-8", "transfer-encoding: chunked")

    async def event(self, text: str) -> None:
        """One event of a stream."""
        data = f"data: {text}\n\n".encode()
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self._writer.drain()

    def end(self) -> None:
        """The end of a stream."""
        self._writer.write(b"0\r\n\r\n")

    def _head(self, status: int, kind: str, length: str) -> None:
        self.status = status
        lines = [f"HTTP/1.1 {status} X", "server: uvicorn", f"content-type: {kind}", length]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())


Handle = Callable[[Request, Answer], Awaitable[None]]


async def serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    handle: Handle,
    *,
    keepalive_s: float,
) -> None:
    """Answer what comes over one connection; closed when nothing came for *keepalive_s*.

    As with uvicorn, the first request may take its time; only between two of them the clock runs.
    """
    patience: float | None = None
    try:
        while request := await _read(reader, patience):
            await handle(request, Answer(reader, writer))
            await writer.drain()
            if request.headers.get("connection", "").lower() == "close":
                return
            patience = keepalive_s
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader, patience: float | None) -> Request | None:
    async with asyncio.timeout(patience):
        first = await reader.readline()
    if not first:
        return None
    method, path, _ = first.decode().split(" ", 2)
    headers: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path.partition("?")[0], headers, body)
