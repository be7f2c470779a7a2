"""What a host's front does with what its engine does not answer: every case, with real nginx."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from provision.agent.out import Out
from provision.config.environment import FrontSettings
from provision.render.front import Spill
from tests.render.dns import dns
from tests.render.stubs import ANNA, BERT, Engine, Front, free_port, running_front, wait_until
from tests.render.test_front import asking

PATH = "/v1/chat/completions"
PLAIN, PROBE, LOCAL = "", "x-llm-probe", "x-llm-local-only"
# What befalls the engine, and with which status it, or the front for it, answers a probe.
FAULTS = {
    "well": 200,
    "slow": 200,
    "bad request": 400,
    "unknown model": 404,
    "full": 503,
    "limited": 429,
    "error": 500,
    "refuses": 502,
    "killed": 502,
    "marked down": 200,
    "cut within": 200,
}
STATUSES = {"bad request": 400, "unknown model": 404, "full": 503, "limited": 429, "error": 500}
# Why the front passes it on; nothing else is passed on.
REASONS = {
    "full": "full",
    "limited": "full",
    "error": "error",
    "refuses": "refused",
    "killed": "lost",
    "marked down": "down",
}
GATEWAYS = ("alive", "without money", "gone", "unresolvable")


@dataclass
class Answer:
    """What a client got."""

    status: int
    headers: httpx.Headers
    text: str
    whole: bool

    @property
    def code(self) -> str | None:
        """Of an error of the front."""
        return None if '"code"' not in self.text else self.text.rpartition('"code": "')[2][:-3]


@dataclass
class Place:
    """A front, and the gateway that it knows."""

    front: Front
    gateway: Engine

    def ask(self, header: str = PLAIN, *, stream: bool = False) -> Answer:
        """One chat completion."""
        headers = {"Authorization": f"Bearer {ANNA}"} | ({header: "1"} if header else {})
        body = {"model": "m", "stream": stream, "word": "ü" * 2000}
        with self.front.client.stream("POST", PATH, json=body, headers=headers) as answer:
            text, whole = b"", True
            try:
                for part in answer.iter_raw():
                    text += part
            except httpx.RemoteProtocolError:
                whole = False
        return Answer(answer.status_code, answer.headers, text.decode(), whole)

    def asked(self) -> tuple[int, int]:
        """How many requests came to the engine and to the gateway."""
        return len(self.front.engine.seen), len(self.gateway.seen)

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """So long something is wrong with the engine."""
        engine, script = self.front.engine, self.front.engine.script
        script.status = STATUSES.get(name, 200)
        script.pause_s = 0.2 if name == "slow" else 0.0
        script.ends = {"killed": "before", "cut within": "within"}.get(name)  # type: ignore[assignment]
        Out(self.front.out).update(lambda _: [0] if name == "marked down" else [])
        if name == "refuses":
            engine.cut()
        yield
        if name == "refuses":
            self.come_back()

    def come_back(self) -> None:
        """Another engine where the first one was; it remembers what that one saw."""
        seen, port = self.front.engine.seen, self.front.engine.port
        self.front.engines[0] = Engine(port)
        self.front.engine.seen = seen

    def logged(self, id: str) -> dict[str, Any]:
        """The line of one request."""
        wait_until(lambda: any(line["id"] == id for line in self.front.log()))
        return next(line for line in self.front.log() if line["id"] == id)


@contextmanager
def place(state: str, **front: Any) -> Iterator[Place]:
    """A front whose gateway is in one of the states."""
    gateway = Engine()
    gateway.script.headers = {"x-llm-tier": "hosted"}
    gateway.script.pause_s = 0.0
    if state == "without money":
        gateway.script.status = 503
        gateway.script.headers = {"x-llm-tier": "none", "Retry-After": "40000"}
    if state == "gone":
        gateway.stop()
    try:
        with dns() as names:
            name = "gateway.test" if state == "unresolvable" else "127.0.0.1"
            spill = Spill(f"{name}:{gateway.port}", names.resolver)
            with running_front(spill=spill, **front) as found:
                yield Place(found, gateway)
    finally:
        if state != "gone":
            gateway.stop()


@pytest.fixture(scope="module", params=GATEWAYS)
def one(request: pytest.FixtureRequest) -> Iterator[tuple[str, Place]]:
    with place(request.param) as found:
        yield request.param, found


@dataclass(frozen=True)
class Expected:
    """What is to come of a case."""

    status: int
    tier: str
    tries: tuple[int, int]
    code: str | None = None


def expected(fault: str, header: str, gateway: str) -> Expected:
    """Written down once more, in words of its own."""
    at_engine = 0 if fault == "refuses" else 1
    itself = FAULTS[fault]
    if header == PROBE:
        code = "engine_unreachable" if itself == 502 else None
        return Expected(itself, "primary", (at_engine, 0), code)
    if fault not in REASONS:
        return Expected(itself, "primary", (1, 0))
    if fault == "marked down":
        at_engine = 0
    if header == LOCAL:
        if fault in ("full", "limited"):
            return Expected(itself, "primary", (1, 0))
        return Expected(503, "none", (at_engine, 0), "local_only")
    if gateway == "alive":
        return Expected(200, "hosted", (at_engine, 1))
    if gateway == "without money":
        return Expected(503, "none", (at_engine, 1))
    return Expected(503, "none", (at_engine, 0), "nobody_answers")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("header", [PLAIN, PROBE, LOCAL], ids=["plain", "probe", "local-only"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_case(one: tuple[str, Place], fault: str, header: str, stream: bool) -> None:
    """Who answers, with what, after how many tries; once tier and id, and the log says the same."""
    state, here = one
    before = here.asked()
    with here.fault(fault):
        answer = here.ask(header, stream=stream)
    came = tuple(now - then for now, then in zip(here.asked(), before, strict=True))

    wanted = expected(fault, header, state)
    [tier], [id] = answer.headers.get_list("x-llm-tier"), answer.headers.get_list("x-request-id")
    assert Expected(answer.status, tier, came, answer.code) == wanted  # type: ignore[arg-type]
    assert answer.whole is (fault != "cut within")
    waits = ["5"] if answer.status in (429, 503) else []
    assert answer.headers.get_list("Retry-After") == waits
    line = here.logged(id)
    passed_on = header == PLAIN and fault in REASONS
    assert (line["tier"], line["status"]) == (tier, answer.status)
    assert line["spill"] == (REASONS[fault] if passed_on else "")
    assert (line["key"], line["input_tokens"]) == ("anna", None)


def test_the_gateway_gets_the_same_request_with_the_key_of_its_client() -> None:
    """Body, path, query and id; not the hop secret, which is for the engine."""
    with place("alive") as here, here.fault("error"):
        url = f"{PATH}?a=b%20c"
        body = {"model": "m", "messages": ["ü" * 300_000]}
        headers = {"Authorization": f"Bearer {ANNA}", "x-request-id": "order-66", "x-llm-spill": ""}
        answer = here.front.client.post(url, json=body, headers=headers)
        [tried], [seen] = here.front.engine.seen, here.gateway.seen
    assert answer.status_code == 200
    assert (seen.path, seen.body) == (tried.path, tried.body) == (url, tried.body)
    assert seen.headers["authorization"] == f"Bearer {ANNA}"
    assert seen.headers["x-request-id"] == "order-66" == answer.headers["x-request-id"]
    assert seen.headers["x-llm-spill"] == "error"
    assert ANNA not in str(tried)


def test_a_stream_of_the_gateway_leaves_token_by_token() -> None:
    """Each event arrives before the gateway makes the next one."""
    with place("alive") as here, here.fault("error"):
        here.gateway.script.pause_s = None
        headers = {"Authorization": f"Bearer {ANNA}"}
        with here.front.client.stream("POST", PATH, json={"stream": True}, headers=headers) as came:
            events = came.iter_raw()
            received = [next(events)]
            for _ in range(2):
                here.gateway.script.go.release()
                received.append(next(events))
            assert came.headers["x-llm-tier"] == "hosted"
        assert received == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]


def test_an_old_answer_says_so_and_how_old_it_is() -> None:
    """As the gateway said it."""
    with place("alive") as here, here.fault("marked down"):
        here.gateway.script.headers = {"x-llm-tier": "stale", "x-llm-stale-age": "77"}
        answer = here.ask()
        line = here.logged(answer.headers["x-request-id"])
    assert answer.headers.get_list("x-llm-tier") == ["stale"]
    assert answer.headers["x-llm-stale-age"] == "77"
    assert line["tier"] == "stale"


def test_the_log_has_tokens_when_the_gateway_says_them() -> None:
    """Numbers, not texts."""
    with place("alive") as here, here.fault("error"):
        here.gateway.script.headers |= {"x-llm-input-tokens": "12", "x-llm-output-tokens": "3"}
        line = here.logged(here.ask().headers["x-request-id"])
    assert (line["input_tokens"], line["output_tokens"]) == (12, 3)


def test_only_two_tiers_are_the_gateways() -> None:
    """Whoever answers at its address can't pass for the fleet."""
    with place("alive") as here, here.fault("error"):
        here.gateway.script.headers = {"x-llm-tier": "primary"}
        assert here.ask().headers.get_list("x-llm-tier") == ["none"]


