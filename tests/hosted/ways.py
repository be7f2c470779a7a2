"""What befalls a request on its way: its engine fails, hosted APIs fail, or both; cell by cell.

The short form (test_ways.py) asks each cell for two whole answers and two streams, the long one
(bench/ways.py) for more. Where an agent would act, the cell does what it does, within a second
instead of its half a minute.
"""

from __future__ import annotations

import http.client
import json
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from rehearsal.hosted_api import Fault, Manner
from tests.hosted.standing import Reply
from tests.hosted.way import CLIENT_S, PLACES_IN_ENGINE, Secondary, Way
from tests.lab.quick.running import KEY as ENGINE_KEY
from tests.lab.quick.running import Running, eventually, question

MARKED_S, RESTARTED_S = 0.5, 0.5  # the agent's deadline here, and its patience after that
SLOW_S = 0.5

SECONDARIES = (
    Secondary("fine", Manner()),
    Secondary("500", Manner(Fault.ERROR)),
    Secondary("refuses"),
    Secondary("hangs", Manner(Fault.HANG)),
    Secondary("limits (429)", Manner(Fault.LIMITED)),
    Secondary("no gateway", Manner(), gone=True),
)

Strike = Callable[[Way, int], None]


@dataclass(frozen=True, slots=True)
class Primary:
    """What befalls the engine. *state* holds while requests are asked.

    With a *strike* some requests are under way when it comes, and as many come after it. Where
    nobody marks a frozen engine, all of them wait as long as a front does.
    """

    name: str
    state: Callable[[Way], AbstractContextManager[None]]
    strike: Strike | None = None
    answers: bool = False
    unmarked: bool = False


@contextmanager
def behaving(way: Way, **said: str) -> Iterator[None]:
    """An engine that lives, and behaves like that."""
    way.behave(**said)
    assert way.engine.health() == 200
    try:
        yield
    finally:
        way.behave()


@contextmanager
def gone(way: Way) -> Iterator[None]:
    """No engine."""
    way.kill()
    yield


@contextmanager
def frozen(way: Way) -> Iterator[None]:
    """The core stands still, the server does not; at the end the agent restarts it all."""
    way.behave()
    way.engine.signal_core(signal.SIGSTOP)
    assert way.engine.health() == 200
    try:
        yield
        time.sleep(RESTARTED_S)
    finally:
        way.kill()
        way.mark()


@contextmanager
def full(way: Way) -> Iterator[None]:
    """Others have all its places, and nobody may wait."""
    with behaving(way, token_s="0.3"), ExitStack() as others:
        before = way.engine
        for _ in range(PLACES_IN_ENGINE):
            connection = http.client.HTTPConnection("127.0.0.1", before.port, timeout=CLIENT_S)
            others.callback(connection.close)
            told = {"Authorization": f"Bearer {ENGINE_KEY}"}
            body = json.dumps(question(stream=True, max_tokens=1900))
            connection.request("POST", "/v1/chat/completions", body, told)
        eventually(lambda: _running(before) == PLACES_IN_ENGINE)
        yield
        others.close()
        eventually(lambda: _running(before) == 0)


def _running(engine: Running) -> float:
    return engine.metric("vllm:num_requests_running")


def kill(way: Way, asked: int) -> None:
    """SIGKILL to all of it, before the first token of what it has."""
    eventually(lambda: _running(way.engine) == asked)
    way.kill()
    way.behave()


def kill_core(way: Way, asked: int) -> None:
    """SIGKILL to the core, as when it is out of memory: the server says so, and soon ends."""
    eventually(lambda: _running(way.engine) == asked)
    way.engine.signal_core(signal.SIGKILL)
    eventually(lambda: "EngineCore encountered an issue" in way.engine.log.read_text())
    way.behave()


def cut(way: Way, asked: int) -> None:
    """SIGKILL to all of it, when clients of streams have some of their tokens."""
    eventually(lambda: _running(way.engine) == asked)
    time.sleep(0.5)
    way.kill()
    way.behave()


def mark(way: Way, asked: int) -> None:
    """What the agent does after its deadline, which has passed without a token."""
    time.sleep(MARKED_S)
    way.mark(0)


def _silent(way: Way) -> AbstractContextManager[None]:
    return behaving(way, engine="slow:60")


