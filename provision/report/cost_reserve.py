"""What ``fab cost.reserve`` says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from provision.catalog.prices.price import Price, Status
from provision.executor.purchase import Receipt
from provision.facts.reservations import Kind
from provision.planning.cost.money import cents, text
from provision.planning.cost.reserve import Offer
from provision.report.table import table

_MONEY = ("cash now", "monthly", "commitment", "amortised/mo", "saves/mo", "break-even")
_AT_THE_END = {
    Kind.RESERVED: "the reservation ends by itself and is not renewed: the hosts run on, at the "
    "on-demand price. `fab cost.coverage` warns 60 days before.",
    Kind.CAPACITY_BLOCK: "AWS begins to terminate the instances 30 minutes before a Capacity Block "
    "ends. Deploy elsewhere before, or answer from the fallback.",
    Kind.CAPACITY: "an on-demand capacity reservation has no end: it costs the on-demand price, "
    "used or not, until you cancel it (`aws ec2 cancel-capacity-reservation`).",
}
_CANCEL = {
    Kind.RESERVED: "a purchase can't be cancelled or returned. What is left of a term can only be "
    "offered to others on AWS's Reserved Instance Marketplace.",
    Kind.CAPACITY_BLOCK: "a purchase can't be cancelled, changed or returned.",
    Kind.CAPACITY: "it can be cancelled at any time.",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What was offered for an environment, and beside what.

    *flags* are those that look the same way again; *on_demand* is the price of one instance, None
    when nobody knows it; *warnings* are reasons to think twice.
    """

    environment: str
    region: str
    instance_type: str
    count: int
    capacity: bool
    flags: str
    offers: tuple[Offer, ...]
    on_demand: Price | None
    warnings: tuple[str, ...]


def document(look: Look) -> dict[str, Any]:
    """The ``--json`` document of a look."""
    price = look.on_demand
    kinds = sorted({offer.kind for offer in look.offers})
    return {
        "environment": look.environment,
        "region": look.region,
        "instance_type": look.instance_type,
        "count": look.count,
        "on_demand_usd_per_hour": text(price.usd) if price else None,
        "on_demand_price_date": price.origin.as_of if price else None,
        "offers": [offer_document(offer) for offer in look.offers],
        "at_the_end": {str(kind): _AT_THE_END[kind] for kind in kinds},
        "warnings": list(look.warnings),
    }


def offer_document(offer: Offer) -> dict[str, Any]:
    """One offer; money to the cent, for all instances together."""
    return {
        "id": offer.id,
        "kind": str(offer.kind),
        "model": offer.name,
        "instance_type": offer.instance_type,
        "count": offer.count,
        "zone": offer.zone or None,
        "starts": _moment(offer.starts),
        "ends": _moment(offer.ends),
        "term_hours": _hours(offer.hours),
        "cash_now_usd": _money(offer.cash_now),
        "monthly_usd": _money(offer.monthly),
        "commitment_usd": _money(offer.commitment),
        "amortised_monthly_usd": _money(offer.amortised),
        "saving_monthly_usd": _money(offer.saving),
        "break_even_hours": _hours(offer.break_even_hours),
        "break_even_month": offer.break_even_month,
        "cash_ahead_month": offer.cash_ahead_month,
    }


def lines(look: Look) -> str:
    """The table and what must be known before buying."""
    said = [f"{_title(look)}\n"]
    if look.offers:
        said += _table(look)
    else:
        said.append("AWS offers nothing of the kind to this account right now.")
    said += ["", *_notes(look)]
    return "\n".join(said)


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """The ``--json`` document of a purchase. ``bought_now`` is false when an earlier run did it."""
    return {
        "offering": receipt.offering,
        "reservation": receipt.reservation,
        "bought_now": not receipt.earlier,
        "offer": offer_document(receipt.offer) if receipt.offer else None,
    }


def receipt_lines(receipt: Receipt) -> str:
    """What was bought, and what to do with it."""
    offer = receipt.offer
    if receipt.earlier or offer is None:
        first = f"nothing bought: {receipt.offering} was bought before, as {receipt.reservation}"
        if offer is None or offer.kind is Kind.RESERVED:
            return f"{first}\nto buy it again on purpose, wait until an hour after that purchase"
        return f"{first}\n{_use(receipt.reservation, offer)}"
    return "\n".join(
        [
            f"bought {receipt.reservation}: {offer.count} x {offer.instance_type}, {offer.name}",
            f"  cash now {_usd(offer.cash_now)}, then {_usd(offer.monthly)} a month"
            + ("" if offer.commitment is None else f"; in all {_usd(offer.commitment)}"),
            f"  Mind: {_CANCEL[offer.kind]}",
            f"  At the end: {_AT_THE_END[offer.kind]}",
            f"  {_use(receipt.reservation, offer)}",
        ]
    )