def test_an_engine_that_says_nothing_is_given_up_after_the_longest_generation() -> None:
    """Not a moment earlier; then the gateway is asked, once."""
    with place("alive", read_timeout_s=1) as here:
        here.front.engine.script.hold.clear()
        answer = here.ask()
        local = here.ask(LOCAL)
        here.front.engine.script.hold.set()
        line = here.logged(answer.headers["x-request-id"])
        assert (answer.status, line["tier"], line["spill"]) == (200, "hosted", "silent")
        assert 1.0 <= line["seconds"] < 1.5
        assert (local.status, local.code) == (503, "local_only")
        assert here.asked() == (2, 1)


def test_a_gateway_that_says_nothing_is_given_up_too() -> None:
    """And the client hears of it."""
    with place("alive", read_timeout_s=1) as here, here.fault("error"):
        here.gateway.script.hold.clear()
        answer = here.ask()
        here.gateway.script.hold.set()
        assert (answer.status, answer.code) == (503, "nobody_answers")


def test_a_stream_that_breaks_off_is_never_begun_anew() -> None:
    """Neither the engine's nor the gateway's: its client has half of it."""
    with place("alive") as here:
        with here.fault("cut within"):
            answer = here.ask(stream=True)
        assert (answer.text, answer.whole, here.asked()) == ("data: 0\n\n", False, (1, 0))
        here.gateway.script.ends = "within"
        with here.fault("error"):
            answer = here.ask(stream=True)
        assert (answer.text, answer.whole, here.asked()) == ("data: 0\n\n", False, (2, 1))