PRIMARIES = (
    Primary("fine", behaving, answers=True),
    Primary("slow", lambda way: behaving(way, engine=f"slow:{SLOW_S}"), answers=True),
    Primary("500", lambda way: behaving(way, engine="error")),
    Primary("queue full", full),
    Primary("killed", _silent, kill),
    Primary("core killed", _silent, kill_core),
    Primary("cut in mid-stream", lambda way: behaving(way, token_s="0.1"), cut),
    Primary("refuses", gone),
    Primary("frozen", frozen, mark),
    Primary("frozen, no agent", frozen, unmarked=True),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One pair."""

    primary: Primary
    secondary: Secondary


def cells(*, thorough: bool = False) -> list[Cell]:
    """All of them; what takes long with every second tier only when that is wanted."""
    return [
        Cell(primary, secondary)
        for secondary in SECONDARIES
        for primary in PRIMARIES
        if thorough or secondary.well or not primary.unmarked
    ]


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a cell's whole or streamed requests, so many of them under way at the strike."""

    cell: Cell
    stream: bool
    struck: int
    replies: tuple[Reply | None, ...]

    @property
    def asked(self) -> int:
        """All of them."""
        return len(self.replies)

    @property
    def by(self) -> Counter[str]:
        """How many ended in which way."""
        return Counter(outcome(reply, self.stream) for reply in self.replies)

    @property
    def answered(self) -> int:
        """Whole answers, of whichever tier."""
        return self.by["primary"] + self.by["hosted"]

    @property
    def tokenless(self) -> int:
        """Streams that were cut before there was a word."""
        return sum(
            reply is not None and outcome(reply, self.stream) == "cut" and not has_words(reply)
            for reply in self.replies
        )

    @property
    def median_s(self) -> float:
        """Half came to an end sooner."""
        return statistics.median(reply.seconds for reply in self.replies if reply is not None)

    @property
    def worst_s(self) -> float:
        """None took longer."""
        return max(reply.seconds for reply in self.replies if reply is not None)


def outcome(reply: Reply | None, stream: bool) -> str:
    """The tier of a whole answer; ``cut``: a stream begun; ``none``: a clear no; or ``lost``."""
    if reply is None:
        return "lost"
    if reply.status == 503 and reply.tier == "none":
        return "none"
    if reply.status != 200 or reply.tier not in ("primary", "hosted"):
        return "lost"
    if not stream:
        return reply.tier
    broken = any('"error"' in event for event in reply.events)
    return "cut" if broken or reply.events[-1:] != ["[DONE]"] else reply.tier


def has_words(reply: Reply) -> bool:
    """A stream got as far as its first word."""
    chunks = [json.loads(event) for event in reply.events if event != "[DONE]"]
    deltas = [one["delta"] for chunk in chunks for one in chunk.get("choices", ())]
    return any(delta.get("content") for delta in deltas)


def run(cell: Cell, way: Way, requests: int) -> tuple[Row, Row]:
    """Ask whole and streamed at once, so many of each; with a strike before it and after it."""
    way.turn(cell.secondary)
    struck: dict[bool, list[Future[Reply | None]]] = {False: [], True: []}
    strike = cell.primary.strike
    with cell.primary.state(way):
        if strike is not None:
            struck = _ask(way, requests)
            strike(way, 2 * requests)
        after = _ask(way, requests)
        if strike is None:
            wait(after[False] + after[True])
    whole, stream = (
        Row(
            cell,
            form,
            struck=len(after[form] if cell.primary.unmarked else struck[form]),
            replies=tuple(one.result() for one in (*struck[form], *after[form])),
        )
        for form in (False, True)
    )
    if strike is not None:
        way.kill()  # what is left of it is no engine for the next cell
    return whole, stream


def _ask(way: Way, requests: int) -> dict[bool, list[Future[Reply | None]]]:
    return {
        form: [way.pool.submit(way.ask, form) for _ in range(requests)] for form in (False, True)
    }


HEAD = (
    "our engine         hosted APIs   form    asked  primary  hosted  none  cut  no word  lost"
    "   median    worst"
)


def line(row: Row) -> str:
    """A row of the table."""
    by = row.by
    return (
        f"{row.cell.primary.name:<18} {row.cell.secondary.name:<13}"
        f" {'stream' if row.stream else 'whole':<7} {row.asked:>5} {by['primary']:>8}"
        f" {by['hosted']:>7} {by['none']:>5} {by['cut']:>4} {row.tokenless:>8} {by['lost']:>5}"
        f" {row.median_s:>7.2f}s {row.worst_s:>7.2f}s"
    )
