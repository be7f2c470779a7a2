"""The door, with something else behind it than LiteLLM: what passes, and what is said instead."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from provision.gateway.app import Door
from provision.gateway.books import Books
from provision.gateway.cupboard import Cupboard
from provision.gateway.errors import StoreUnreachable
from provision.gateway.events import Events
from provision.gateway.ledger import Ledger
from provision.gateway.money import Price, Tokens
from provision.gateway.priorities import Priorities
from provision.gateway.settings import Caps, Provider, Settings
from provision.gateway.spender import Spender
from provision.gateway.stale import Kept
from tests.gateway.test_spender import NOW, FakeCounter

HOP = "sk-hop-x"
FRONT = {"authorization": f"Bearer {HOP}", "x-key-name": "team-a"}
SETTINGS = Settings(
    environment="test",
    region="us-east-1",
    names=("mistral-7b", "org/mistral"),
    longest_tokens=20,
    providers=(
        Provider("openai/a", "mistral-7b", Price(Decimal("0.01"), Decimal("0.01"))),
        Provider("openai/b", "mistral-7b, 2", Price(Decimal("0.01"), Decimal("0.01"))),
    ),
    caps=Caps("spend", 1000, None, False, 0),
    stale=None,
    keys_secret="keys",
    answer_s=5.0,
    listen=("127.0.0.1", 0),
    run="/nowhere",
    max_requests=10,
    max_rss_mib=10,
    aws_endpoint_url=None,
    litellm="",
)
ANSWER = {
    "id": "1",
    "created": 1,
    "model": "mistral-7b, 2",
    "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}],
    "usage": {},
}
CHUNK = {"id": "1", "created": 1, "model": "mistral-7b, 2", "choices": []}


@dataclass
class Inner:
    """Stands where LiteLLM stands. *events* make a stream; *then* happens after them."""

    status: int = 200
    body: Any = field(default_factory=lambda: dict(ANSWER))
    events: tuple[bytes, ...] = ()
    then: Callable[[], Awaitable[None]] | None = None
    got: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        message = await receive()
        self.got.append((headers, json.loads(message["body"])))
        self.paths.append(scope["path"])
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        for event in self.events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        if self.then is not None:
            await self.then()
        data = b"" if self.events else json.dumps(self.body).encode()
        await send({"type": "http.response.body", "body": data})


@dataclass
class MemoryStore:
    """Kept answers in a dictionary; *away* it can't be reached."""

    kept: dict[str, Kept] = field(default_factory=dict)
    away: bool = False

    def get(self, key: str) -> Kept | None:
        if self.away:
            raise StoreUnreachable("away")
        return self.kept.get(key)

    def put(self, key: str, kept: Kept) -> None:
        if self.away:
            raise StoreUnreachable("away")
        self.kept[key] = kept