@pytest.mark.parametrize("value", ["1", "true", "yes", "0", "no"])
def test_any_word_keeps_a_request_here(value: str) -> None:
    """Who writes the header wants it; the gateway reads it the same way."""
    with place("alive") as here, here.fault("error"):
        assert here.front.ask(**{LOCAL: value}).json()["error"]["code"] == "local_only"
        assert here.front.ask(**{LOCAL: ""}).status_code == 200
    assert len(here.gateway.seen) == 1


class TestKeysAndLimits:
    def test_what_the_front_refuses_goes_nowhere(self) -> None:
        """Bad keys, other paths, large bodies: with the engine down as well."""
        with place("alive", settings=FrontSettings(max_body_kib=4)) as here:
            with here.fault("marked down"):
                key = {"Authorization": f"Bearer {ANNA}"}
                large = [
                    here.front.client.post(PATH, content=body, headers=key)
                    for body in (b"x" * 5000, iter([b"x" * 5000]))
                ]
                answers = [here.front.ask(None), here.front.ask("sk-fleet-" + "x" * 43), *large]
                answers.append(here.front.client.get("/metrics", headers=key))
            with here.fault("well"):
                answers.append(
                    here.front.client.post(PATH, content=iter([b"x" * 5000]), headers=key)
                )
            assert here.asked() == (0, 0)
        assert [answer.status_code for answer in answers] == [401, 401, 413, 413, 404, 413]
        for answer in answers:
            assert len(answer.headers.get_list("x-llm-tier")) == 1
            assert len(answer.headers.get_list("x-request-id")) == 1
            assert answer.json()["error"]["code"]

    def test_a_request_that_is_passed_on_counts_once(self) -> None:
        """And the limit's own 429 is not taken for a full queue."""
        with place("alive", settings=FrontSettings(requests_per_minute_per_key=3)) as here:
            with here.fault("full"):
                statuses = [here.ask().status for _ in range(6)]
            assert statuses == [200, 200, 200, 200, 429, 429]
            assert here.asked() == (4, 4)

    def test_keys_that_can_not_be_checked_are_not_passed_on(self) -> None:
        """The agent is gone: an unknown key is nobody's."""
        with place("alive") as here:
            here.front.agent.stop()
            answer = here.front.ask(BERT)
            assert (answer.status_code, here.asked()) == (503, (0, 0))
            assert answer.json()["error"]["code"] == "key_check_failed"

    def test_a_key_that_the_gateway_has_not_heard_of_yet_is_not_called_wrong(self) -> None:
        """It was good here; its client comes again in a moment."""
        with place("alive") as here, here.fault("error"):
            here.gateway.script.status = 401
            answer = here.ask()
        assert (answer.status, answer.code) == (503, "nobody_answers")


class TestFull:
    def test_a_full_queue_takes_the_next_request_again(self) -> None:
        """It was not counted as broken."""
        with place("alive") as here:
            for _ in range(5):
                with here.fault("full"):
                    assert here.ask().headers["x-llm-tier"] == "hosted"
                with here.fault("well"):
                    assert here.ask().headers["x-llm-tier"] == "primary"


