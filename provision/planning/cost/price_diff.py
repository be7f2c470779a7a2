"""What a refresh changes in the price book."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from provision.catalog.prices.answer import Answer, Source
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.price import Commitment, Price, Tier

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Change:
    """One price of the region: *what* kind of it (``on-demand``, ``reserved-1y-no-upfront``, ...),
    of which *item*, before and after. None before is a price that nobody knew, None after one that
    AWS does not list: then the one before stays in the book."""

    what: str
    item: str
    before: Decimal | None
    after: Decimal | None

    @property
    def percent(self) -> Decimal | None:
        """How much dearer; None without two prices, or when it was free."""
        if self.before is None or self.after is None or not self.before:
            return None
        return (self.after - self.before) / self.before * _HUNDRED


@dataclass(frozen=True, slots=True)
class PriceDiff:
    """*changed*, *new* and *unlisted* prices, and how many were the *same*."""

    changed: tuple[Change, ...]
    new: tuple[Change, ...]
    unlisted: tuple[Change, ...]
    same: int

    @property
    def is_news(self) -> bool:
        """Whether a price is another one, or there was none."""
        return bool(self.changed or self.new)


def compare(old: PriceBook, answer: Answer) -> PriceDiff:
    """*old* against what AWS answered, for the region and the questions that were asked.

    Spot is compared by its median, a commitment by what an hour of it costs in all, egress by
    tier.
    """
    before = {key: usd for key, usd in _figures(old, answer) if _was_asked(key, answer)}
    after = dict(_figures(answer.book, answer))
    changes = [Change(*key, before.get(key), after.get(key)) for key in sorted(before | after)]
    return PriceDiff(
        changed=tuple(
            c for c in changes if c.before != c.after and None not in (c.before, c.after)
        ),
        new=tuple(change for change in changes if change.before is None),
        unlisted=tuple(change for change in changes if change.after is None),
        same=sum(change.before == change.after for change in changes),
    )


def _was_asked(key: tuple[str, str], answer: Answer) -> bool:
    what, item = key
    return what == "egress" or item in answer.items


def _figures(book: PriceBook, answer: Answer) -> Iterator[tuple[tuple[str, str], Decimal]]:
    region = answer.region
    if Source.ON_DEMAND in answer.asked:
        yield from _of(book.on_demand, region, "on-demand")
    if Source.SPOT in answer.asked:
        for (name, place), range_ in book.spot.items():
            if place == region:
                yield ("spot", name), range_.median
    if Source.SERVICES in answer.asked:
        yield from _of(book.services, region, "service")
    if Source.EGRESS in answer.asked:
        yield from _tiers(book.egress.get(region, ()))
    for (name, place), terms in book.commitments.items():
        if place == region:
            yield from _terms(name, terms, answer)


def _of(
    prices: Mapping[tuple[str, str], Price], region: str, what: str
) -> Iterator[tuple[tuple[str, str], Decimal]]:
    return (((what, name), p.usd) for (name, place), p in prices.items() if place == region)


def _terms(
    name: str, terms: tuple[Commitment, ...], answer: Answer
) -> Iterator[tuple[tuple[str, str], Decimal]]:
    asked = answer.plans
    return (((term.name, name), term.effective_hourly) for term in terms if term.plan in asked)


def _tiers(tiers: tuple[Tier, ...]) -> Iterator[tuple[tuple[str, str], Decimal]]:
    for tier in tiers:
        until = "beyond" if tier.up_to is None else f"up to {tier.up_to:f} GB"
        yield ("egress", until), tier.usd
