"""Everything that can happen to the gateway, cell by cell, and what came of it.

The short form asks each cell twice or three times, the long one (bench/gateway.py) more often.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from provision.catalog.prices.load import load
from provision.config.hosted import token_price
from provision.gateway.money import Price, Tokens
from provision.gateway.spender import RETRY_S
from provision.render.gateway import spend_table
from rehearsal.hosted_api import Fault, HostedApi, Manner
from tests.hosted.standing import A, B, Reply, Standing, chat, environment

WELL = Manner()
REFUSES = None  # nobody listens
STALE = {"x-llm-allow-stale": "1"}
COOLED_S = 0.2

Room = Callable[[Standing], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One case: how A and B behave, how they are asked, and what else is wrong.

    *exact* cells must settle what the providers bill, to the micro-dollar; in the others the
    gateway can't know it.
    """

    name: str
    a: Manner | None
    b: Manner | None
    stream: bool = False
    more: dict[str, Any] = field(default_factory=dict)
    exact: bool = True
    inside: Room = lambda _: nullcontext()
    headers: dict[str, str] = field(default_factory=dict)
    hang_up_after: int | None = None
    key_name: str = "team-a"


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a cell. *by* counts who answered; money in micro-dollars."""

    cell: Cell
    asked: int
    by: Counter[str]
    replies: tuple[Reply, ...]
    billed: int
    settled: int
    guessed: int

    @property
    def answered(self) -> int:
        """Whole answers."""
        return sum(reply.whole for reply in self.replies)

    @property
    def median_s(self) -> float:
        """Half were quicker."""
        return statistics.median(reply.seconds for reply in self.replies)

    @property
    def worst_s(self) -> float:
        """None was slower."""
        return max(reply.seconds for reply in self.replies)


@contextmanager
def full(standing: Standing, *, percent: int = 100) -> Iterator[None]:
    """So much of the day's cap is spent already."""
    day = time.strftime("%d", time.gmtime())
    micro = str(round((standing.environment.fallback.daily_usd or 0) * 10_000 * percent))
    names = ("spent", "committed", f"spent#{day}", f"committed#{day}")
    standing.client("dynamodb").put_item(
        TableName=spend_table(standing.environment),
        Item={
            "pk": {"S": time.strftime("month#%Y-%m", time.gmtime())},
            **{name: {"N": micro} for name in names},
        },
    )
    yield


def nearly_full(standing: Standing) -> AbstractContextManager[None]:
    """85 %: keys of low priority get nothing any more."""
    return full(standing, percent=85)


@contextmanager
def without_counter(standing: Standing) -> Iterator[None]:
    """DynamoDB does not answer."""
    standing.moto.stop()
    try:
        yield
    finally:
        standing.moto = standing.new_moto()
        time.sleep(RETRY_S + 0.5)


@contextmanager
def kept(standing: Standing) -> Iterator[None]:
    """The same was asked before, when all was well."""
    a, b = standing.api_a.manner, standing.api_b.manner
    standing.api_a.behave(WELL)
    standing.api_b.behave(WELL)
    assert standing.ask(chat("again", temperature=0), headers=STALE).whole
    standing.settled()
    time.sleep(0.3)
    standing.clear_spend()
    for api, manner in ((standing.api_a, a), (standing.api_b, b)):
        api.behave(manner)
        api.refuse()
    yield


@contextmanager
def kept_and_full(standing: Standing) -> Iterator[None]:
    """The same, and then the cap was reached."""
    with kept(standing), full(standing):
        yield


