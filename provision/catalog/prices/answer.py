"""What AWS said about its prices, and the book that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from provision.catalog.prices.book import Place, PriceBook
from provision.catalog.prices.price import Commitment, Plan

V = TypeVar("V")


class Source(StrEnum):
    """What can be asked of AWS, as ``--only`` names it."""

    ON_DEMAND = "on-demand"
    RESERVED = "reserved"
    SAVINGS_PLANS = "savings-plans"
    SPOT = "spot"
    SERVICES = "services"
    EGRESS = "egress"


_PLANS = {
    Source.RESERVED: {Plan.RESERVED},
    Source.SAVINGS_PLANS: {Plan.SAVINGS_PLAN_EC2, Plan.SAVINGS_PLAN_COMPUTE},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The prices of one *region* as AWS gave them to the *asked* questions.

    *notes* say what AWS's answer left open: such prices are not in *book*.
    """

    region: str
    asked: frozenset[Source]
    book: PriceBook
    notes: tuple[str, ...] = ()

    @property
    def plans(self) -> set[Plan]:
        """The kinds of commitment that were asked for."""
        return {plan for source in self.asked for plan in _PLANS.get(source, set())}


def renewed(written: PriceBook, answer: Answer) -> PriceBook:
    """*written* with everything replaced that was asked for; the rest stays.

    What AWS no longer lists in the region is gone from the result.
    """
    asked, new = answer.asked, answer.book
    return PriceBook(
        on_demand=_places(written.on_demand, new.on_demand, answer, Source.ON_DEMAND),
        spot=_places(written.spot, new.spot, answer, Source.SPOT),
        commitments=_commitments(written, answer),
        capacity_blocks=written.capacity_blocks,
        services=_places(written.services, new.services, answer, Source.SERVICES),
        egress={**written.egress, **new.egress} if Source.EGRESS in asked else written.egress,
        hosted=written.hosted,
    )


def _places(
    old: Mapping[Place, V], new: Mapping[Place, V], answer: Answer, source: Source
) -> dict[Place, V]:
    if source not in answer.asked:
        return dict(old)
    return {place: v for place, v in old.items() if place[1] != answer.region} | dict(new)


def _commitments(written: PriceBook, answer: Answer) -> dict[Place, tuple[Commitment, ...]]:
    found: dict[Place, tuple[Commitment, ...]] = {}
    for place, some in written.commitments.items():
        asked = answer.plans if place[1] == answer.region else set()
        kept = tuple(one for one in some if one.plan not in asked)
        if kept:
            found[place] = kept
    for place, some in answer.book.commitments.items():
        found[place] = (*found.get(place, ()), *some)
    return found
