"""The gateway's door: what may pass, what it may cost, who answered, and what is said when nobody.

It stands before LiteLLM's application in the same process, and is the only way to it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from provision.gateway import stale
from provision.gateway.answers import BUSY_S, HOSTED, NOBODY, Answer, Refused, error, tokens, whole
from provision.gateway.asgi import (
    App,
    Receive,
    Relay,
    Scope,
    Send,
    body_of,
    headers_of,
    inner_scope,
    replay,
    say,
)
from provision.gateway.books import Books
from provision.gateway.completion import as_chat, event_from_chat, from_chat
from provision.gateway.counter import until_midnight
from provision.gateway.cupboard import Cupboard
from provision.gateway.priorities import Priorities
from provision.gateway.request import CHAT, COMPLETION, PATHS, Asked, read
from provision.gateway.settings import Settings
from provision.gateway.spender import No
from provision.gateway.stale import Assembler

READINESS = "/health/readiness"
MODELS = "/v1/models"
LOCAL_ONLY = "x-llm-local-only"
KEY_NAME = "x-key-name"
CALL_ID = "x-litellm-call-id"
# The client's own fault, whoever is asked; anything else is a provider's.
_CLIENT_S = (400, 413, 422)


@dataclass(frozen=True, slots=True)
class _Case:
    """One request on its way. *place* is where an old answer would be, None: not wanted."""

    asked: Asked
    key_name: str
    place: str | None


class Door:
    """An ASGI application before *inner*, LiteLLM's."""

    def __init__(
        self,
        settings: Settings,
        *,
        hop: str,
        inner: App,
        books: Books,
        priorities: Priorities,
        cupboard: Cupboard,
        now: Callable[[], float],
        missing_keys: tuple[str, ...] = (),
    ) -> None:
        self._settings = settings
        self._hop = hop
        self._inner = inner
        self._books = books
        self._priorities = priorities
        self._cupboard = cupboard
        self._now = now
        self._missing_keys = missing_keys
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
        elif scope["type"] == "http":
            try:
                answer = await self._route(scope, receive, send)
            except Refused as refused:
                answer = refused.answer
            if answer is not None:
                await say(send, answer)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> Answer | None:
        """An answer; None when it was sent already."""
        path, method, headers = scope["path"], scope["method"], headers_of(scope)
        if path == READINESS:
            return self._readiness()
        given = headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self._hop}".encode()):
            raise Refused(error(401, "invalid_api_key", "Only the front asks here."))
        if path == MODELS and method == "GET":
            return self._models()
        if path not in PATHS or method != "POST":
            raise Refused(error(404, "unknown_url", "No such path here."))
        if LOCAL_ONLY in headers:
            message = "The request must not leave the fleet, and the fleet does not answer."
            raise Refused(error(503, "local_only", message, retry_after_s=BUSY_S))
        self.requests += 1
        return await self._ask(scope, receive, send, headers)

    def _readiness(self) -> Answer:
        ready = [one.name for one in self._settings.providers if one.name not in self._missing_keys]
        body = {"ready": True, "providers": ready, "without_key": list(self._missing_keys)}
        return whole(200, body, NOBODY)

    def _models(self) -> Answer:
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "llm-fleet"}
            for name in self._settings.names
        ]
        return whole(200, {"object": "list", "data": data}, HOSTED)

    async def _ask(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]
    ) -> Answer | None:
        settings, name = self._settings, headers.get(KEY_NAME, "")
        asked = read(
            scope["path"],
            await body_of(receive),
            names=settings.names,
            longest_tokens=settings.longest_tokens,
        )
        case = _Case(asked, name, self._cupboard.place(asked, headers.get(stale.WISH, ""), name))
        id = uuid.uuid4().hex
        no = await self._books.open(id, asked, name, self._priorities.of(name))
        if no is not None:
            return await self._old(case) or self._not_paid(no)
        try:
            answer = await self._pass_on(id, case, scope, receive, send)
        finally:
            self._books.close(id)
        return answer

    async def _pass_on(
        self, id: str, case: _Case, scope: Scope, receive: Receive, send: Send
    ) -> Answer | None:
        assembler = Assembler() if case.place and case.asked.stream else None
        relay = Relay(
            send,
            stream=case.asked.stream,
            name=case.asked.name,
            groups=[one.group for one in self._settings.providers],
            translate=event_from_chat if case.asked.path == COMPLETION else bytes,
            assembler=assembler,
        )
        body = json.dumps(self._for_litellm(case.asked)).encode()
        headers = {"authorization": f"Bearer {self._hop}", CALL_ID: id}
        inner = inner_scope(scope, CHAT, body, headers)
        try:
            async with asyncio.timeout(self._settings.answer_s):
                await self._inner(inner, replay(body, receive), relay.send)
        except TimeoutError:
            await relay.break_off()
        except (
            Exception
        ) as error:  # LiteLLM's own: it is no reason to leave a client without answer
            self._books.raised(id, error)
            await relay.break_off()
        if relay.begun:
            self._books.answered(id, "broken" if relay.broken else HOSTED)
            if assembler is not None:
                self._cupboard.keep(case.place, assembler.whole(case.asked))
            return None
        return await self._look_at(id, case, relay)

    async def _look_at(self, id: str, case: _Case, relay: Relay) -> Answer:
        """An answer in one piece, or what no provider gave."""
        if relay.status == 200 and relay.ended:
            said = json.loads(relay.body)
            if case.asked.path == COMPLETION:
                said = from_chat(said)
            said["model"] = case.asked.name
            self._books.answered(id, HOSTED)
            self._cupboard.keep(case.place, said)
            return whole(200, said, HOSTED, **tokens(said))
        if relay.status in _CLIENT_S:
            message = f"The hosted API refused the request: {_reason(relay.body)}"
            return error(400, "bad_request", message)
        old = await self._old(case)
        self._books.answered(id, "stale" if old else NOBODY)
        message = "No hosted API answers right now."
        return old or error(503, "providers_failed", message, retry_after_s=BUSY_S)

    async def _old(self, case: _Case) -> Answer | None:
        old = await self._cupboard.find(case.place, case.asked)
        if old is not None:
            self._books.gave_stale(case.key_name)
        return old

    def _for_litellm(self, asked: Asked) -> dict[str, Any]:
        body = as_chat(asked.body) if asked.path == COMPLETION else dict(asked.body)
        body |= {"model": self._settings.providers[0].group, "stream": asked.stream}
        if asked.with_usage:
            body["stream_options"] = {"include_usage": True}
        return body

    def _not_paid(self, no: No) -> Answer:
        if no is No.SPENT:
            message = "What hosted APIs may cost is spent."
            wait_s = until_midnight(self._now())
            return error(503, "budget_spent", message, retry_after_s=wait_s)
        message = "Nobody knows what was spent, so no hosted API is asked."
        return error(503, "spend_unknown", message, retry_after_s=BUSY_S)


def _reason(body: bytes) -> str:
    """A provider's own words, without what LiteLLM says around them."""
    try:
        message = str(json.loads(body)["error"]["message"])
    except (LookupError, TypeError, ValueError):
        return "it does not say why."
    return message.partition("Received Model Group")[0].rpartition("Exception - ")[2].strip()[:300]