@dataclass
class Said:
    """What the client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


class House:
    """The door with everything around it."""

    def __init__(self, inner: Inner, **changes: Any) -> None:
        settings = replace(SETTINGS, **changes)
        self.inner = inner
        self.counter = FakeCounter()
        self.ledger = Ledger({one.name: one.price for one in settings.providers})
        self.store = MemoryStore()
        self.log = io.StringIO()
        self.now = NOW
        events = Events("test", lambda: self.now, self.log)
        self.spender = Spender(self.counter, settings.caps, lambda: self.now)
        self.books = Books(
            settings,
            ledger=self.ledger,
            spender=self.spender,
            events=events,
            now=lambda: self.now,
        )
        self.door = Door(
            settings,
            hop=HOP,
            inner=inner,
            books=self.books,
            cupboard=Cupboard(self.store, 3600, lambda: self.now),
            priorities=Priorities(Path("/nowhere/keys.json")),
            now=lambda: self.now,
        )

    async def ask(
        self,
        body: Any = None,
        *,
        path: str = "/v1/chat/completions",
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> Said:
        usual = {"model": "mistral-7b", "messages": [{"role": "user", "content": "hi"}]}
        data = body if isinstance(body, bytes) else json.dumps({**usual, **(body or {})}).encode()
        pending = [{"type": "http.request", "body": data, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> Any:
            return pending.pop() if pending else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        named = FRONT if headers is None else {**FRONT, **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(k.encode(), v.encode()) for k, v in named.items()],
        }
        await self.door(scope, receive, send)
        start, *rest = sent
        return Said(
            start["status"],
            {name.decode(): value.decode() for name, value in start["headers"]},
            b"".join(message.get("body", b"") for message in rest),
        )

    async def settle(self) -> list[dict[str, Any]]:
        """Everything that is over, and the log."""
        await self.books.collect()
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def done(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


def test_litellm_gets_a_request_of_our_own_making() -> None:
    """Its key, an id to count by, the first group's name; nothing of the client's headers."""

    async def story() -> None:
        house = House(Inner())
        said = await house.ask({"temperature": 1, "api_base": "x"}, headers={"x-evil": "1"})
        (headers, body) = house.inner.got[0]
        assert set(headers) == {
            "content-type",
            "content-length",
            "authorization",
            "x-litellm-call-id",
        }
        assert headers["authorization"] == f"Bearer {HOP}"
        assert set(body) == {"model", "messages", "temperature", "max_tokens", "stream"}
        assert body["model"] == "mistral-7b"
        assert said.headers["x-llm-tier"] == "hosted"
        assert json.loads(said.body)["model"] == "mistral-7b"

    done(story)


def test_the_model_keeps_the_name_that_the_client_used() -> None:
    """In streams, too, whoever answers."""

    async def story() -> None:
        event = b'data: {"model":"mistral-7b, 2","choices":[]}\n\n'
        house = House(Inner(events=(event, b"data: [DONE]\n\n")))
        said = await house.ask({"stream": True, "model": "org/mistral"})
        assert said.body == b'data: {"model":"org/mistral","choices":[]}\n\ndata: [DONE]\n\n'
        assert said.headers["content-type"] == "text/event-stream"

    done(story)


def test_a_stream_that_breaks_says_so_in_our_words() -> None:
    """LiteLLM's own message names providers and exceptions."""

    async def story() -> None:
        error = b'data: {"error": {"message": "litellm.Timeout: OpenAIException"}}\n\n'
        house = House(Inner(events=(b"data: {}\n\n", error)))
        said = await house.ask({"stream": True})
        assert b"litellm" not in said.body
        assert b"stream_broken" in said.body
        assert (await house.settle())[-1]["tier"] == "broken"

    done(story)


def test_a_stream_that_never_ends_is_ended() -> None:
    """No answer takes longer than its reservation lives."""

    async def story() -> None:
        house = House(Inner(events=(b"data: {}\n\n",), then=forever), answer_s=0.05)
        said = await house.ask({"stream": True})
        assert b"stream_broken" in said.body

    done(story)


def test_an_answer_that_never_comes_is_an_error() -> None:
    """The client is told, and may ask again."""

    async def story() -> None:
        house = House(Inner(then=forever), answer_s=0.05)
        said = await house.ask()
        assert (said.status, said.code) == (503, "providers_failed")

    done(story)


@pytest.mark.parametrize("stream", [True, False])
def test_litellm_may_stumble(stream: bool) -> None:
    """Its exceptions are no reason to leave a client without an answer."""

    async def story() -> None:
        events = (b"data: {}\n\n",) if stream else ()
        house = House(Inner(events=events, then=stumble))
        said = await house.ask({"stream": stream})
        assert b"stream_broken" in said.body if stream else said.code == "providers_failed"
        assert "litellm-raised" in [event["event"] for event in await house.settle()]

    done(story)


@pytest.mark.parametrize(
    ("status", "message", "seen"),
    [
        (400, "litellm.BadRequestError: OpenAIException - too long. Received Model Group=m",
         (400, "bad_request", "The hosted API refused the request: too long.")),
        (401, "Incorrect API key provided: sk-prov",
         (503, "providers_failed", "No hosted API answers right now.")),
        (429, "No deployments available",
         (503, "providers_failed", "No hosted API answers right now.")),
        (500, "boom", (503, "providers_failed", "No hosted API answers right now.")),
    ],
)  # fmt: skip
def test_errors_are_the_client_s_or_the_providers(
    status: int, message: str, seen: tuple[int, str, str]
) -> None:
    """A provider that takes no key is not the client's business."""

    async def story() -> None:
        said = await House(Inner(status, {"error": {"message": message}})).ask()
        found = json.loads(said.body)["error"]
        assert (said.status, found["code"], found["message"]) == seen
        assert said.headers["x-llm-tier"] == "none"

    done(story)


