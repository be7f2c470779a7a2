"""What each request in flight has cost so far: which providers were asked, and what they bill.

Pure: nothing is waited for and nothing is written here. Everything happens in one event loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from provision.gateway.money import Price, Tokens


@dataclass(slots=True)
class Entry:
    """One request: the most that may be billed for it, who is asked now, what is certain.

    *guessed* is the part of *micro* that nobody knows and that counts at its most.
    """

    most: Tokens
    asking: list[str] = field(default_factory=list)
    micro: int = 0
    guessed: int = 0
    closed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What a request has cost, in micro-dollars; of *guessed* nobody knows whether it is billed."""

    id: str
    micro: int
    guessed: int


class Ledger:
    """The requests in flight, by id."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = prices
        self._entries: dict[str, Entry] = {}

    def open(self, id: str, most: Tokens) -> None:
        """A request begins; no provider bills more than *most* for it."""
        self._entries[id] = Entry(most)

    def began(self, id: str, provider: str) -> None:
        """A provider is asked."""
        if id in self._entries:
            self._entries[id].asking.append(provider)

    def billed(self, id: str, provider: str, tokens: Tokens) -> None:
        """A provider that was asked bills this much; nothing for a second time."""
        entry = self._ends(id, provider)
        if entry is not None:
            entry.micro += self._prices[provider].micro(tokens)

    def unknown(self, id: str, provider: str) -> None:
        """A provider that was asked may bill everything up to the most."""
        entry = self._ends(id, provider)
        if entry is not None:
            self._guess(entry, provider)

    def close(self, id: str, now: float) -> None:
        """The client has its answer, or is gone."""
        if id in self._entries:
            self._entries[id].closed_at = now

    def settled(self, now: float, patience_s: float) -> Iterator[Bill]:
        """Bills of requests that are over, and gone with this call.

        A provider of which nothing was heard for *patience_s* after the end counts at its most.
        """
        for id, entry in list(self._entries.items()):
            if entry.closed_at is None:
                continue
            if entry.asking and now - entry.closed_at < patience_s:
                continue
            for provider in entry.asking:
                self._guess(entry, provider)
            del self._entries[id]
            yield Bill(id, entry.micro, entry.guessed)

    def __len__(self) -> int:
        return len(self._entries)

    def _ends(self, id: str, provider: str) -> Entry | None:
        entry = self._entries.get(id)
        if entry is None or provider not in entry.asking:
            return None
        entry.asking.remove(provider)
        return entry

    def _guess(self, entry: Entry, provider: str) -> None:
        most = self._prices[provider].micro(entry.most)
        entry.micro += most
        entry.guessed += most