def cells() -> list[Cell]:
    """All of them."""
    found = []
    faults: dict[str, tuple[Manner | None, bool, bool]] = {
        # how A behaves, then whether a whole answer's and a stream's cost can be known: what is in
        # flight when a connection breaks may be billed and lost, so the last token has the time
        "A is well": (WELL, True, True),
        "A refuses": (REFUSES, True, True),
        "A answers 500": (Manner(Fault.ERROR), True, True),
        "A answers 429": (Manner(Fault.LIMITED), True, True),
        "A takes no key (401)": (Manner(Fault.BAD_KEY), True, True),
        "A hangs": (Manner(Fault.HANG), False, False),
        "A stalls": (Manner(Fault.STALL), False, True),
        "A breaks off": (Manner(Fault.CUT, pace_s=0.03), False, True),
    }
    for name, (manner, whole, stream) in faults.items():
        found.append(Cell(name, manner, WELL, exact=whole))
        found.append(Cell(name, manner, WELL, stream=True, exact=stream))
    again = {"temperature": 0, "messages": chat("again")["messages"]}
    dead = Manner(Fault.ERROR)
    found += [
        Cell("both answer 500", dead, dead),
        Cell("both refuse", REFUSES, REFUSES, stream=True),
        Cell("both refuse, answer kept", REFUSES, REFUSES, more=again, headers=STALE, inside=kept),
        Cell(
            "both refuse, answer kept",
            *(REFUSES, REFUSES),
            stream=True,
            more=again,
            headers=STALE,
            inside=kept,
        ),
        Cell("day's cap reached", WELL, WELL, inside=full),
        Cell(
            "cap reached, answer kept",
            *(WELL, WELL),
            more=again,
            headers=STALE,
            inside=kept_and_full,
        ),
        Cell("85 %, key of low priority", WELL, WELL, inside=nearly_full, key_name="batch"),
        Cell("85 %, other key", WELL, WELL, inside=nearly_full),
        Cell("DynamoDB away", WELL, WELL, inside=without_counter),
        Cell(
            "client hangs up",
            *(Manner(tokens=40, pace_s=0.03), WELL),
            stream=True,
            exact=False,
            hang_up_after=6,
        ),
    ]
    return found


def run(cell: Cell, standing: Standing, requests: int) -> Row:
    """Ask, wait until all is settled, and compare."""
    _behave(standing.api_a, cell.a)
    _behave(standing.api_b, cell.b)
    standing.clear_spend()
    with cell.inside(standing):
        before, logged = standing.spent_if_known(), len(standing.log)
        replies = tuple(
            standing.ask(
                chat(stream=cell.stream, **cell.more),
                headers=cell.headers,
                hang_up_after=cell.hang_up_after,
                key_name=cell.key_name,
            )
            for _ in range(requests)
        )
    settled = standing.settled() - before
    news = standing.log[logged:]
    row = Row(
        cell,
        asked=requests,
        by=Counter(by_whom(standing, reply) for reply in replies),
        replies=replies,
        billed=billed(standing.api_a, A) + billed(standing.api_b, B),
        settled=settled,
        guessed=sum(event.get("guessed_micro_usd", 0) for event in news),
    )
    if cell.a is None or cell.a.fault is not Fault.NONE:
        time.sleep(standing.environment.fallback.cooldown_s + COOLED_S)
    return row


def billed(api: HostedApi, provider: str) -> int:
    """The server's own bill, in micro-dollars."""
    return sum(price(provider).micro(Tokens(line.input, line.output)) for line in api.bill)


def price(provider: str) -> Price:
    """As the environment's price book has it."""
    found = token_price(environment(0), provider, load())
    assert found is not None
    return Price(found.input_usd, found.output_usd)


def by_whom(standing: Standing, reply: Reply) -> str:
    """A or B by their words, or the tier; what is not whole is cut."""
    if reply.tier == "hosted" and not reply.whole:
        return "cut"
    if reply.tier != "hosted":
        return reply.tier
    return "A" if reply.text.startswith(standing.api_a.words[0]) else "B"


def _behave(api: HostedApi, manner: Manner | None) -> None:
    api.behave(manner or WELL)
    if manner is None:
        api.refuse()


HEAD = (
    "cell                         form    asked  answered  by            median   worst  "
    "billed  settled  guessed"
)


def line(row: Row) -> str:
    """A row of the table; money in micro-dollars."""
    by = ", ".join(f"{who} {count}" for who, count in sorted(row.by.items()))
    form = "stream" if row.cell.stream else "whole"
    return (
        f"{row.cell.name:<28} {form:<7} {row.asked:>5} {row.answered:>9}  {by:<12}"
        f" {row.median_s:>6.2f}s {row.worst_s:>6.2f}s {row.billed:>7} {row.settled:>8}"
        f" {row.guessed:>8}"
    )
