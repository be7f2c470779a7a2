"""The few pieces of ASGI that stand between a server and LiteLLM's application."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from provision.gateway.answers import HOSTED, TIER, Answer, Refused, broken_stream, error
from provision.gateway.stale import Assembler

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BYTES = 104_857_600  # the front's own limit is at most that
_STREAM_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (TIER.encode(), HOSTED.encode()),
)
_BROKEN = b'data: {"error"'


def headers_of(scope: Scope) -> dict[str, str]:
    """Names in small letters; of a name that comes twice, the last value."""
    return {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def body_of(receive: Receive) -> bytes:
    """The whole body. Raises Refused when it is too long, or its client gone."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(error(400, "bad_request", "The body did not arrive."))
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            raise Refused(error(413, "request_too_large", "The request body is too large."))
        if not message.get("more_body"):
            return b"".join(parts)


async def say(send: Send, answer: Answer) -> None:
    """Send a whole answer."""
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def inner_scope(scope: Scope, path: str, body: bytes, headers: dict[str, str]) -> Scope:
    """A request of the same connection, with headers of our own: nothing of the client's."""
    named = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    encoded = [(name.encode(), value.encode()) for name, value in named.items()]
    ours = {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
    return {**scope, **ours, "headers": encoded}


def replay(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, and then whatever else comes: the client hanging up."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


class Relay:
    """Takes LiteLLM's answer: good streams go on to the client, all else is kept to be looked at.

    In a stream the model has the *name* by which its client knows it, whichever of LiteLLM's
    *groups* answers. *translate* makes of each event what its client expects; *assembler* hears
    everything that goes on.
    """

    def __init__(
        self,
        send: Send,
        *,
        stream: bool,
        name: str,
        groups: Iterable[str],
        translate: Callable[[bytes], bytes],
        assembler: Assembler | None,
    ) -> None:
        self._send = send
        self._stream = stream
        self._name = _model_field(name)
        self._groups = [_model_field(group) for group in groups if group != name]
        self._translate = translate
        self._assembler = assembler
        self._parts: list[bytes] = []
        self.status = 0
        self.begun = False
        self.broken = False
        self.ended = False

    @property
    def body(self) -> bytes:
        """What was kept."""
        return b"".join(self._parts)

    async def send(self, message: Message) -> None:
        """One message of LiteLLM's."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._stream and self.status == 200:
                await self._begin()
        elif message["type"] == "http.response.body":
            await self._body(message.get("body", b""), more=bool(message.get("more_body")))

    async def break_off(self) -> None:
        """End a stream that has begun, and say that it is not whole."""
        if self.begun and not self.ended:
            self.broken = True
            await self._body(broken_stream(), more=False)

    async def _begin(self) -> None:
        self.begun = True
        start = {"type": "http.response.start", "status": 200, "headers": list(_STREAM_HEADERS)}
        await self._send(start)

    async def _body(self, data: bytes, *, more: bool) -> None:
        self.ended = not more
        if not self.begun:
            self._parts.append(data)
            return
        if data.startswith(_BROKEN):
            self.broken, data = True, broken_stream()
        for group in self._groups:
            data = data.replace(group, self._name)
        data = self._translate(data)
        if self._assembler is not None:
            self._assembler.feed(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


def _model_field(name: str) -> bytes:
    """As LiteLLM writes it. In a text it can't stand: there its quotes are escaped."""
    return f'"model":{json.dumps(name, ensure_ascii=False)}'.encode()
