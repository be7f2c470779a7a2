"""What AWS said about its prices, and the book that follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from provision.catalog.prices.book import Place, PriceBook
from provision.catalog.prices.price import Commitment, Plan


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
    """The prices of one *region* as AWS gave them to the *asked* questions about *items*: instance
    types, and items of services.

    *notes* say what AWS's answer left open: such prices are not in *book*.
    """

    region: str
    asked: frozenset[Source]
    items: frozenset[str]
    book: PriceBook
    notes: tuple[str, ...] = ()

    @property
    def plans(self) -> set[Plan]:
        """The kinds of commitment that were asked for."""
        return {plan for source in self.asked for plan in _PLANS.get(source, set())}


def renewed(written: PriceBook, answer: Answer) -> PriceBook:
    """*written* with every price that AWS gave; what it did not list stays, with its older date."""
    new = answer.book
    return PriceBook(
        on_demand={**written.on_demand, **new.on_demand},
        spot={**written.spot, **new.spot},
        commitments={**written.commitments, **_commitments(written, new)},
        capacity_blocks=written.capacity_blocks,
        services={**written.services, **new.services},
        egress={**written.egress, **new.egress},
        hosted=written.hosted,
    )


def _commitments(written: PriceBook, new: PriceBook) -> dict[Place, tuple[Commitment, ...]]:
    found = {}
    for place, some in new.commitments.items():
        by_name = {one.name: one for one in (*written.commitments.get(place, ()), *some)}
        found[place] = tuple(by_name.values())
    return found