class TestSeveralEngines:
    def test_another_engine_comes_before_the_gateway(self) -> None:
        """One that refuses has done nothing yet: a retry here is free."""
        with place("alive", replicas=2) as here:
            here.front.engines[0].cut()
            answers = [here.ask() for _ in range(6)]
            assert {answer.headers["x-llm-tier"] for answer in answers} == {"primary"}
            here.front.engines[1].cut()
            assert here.ask().headers["x-llm-tier"] == "hosted"

    def test_work_that_was_begun_is_tried_once_more_and_not_twice(self) -> None:
        """By the gateway: the other engine might fall over the same request."""
        with place("alive", replicas=2) as here:
            for engine in here.front.engines:
                engine.script.ends = "before"
            answer = here.ask()
            came = sum(len(engine.seen) for engine in here.front.engines)
            assert (answer.status, came, len(here.gateway.seen)) == (200, 1, 1)
            assert here.logged(answer.headers["x-request-id"])["spill"] == "lost"

    def test_the_gateway_is_asked_at_once_when_all_are_out(self) -> None:
        """Not while one is left; probes see the engines all the same."""
        with place("alive", replicas=2) as here:
            tiers = []
            for out in ([0], [1], [0, 1]):
                Out(here.front.out).update(lambda _, out=out: out)  # type: ignore[misc]
                tiers.append(here.ask().headers["x-llm-tier"])
                assert here.ask(PROBE).headers["x-llm-tier"] == "primary"
            assert tiers == ["primary", "primary", "hosted"]
            assert here.ask(LOCAL).code == "local_only"


class TestNames:
    def test_of_two_tasks_one_is_enough(self) -> None:
        """The name has two addresses, and nobody listens at one."""
        with dns(gateway__test=["127.0.0.9", "127.0.0.1"]) as names:
            gateway = Engine()
            gateway.script.headers = {"x-llm-tier": "hosted"}
            spill = Spill(f"gateway.test:{gateway.port}", names.resolver)
            with running_front(spill=spill) as front:
                front.engine.script.status = 500
                answers = [front.ask() for _ in range(10)]
            gateway.stop()
        assert {answer.headers["x-llm-tier"] for answer in answers} == {"hosted"}
        assert len(gateway.seen) == 10

    def test_a_name_that_comes_later_is_found(self) -> None:
        """nginx starts without it, serves, and asks again; a silent DNS costs two seconds."""
        with dns() as names:
            gateway = Engine()
            spill = Spill(f"gateway.test:{gateway.port}", names.resolver)
            with running_front(spill=spill) as front:
                assert front.ask().headers["x-llm-tier"] == "primary"
                assert names.asked == []
                front.engine.script.status = 500
                assert front.ask().json()["error"]["code"] == "nobody_answers"
                names.silent = True
                silent = front.ask()
                assert silent.json()["error"]["code"] == "nobody_answers"
                assert 2.0 <= silent.elapsed.total_seconds() < 3.0
                names.silent, names.addresses = False, {"gateway.test": ["127.0.0.1"]}
                assert front.ask().status_code == 200
            gateway.stop()

    def test_without_any_dns_the_engine_serves(self) -> None:
        """Nobody listens at the resolver's address."""
        with running_front(spill=Spill("gateway.test:8000", f"127.0.0.1:{free_port()}")) as front:
            assert front.ask().headers["x-llm-tier"] == "primary"


class TestUnderLoad:
    def test_an_engine_that_dies_costs_only_the_streams_that_have_begun(self) -> None:
        """Six clients, without a pause; it comes back, and they return to it."""
        with place("alive") as here:
            self.quick(here.gateway)
            with asking(here.front, clients=6) as came:
                engine = here.front.engine
                wait_until(lambda: engine.running > 3)
                engine.cut()
                self.some_more(came, 200)
                seen = len(engine.seen)
                here.come_back()
                self.quick(here.front.engine)
                wait_until(lambda: len(here.front.engine.seen) > seen + 100)
            problems = [problem for problem in came if problem]
        assert len(problems) <= 6
        assert all("RemoteProtocolError" in problem for problem in problems)
        assert len(here.gateway.seen) > 100

    def test_the_agents_mark_costs_nothing(self) -> None:
        """Set and taken away again and again."""
        with place("alive") as here:
            self.quick(here.gateway)
            with asking(here.front, clients=6) as came:
                for turn in range(20):
                    Out(here.front.out).update(lambda _, turn=turn: [0] if turn % 2 else [])  # type: ignore[misc]
                    self.some_more(came, 20)
        assert [problem for problem in came if problem] == []
        assert min(here.asked()) > 50

    def quick(self, engine: Engine) -> None:
        engine.script.pause_s = 0.02

    def some_more(self, came: list[str], answers: int) -> None:
        least = len(came) + answers
        wait_until(lambda: len(came) >= least)
