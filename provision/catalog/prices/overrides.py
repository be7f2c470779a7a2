"""Prices that a team writes itself, in ``prices/overrides.csv``: a private rate, a newer one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from provision.catalog.lookup import nearest
from provision.catalog.prices.price import (
    Commitment,
    HostedModel,
    Origin,
    Payment,
    Plan,
    Price,
    SpotRange,
    Status,
    Tier,
)
from provision.catalog.prices.table import Row, read

FILE = "overrides.csv"
COLUMNS = ("what", "name", "region", "usd", "upfront_usd", "as_of", "note")
KINDS = ("on-demand", "spot", "capacity-block", "service", "egress")
HOSTED_KINDS = {
    "hosted-input": "input_usd",
    "hosted-output": "output_usd",
    "hosted-cached-input": "cached_input_usd",
}

Place = tuple[str, str]
_COMMITMENT = re.compile(rf"({'|'.join(Plan)})-([13])y-({'|'.join(Payment)})")
_SHOWN_COMMITMENT = "reserved-1y-no-upfront (or another such commitment)"


@dataclass(frozen=True, slots=True)
class Overrides:
    """The lines of the file; each method lays one kind of them over a table."""

    rows: tuple[Row, ...] = ()

    def on_demand(self, table: dict[Place, Price]) -> dict[Place, Price]:
        """On-demand prices, by type and region."""
        return table | {_place(r): Price(r.usd("usd"), "hour", _origin(r)) for r in self._of(0)}

    def spot(self, table: dict[Place, SpotRange]) -> dict[Place, SpotRange]:
        """Spot prices: one figure for low, median and high."""
        return table | {_place(r): _spot(r) for r in self._of(1)}

    def capacity_blocks(self, table: dict[str, Price]) -> dict[str, Price]:
        """Capacity blocks, by type."""
        return table | {
            r.text("name"): Price(r.usd("usd"), "hour", _origin(r)) for r in self._of(2)
        }

    def services(self, table: dict[Place, Price]) -> dict[Place, Price]:
        """Service items, by item and region; an item that the book lacks is an error."""
        units = {item: price.unit for (item, _), price in table.items()}
        return table | {_place(r): _service(r, units) for r in self._of(3)}

    def egress(self, table: dict[str, tuple[Tier, ...]]) -> dict[str, tuple[Tier, ...]]:
        """Egress: one price for every gigabyte of a region."""
        return table | {
            r.text("region"): (Tier(None, r.usd("usd"), _origin(r)),) for r in self._of(4)
        }

    def commitments(
        self, table: dict[tuple[str, ...], Commitment]
    ) -> dict[tuple[str, ...], Commitment]:
        """Commitments, by type, region and name."""
        found = {}
        for row in self.rows:
            match = _COMMITMENT.fullmatch(row.text("what"))
            if match:
                found[(*_place(row), *match.groups())] = _commitment(row, match)
        return table | found

    def hosted(self, table: dict[str, HostedModel]) -> dict[str, HostedModel]:
        """Hosted models: the prices that are named; a model that the book lacks needs input and
        output."""
        changed = dict(table)
        for row in self.rows:
            field = HOSTED_KINDS.get(row.text("what"))
            if field:
                name = row.text("name")
                changes: dict[str, Any] = {field: row.usd("usd"), "origin": _origin(row)}
                changed[name] = replace(changed.get(name) or self._new_model(row, name), **changes)
        return changed

    def _new_model(self, row: Row, name: str) -> HostedModel:
        of_it = {r.text("what") for r in self.rows if r.optional("name") == name}
        if not {"hosted-input", "hosted-output"} <= of_it:
            raise row.wrong(f"{name!r} is a new model: it needs hosted-input and hosted-output")
        zero = Decimal(0)
        return HostedModel(name, "override", zero, zero, None, None, _origin(row))

    def _of(self, kind: int) -> list[Row]:
        return [row for row in self.rows if row.text("what") == KINDS[kind]]


def read_overrides(path: Path) -> Overrides:
    """The file, or nothing where there is none. Raises CatalogError with the line in question."""
    if not path.exists():
        return Overrides()
    rows = tuple(read(path, COLUMNS))
    first: dict[tuple[str, str, str], int] = {}
    for row in rows:
        what = row.text("what")
        if what not in (*KINDS, *HOSTED_KINDS) and not _COMMITMENT.fullmatch(what):
            known = ", ".join((*KINDS, *HOSTED_KINDS, _SHOWN_COMMITMENT))
            raise row.wrong(f"what {what!r} is none of {known}")
        key = (what, row.cells["name"].strip(), row.cells["region"].strip())
        if key in first:
            raise row.wrong(f"{' '.join(key).strip()} stands in line {first[key]} already")
        first[key] = row.line
    return Overrides(rows)


def _place(row: Row) -> Place:
    return (row.text("name"), row.text("region"))


def _spot(row: Row) -> SpotRange:
    usd = row.usd("usd")
    return SpotRange(usd, usd, usd, _origin(row))


def _service(row: Row, units: Mapping[str, str]) -> Price:
    item = row.text("name")
    if item not in units:
        close = " or ".join(nearest(item, units)) or ", ".join(sorted(units))
        raise row.wrong(f"{item!r} is no service item: did you mean {close}?")
    return Price(row.usd("usd"), units[item], _origin(row))


def _commitment(row: Row, match: re.Match[str]) -> Commitment:
    plan, years, payment = Plan(match[1]), int(match[2]), Payment(match[3])
    hourly, upfront = row.usd("usd"), row.optional_usd("upfront_usd") or Decimal(0)
    if payment is Payment.NO_UPFRONT and upfront:
        raise row.wrong(f"no-upfront, but upfront_usd is {upfront}")
    if payment is Payment.ALL_UPFRONT and hourly:
        raise row.wrong(f"all-upfront, but usd (per hour) is {hourly}")
    return Commitment(plan, years, payment, hourly, upfront, _origin(row))


def _origin(row: Row) -> Origin:
    note = row.optional("note")
    source = f"{row.path.parent.name}/{FILE}" + (f": {note}" if note else "")
    return Origin(source, row.as_of(), Status.OVERRIDE)
