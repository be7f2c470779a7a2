"""A purchase must not happen twice: what an earlier run left behind, and what it means. Pure.

Before it buys, a run writes an entry; after, it writes what was bought. AWS has no token that makes
buying Reserved Instances safe to repeat, so a run that finds an entry looks for its reservation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from provision.errors import PlanError, Refused
from provision.facts.reservations import OFFERING_TAG, Capacity, Kind, Reserved
from provision.planning.cost.reserve import Offer

RECENT = timedelta(minutes=60)  # the same again within this time is a repeated command
UNSETTLED = timedelta(minutes=15)  # AWS shows within it what it sold
_SKEW = timedelta(minutes=2)  # between this machine's clock and AWS's
_HELD = {"active", "payment-pending", "pending", "queued", "scheduled"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A purchase that began. *bought* is the reservation, None while nobody knows of one.

    The rest is the offer as it was, so that its reservation is recognised when the offer is gone.
    """

    offering: str
    kind: Kind
    name: str
    instance_type: str
    count: int
    cash_now: Decimal
    hourly: Decimal
    began: datetime
    bought: str | None = None

    @property
    def token(self) -> str:
        """What makes a repeated call the same call, where AWS takes such a token."""
        said = f"{self.offering} {self.count} {self.began.isoformat()}"
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    def text(self) -> str:
        """The entry as it is stored."""
        return json.dumps(
            {
                **asdict(self),
                "cash_now": str(self.cash_now),
                "hourly": str(self.hourly),
                "began": self.began.isoformat(),
            },
            sort_keys=True,
        )


def entry_of(offer: Offer, *, now: datetime) -> Entry:
    """The entry of a purchase that begins *now*."""
    return Entry(
        offering=offer.id,
        kind=offer.kind,
        name=offer.name,
        instance_type=offer.instance_type,
        count=offer.count,
        cash_now=offer.cash_now,
        hourly=offer.hourly,
        began=now,
    )


def parse(text: str) -> Entry:
    """A stored entry. Raises PlanError for text that is none."""
    try:
        said = json.loads(text)
        return Entry(
            **{
                **said,
                "kind": Kind(said["kind"]),
                "cash_now": Decimal(said["cash_now"]),
                "hourly": Decimal(said["hourly"]),
                "began": datetime.fromisoformat(said["began"]).astimezone(UTC),
            }
        )
    except (ValueError, KeyError, TypeError, InvalidOperation) as error:
        raise PlanError(
            f"the record of an earlier purchase can't be read: {text[:80]!r}",
            hint="see in the console what was bought, then delete the parameter",
        ) from error


def bought_before(
    wanted: Entry | None,
    entry: Entry | None,
    *,
    reserved: Iterable[Reserved],
    capacity: Iterable[Capacity],
    now: datetime,
) -> str | None:
    """The reservation that an earlier run of the same purchase got; None when there was none.

    *wanted* is what would be bought now, None when it is no longer offered; *entry* is what the
    earlier run wrote, None if it wrote nothing. Raises Refused while it is too early to tell
    whether AWS sold anything to that run.
    """
    if entry is not None and entry.bought is not None:
        if now - entry.began < RECENT:
            return entry.bought
        entry = None  # settled long ago: whoever asks again means it
    since = now - RECENT if entry is None else min(now - RECENT, entry.began - _SKEW)
    sought = [each for each in (entry, wanted) if each is not None]
    found = [held.id for held in reserved if any(_is_it(one, held, since) for one in sought)]
    found += [held.id for held in capacity if any(_holds_it(one, held, since) for one in sought)]
    if found:
        return found[0]
    if entry is not None and now - entry.began < UNSETTLED:
        raise _too_early(entry)
    return None


def _is_it(sought: Entry, held: Reserved, since: datetime) -> bool:
    """Whether *held* came of the purchase: AWS names no offering, so by all of its terms."""
    return (
        sought.kind is Kind.RESERVED
        and held.state in _HELD
        and held.starts >= since
        and not held.zone
        and held.offering_class == "standard"
        and held.instance_type == sought.instance_type
        and held.count == sought.count
        and f"reserved-{held.years}y-{held.payment}" == sought.name
        and held.upfront * held.count == sought.cash_now
        and held.hourly * held.count == sought.hourly
    )


def _holds_it(sought: Entry, held: Capacity, since: datetime) -> bool:
    """By its tag. A block's offering sells once; on-demand capacity can be had again later."""
    if held.tags.get(OFFERING_TAG) != sought.offering or held.state not in _HELD:
        return False
    if sought.kind is Kind.CAPACITY_BLOCK:
        return True
    return held.starts is not None and held.starts >= since


def _too_early(entry: Entry) -> Refused:
    until = entry.began + UNSETTLED
    return Refused(
        f"a purchase of {entry.offering} began at {entry.began:%H:%M} UTC, and nobody knows yet "
        "how it ended: AWS shows no reservation of it so far",
        hint=f"run the same command again after {until:%H:%M} UTC: by then AWS shows what it sold",
    )