def _use(reservation: str, offer: Offer) -> str:
    if offer.kind is Kind.RESERVED:
        return (
            "Nothing to set up: AWS applies it to running hosts of this type by itself, within "
            "the hour. `fab cost.coverage` shows it."
        )
    block = ", capacity_block: true" if offer.kind is Kind.CAPACITY_BLOCK else ""
    return (
        f"To run in it, write under llm-fleet:fleet  capacity_reservation_id: {reservation}"
        f"{block}, zones: 1  (it stands in {offer.zone}), then `pulumi up`."
    )


def _title(look: Look) -> str:
    what = f"{look.count} x {look.instance_type} in {look.region}"
    if look.capacity:
        return f"{look.environment}: capacity for {what}, Linux/UNIX, default tenancy"
    return (
        f"{look.environment}: Reserved Instances for {what}, Linux/UNIX, standard, regional, "
        "default tenancy, from AWS itself"
    )


def _table(look: Look) -> list[str]:
    """Reserved Instances hold in the whole region from now on; capacity has a place and a time."""
    place = ("where", "from") if look.capacity else ()
    first = 1 + len(place)
    return table(
        [_row(offer, placed=look.capacity) for offer in look.offers],
        header=("model", *place, *_MONEY, "offering"),
        right=range(first, first + len(_MONEY)),
    )


def _row(offer: Offer, *, placed: bool) -> list[str]:
    starts = offer.starts.strftime("%Y-%m-%d %H:%M") if offer.starts else "now"
    return [
        offer.name,
        *([offer.zone, starts] if placed else []),
        _usd(offer.cash_now),
        _usd(offer.monthly),
        "none" if offer.commitment is None else _usd(offer.commitment),
        _usd(offer.amortised),
        _usd(offer.saving),
        _break_even(offer),
        offer.id,
    ]


def _break_even(offer: Offer) -> str:
    if offer.on_demand_hourly is None:
        return "unknown"
    if offer.kind is Kind.CAPACITY:
        return "-"
    if offer.break_even_hours is None:
        return "never"
    if offer.kind is Kind.CAPACITY_BLOCK:
        return f"hour {offer.break_even_hours:,.0f} of {offer.hours:,.0f}"
    return f"month {offer.break_even_month} of {offer.months:.0f}"


def _notes(look: Look) -> list[str]:
    said = [_on_demand_line(look), *(f"! {warning}" for warning in look.warnings)]
    kinds = list(dict.fromkeys(offer.kind for offer in look.offers))
    if any(offer.commitment is not None for offer in look.offers):
        said.append(
            "break-even: who stops the hosts before then had better stayed on demand; "
            "the commitment is paid whether they run or not."
        )
    for kind in kinds:
        said.append(f"{kind}, at the end: {_AT_THE_END[kind]}")
        said.append(f"{kind}: {_CANCEL[kind]}")
    if look.offers:
        said += ["", _how_to_buy(look)]
    return said


def _how_to_buy(look: Look) -> str:
    offer = look.offers[0]
    return (
        f"to buy one: fab cost.reserve {look.flags} --confirm {offer.id} "
        f"--limit-price {cents(offer.limited)}\n"
        "(dry run first; refused when it is gone, changed, or its commitment is above the limit)"
    )


def _on_demand_line(look: Look) -> str:
    price = look.on_demand
    if price is None:
        return f"on demand: the price of {look.instance_type} in {look.region} is unknown here"
    mark = "~" if price.origin.status is Status.MEMORY else ""
    monthly = price.usd * 730 * look.count
    unverified = "; unverified" if mark else ""
    return (
        f"on demand: {mark}{_usd(monthly)} a month for the same (price of {price.origin.as_of}, "
        f"{price.origin.source}{unverified})"
    )


def _usd(usd: Decimal | None) -> str:
    if usd is None:
        return "unknown"
    rounded = cents(usd)
    return f"-${-rounded:,}" if rounded < 0 else f"${rounded:,}"


def _money(usd: Decimal | None) -> str | None:
    return None if usd is None else text(cents(usd))


def _hours(hours: Decimal | None) -> float | None:
    return None if hours is None else round(float(hours), 2)


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
