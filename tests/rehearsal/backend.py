"""A target for the load balancer under test, and a client that sees what it answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rehearsal.http1 import Head, answer_body, read_head, request_body

Answer = Callable[["Backend", Head, bytes, asyncio.StreamWriter], Awaitable[None]]
HOST = "127.0.0.1"


async def hello(backend: Backend, head: Head, body: bytes, writer: asyncio.StreamWriter) -> None:
    """Answers with the backend's name."""
    del head, body
    writer.write(whole(200, backend.name.encode()))


def whole(status: int, body: bytes) -> bytes:
    """An answer of known length."""
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Backend:
    """One target: ``seen`` are the requests that reached it, ``status`` its health."""

    name: str
    answer: Answer = hello
    status: int = 200
    seen: list[tuple[Head, bytes]] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer every request of one connection."""
        counted = False
        try:
            while head := await read_head(reader):
                pieces = [piece async for piece in request_body(head, reader)]
                if head.first[1] == "/health":
                    writer.write(whole(self.status, b""))
                else:
                    self.connections += 0 if counted else 1
                    counted = True
                    self.seen.append((head, b"".join(pieces)))
                    await self.answer(self, head, b"".join(pieces), writer)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(*backends: Backend) -> AsyncIterator[None]:
    """The backends, listening on ports of their own."""
    servers = []
    for backend in backends:
        server = await asyncio.start_server(backend.serve, HOST, 0)
        backend.port = server.sockets[0].getsockname()[1]
        servers.append(server)
    try:
        yield
    finally:
        for server in servers:
            server.close()


@dataclass
class Client:
    """One client connection to the load balancer."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def connect(cls, port: int) -> Client:
        """Open a connection."""
        return cls(*await asyncio.open_connection(HOST, port))

    async def send(
        self, path: str = "/v1/x", *, method: str = "GET", body: bytes = b"", **headers: str
    ) -> None:
        """Send one request; header names with ``_`` for ``-``."""
        lines = [("Host", "lb"), ("Content-Length", str(len(body)))]
        lines += [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.writer.write(Head((method, path, "HTTP/1.1"), tuple(lines)).encode() + body)
        await self.writer.drain()

    async def head(self) -> Head:
        """The answer's head."""
        head = await read_head(self.reader)
        assert head is not None, "the load balancer closed the connection"
        return head

    async def answer(self) -> tuple[int, bytes]:
        """The whole answer: status and body."""
        head = await self.head()
        pieces, _ = answer_body("GET", head, self.reader)
        return head.status, b"".join([piece async for piece in pieces])

    def close(self) -> None:
        """Hang up."""
        self.writer.close()


async def ask(port: int, path: str = "/v1/x", **headers: str) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    client = await Client.connect(port)
    try:
        await client.send(path, method="GET", body=b"", **headers)
        return await client.answer()
    finally:
        client.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
