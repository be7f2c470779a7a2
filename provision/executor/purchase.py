"""Buy one offer, once: look back, try dry, look again, write down, buy, write down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from provision.errors import CloudError, Refused
from provision.facts.reservations import Capacity, Order, Reserved
from provision.planning.cost.purchase import Entry, bought_before, entry_of, parse
from provision.planning.cost.reserve import Offer, pick, require_limit, require_same


class Desk(Protocol):
    """Where it is bought. Errors are CloudError."""

    def reserved(self) -> tuple[Reserved, ...]:
        """Reserved Instances that the account holds in the region."""

    def capacity(self) -> tuple[Capacity, ...]:
        """Capacity reservations that the account holds in the region."""

    def dry_run(self, order: Order) -> None:
        """Ask whether the purchase would go through. Raises CloudError when it would not."""

    def buy(self, order: Order) -> str:
        """Buy, asking once; the reservation's id."""

    def said_no(self, error: CloudError) -> bool:
        """Whether AWS answered, and refused: then nothing was bought."""

    def entry(self, offering: str) -> str | None:
        """What an earlier run wrote down about *offering*."""

    def begin(self, offering: str, text: str, *, before: str | None) -> bool:
        """Write down that a purchase begins; False when somebody else began one since *before*."""

    def settle(self, offering: str, text: str | None) -> None:
        """Write down how it ended; None forgets it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was bought, and when. *earlier*: not now, but by a run before this one; *offer* is
    None when it is no longer offered."""

    offering: str
    reservation: str
    offer: Offer | None
    earlier: bool


@dataclass(frozen=True, slots=True)
class Buyer:
    """One purchase. *look* asks AWS what it offers at this moment; *tell* gets progress."""

    offering: str
    limit: Decimal
    look: Callable[[], Sequence[Offer]]
    desk: Desk
    now: Callable[[], datetime]
    tell: Callable[[str], None]

    def buy(self) -> Receipt:
        """Buy for at most *limit* US dollars, unless an earlier run did.

        Raises Refused, with nothing bought, when it is gone, above the limit, changed between two
        looks, or while an earlier run's outcome is unknown; CloudError when AWS says no.
        """
        before = self.desk.entry(self.offering)
        offers = self.look()
        offer = next((each for each in offers if each.id == self.offering), None)
        earlier = self._earlier(offer, before)
        if earlier is not None:
            return Receipt(self.offering, earlier, offer, earlier=True)
        offer = pick(offers, self.offering)
        require_limit(offer, self.limit)
        entry = entry_of(offer, now=self.now())
        order = self._order(offer, entry)
        self.tell("dry run: asking AWS whether it would sell")
        self.desk.dry_run(order)
        require_same(offer, pick(self.look(), self.offering))
        if not self.desk.begin(self.offering, entry.text(), before=before):
            raise Refused(
                f"somebody else is buying {self.offering} for this environment right now",
                hint="run the same command again in a minute: it tells what they bought",
            )
        self.tell(f"buying {self.offering}")
        reservation = self._buy(order)
        self.desk.settle(self.offering, replace(entry, bought=reservation).text())
        return Receipt(self.offering, reservation, offer, earlier=False)

    def _earlier(self, offer: Offer | None, before: str | None) -> str | None:
        """What an earlier run bought, written down if it could not do so itself."""
        now = self.now()
        entry = parse(before) if before is not None else None
        found = bought_before(
            entry_of(offer, now=now) if offer else None,
            entry,
            reserved=self.desk.reserved(),
            capacity=self.desk.capacity(),
            now=now,
        )
        if found is not None and entry is not None and entry.bought is None:
            self.desk.settle(self.offering, replace(entry, bought=found).text())
        return found

    def _order(self, offer: Offer, entry: Entry) -> Order:
        return Order(
            kind=offer.kind,
            offering=offer.id,
            instance_type=offer.instance_type,
            count=offer.count,
            zone=offer.zone,
            limit=self.limit,
            token=entry.token,
        )

    def _buy(self, order: Order) -> str:
        try:
            return self.desk.buy(order)
        except CloudError as error:
            if self.desk.said_no(error):
                self.desk.settle(self.offering, None)
                raise
            raise CloudError(
                f"{error.message}\nAWS did not answer: it may have sold {self.offering} or not",
                hint="run the same command again: it finds out, and buys nothing twice",
            ) from error