@pytest.mark.parametrize("header", ["1", "0", ""])
def test_what_is_local_only_goes_no_further(header: str) -> None:
    """Whatever the header says: it is there."""

    async def story() -> None:
        house = House(Inner())
        said = await house.ask(headers={"x-llm-local-only": header})
        assert (said.status, said.code) == (503, "local_only")
        assert house.inner.got == []
        assert house.counter.asked == 0

    done(story)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/models", "GET", 200),
        ("/v1/models", "POST", 404),
        ("/v1/chat/completions", "GET", 404),
        ("/v1//chat/completions", "POST", 404),
        ("/chat/completions", "POST", 404),
        ("/health/readiness", "GET", 200),
        ("/health", "GET", 404),
    ],
)
def test_three_paths_and_readiness(path: str, method: str, status: int) -> None:
    """LiteLLM has hundreds; none of the others is reached."""

    async def story() -> None:
        house = House(Inner())
        said = await house.ask(path=path, method=method)
        assert said.status == status
        assert house.inner.got == []

    done(story)


def test_without_the_hop_secret_nothing_is_answered() -> None:
    """But readiness, which the load balancer asks for."""

    async def story() -> None:
        house = House(Inner())
        assert (await house.ask(headers={"authorization": "Bearer x"})).status == 401
        ready = await house.ask(path="/health/readiness", headers={"authorization": ""})
        assert ready.status == 200

    done(story)


def test_nothing_is_passed_on_that_is_not_paid_for() -> None:
    """The day's cap, and a counter that is away."""

    async def story() -> None:
        house = House(Inner())
        spent = await house.ask({"max_tokens": 20}, headers={"x": "y" * 20})
        assert spent.status == 200
        dear = House(Inner(), providers=(
            Provider("openai/a", "mistral-7b", Price(Decimal(1), Decimal(1))),))  # fmt: skip
        refused = await dear.ask()
        assert (refused.status, refused.code) == (503, "budget_spent")
        assert int(refused.headers["retry-after"]) == 86_400 - int(NOW) % 86_400
        house.counter.away = True
        unknown = await house.ask()
        assert (unknown.status, unknown.code) == (503, "spend_unknown")
        assert len(house.inner.got) == 1
        assert dear.inner.got == []

    done(story)


def test_what_was_used_is_settled_with_its_key_s_name() -> None:
    """One line a request."""

    async def story() -> None:
        inner = Inner()
        house = House(inner)

        async def count() -> None:
            id = inner.got[-1][0]["x-litellm-call-id"]
            house.ledger.began(id, "openai/a")
            house.ledger.billed(id, "openai/a", Tokens(100, 100))

        inner.then = count
        await house.ask()
        (line,) = await house.settle()
        assert (line["key"], line["tier"], line["micro_usd"]) == ("team-a", "hosted", 2)
        assert house.counter.heard == [("h1", 2)]

    done(story)


def test_an_old_answer_is_better_than_none_for_who_says_so() -> None:
    """Kept when all was well, given when no provider answers, or none may be asked."""

    async def story() -> None:
        house = House(Inner())
        wish = {"x-llm-allow-stale": "1"}
        assert (await house.ask({"temperature": 0}, headers=wish)).status == 200
        await asyncio.sleep(0.05)
        house.inner.status, house.inner.body = 500, {"error": {"message": "boom"}}
        house.now += 30
        old = await house.ask({"temperature": 0}, headers=wish)
        assert (old.headers["x-llm-tier"], old.headers["x-llm-stale-age"]) == ("stale", "30")
        assert (await house.ask({"temperature": 0})).code == "providers_failed"
        house.counter.away = True
        assert (await house.ask({"temperature": 0}, headers=wish)).headers["x-llm-tier"] == "stale"
        house.now += 3600
        house.counter.away = False
        assert (await house.ask({"temperature": 0}, headers=wish)).code == "providers_failed"
        assert [event["event"] for event in await house.settle()].count("stale") == 2

    done(story)


def test_a_store_that_is_away_keeps_nobody_waiting() -> None:
    """Answers are given as ever, and old ones are not there."""

    async def story() -> None:
        house = House(Inner())
        house.store.away = True
        wish = {"x-llm-allow-stale": "1"}
        assert (await house.ask({"temperature": 0}, headers=wish)).status == 200
        house.inner.status = 500
        assert (await house.ask({"temperature": 0}, headers=wish)).code == "providers_failed"

    done(story)


async def forever() -> None:
    await asyncio.sleep(60)


async def stumble() -> None:
    raise RuntimeError("a bug of LiteLLM's")
