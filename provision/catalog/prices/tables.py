"""The tables of a price book: what each file holds, and the value that a line becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from provision.catalog.prices.book import Place
from provision.catalog.prices.price import (
    Commitment,
    HostedModel,
    Payment,
    Plan,
    Price,
    SpotRange,
    Tier,
)
from provision.catalog.prices.table import ORIGIN, Row, read
from provision.errors import CatalogError

V = TypeVar("V")

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Table(Generic[V]):
    """One file: *key* is what may stand in it only once, *value* what a line says."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    value: Callable[[Row], V]

    @property
    def file(self) -> str:
        """The name of the file, in every folder of prices."""
        return f"{self.name}.csv"

    def read(self, path: Path) -> dict[tuple[str, ...], V]:
        """The values by key. Raises CatalogError, with file and line, for what is not right."""
        found: dict[tuple[str, ...], V] = {}
        first: dict[tuple[str, ...], int] = {}
        for row in read(path, self.columns):
            key = tuple(row.cells[column].strip() for column in self.key)
            if key in found:
                raise row.wrong(f"{' '.join(key)} stands in line {first[key]} already")
            found[key], first[key] = self.value(row), row.line
        return found


def _on_demand(row: Row) -> Price:
    return Price(row.usd("usd_per_hour"), "hour", row.origin())


def _spot(row: Row) -> SpotRange:
    low, median = row.usd("low_usd_per_hour"), row.usd("median_usd_per_hour")
    high = row.usd("high_usd_per_hour")
    if not low <= median <= high:
        raise row.wrong(f"{low}, {median}, {high} do not rise from low to high")
    return SpotRange(low, median, high, row.origin())


def _commitment(row: Row) -> Commitment:
    years, payment = row.text("years"), row.one_of("payment", Payment)
    hourly, upfront = row.usd("hourly_usd"), row.usd("upfront_usd")
    if years not in {"1", "3"}:
        raise row.wrong(f"years {years!r} is neither 1 nor 3")
    if payment is Payment.NO_UPFRONT and upfront:
        raise row.wrong(f"no-upfront, but upfront_usd is {upfront}")
    if payment is Payment.ALL_UPFRONT and hourly:
        raise row.wrong(f"all-upfront, but hourly_usd is {hourly}")
    plan = row.one_of("plan", Plan)
    return Commitment(plan, int(years), payment, hourly, upfront, row.origin())


def _service(row: Row) -> Price:
    return Price(row.usd("usd"), row.text("unit"), row.origin())


def _tier(row: Row) -> Tier:
    return Tier(row.optional_usd("up_to_gb"), row.usd("usd_per_gb"), row.origin())


def _hosted(row: Row) -> HostedModel:
    ends = row.optional("deprecated_on")
    if ends is not None and not _ISO_DATE.fullmatch(ends):
        raise row.wrong(f"deprecated_on {ends!r} is no date such as 2026-12-11")
    return HostedModel(
        name=row.text("model"),
        provider=row.text("provider"),
        input_usd=row.usd("input_usd_per_1m"),
        output_usd=row.usd("output_usd_per_1m"),
        cached_input_usd=row.optional_usd("cached_input_usd_per_1m"),
        deprecated_on=ends,
        origin=row.origin(),
    )


_PLACE = ("instance_type", "region")
_TERM = ("plan", "years", "payment")

ON_DEMAND = Table("on_demand", (*_PLACE, "usd_per_hour", *ORIGIN), _PLACE, _on_demand)
SPOT = Table(
    "spot",
    (*_PLACE, "low_usd_per_hour", "median_usd_per_hour", "high_usd_per_hour", *ORIGIN),
    _PLACE,
    _spot,
)
COMMITMENTS = Table(
    "commitments",
    (*_PLACE, *_TERM, "hourly_usd", "upfront_usd", *ORIGIN),
    (*_PLACE, *_TERM),
    _commitment,
)
CAPACITY_BLOCKS = Table(
    "capacity_blocks",
    ("instance_type", "usd_per_hour", *ORIGIN),
    ("instance_type",),
    _on_demand,
)
SERVICES = Table(
    "services", ("item", "region", "usd", "unit", *ORIGIN), ("item", "region"), _service
)
EGRESS = Table(
    "egress", ("region", "up_to_gb", "usd_per_gb", *ORIGIN), ("region", "up_to_gb"), _tier
)
HOSTED = Table(
    "hosted",
    (
        *("model", "provider", "input_usd_per_1m", "output_usd_per_1m"),
        *("cached_input_usd_per_1m", "deprecated_on", *ORIGIN),
    ),
    ("model",),
    _hosted,
)
TABLES: tuple[Table[Any], ...] = (
    ON_DEMAND,
    SPOT,
    COMMITMENTS,
    CAPACITY_BLOCKS,
    SERVICES,
    EGRESS,
    HOSTED,
)


def by_place(commitments: Mapping[tuple[str, ...], Commitment]) -> dict[Place, Any]:
    """All commitments of a type in a region together, as the book holds them."""
    found: dict[Place, tuple[Commitment, ...]] = {}
    for (instance_type, region, *_), one in commitments.items():
        found[instance_type, region] = (*found.get((instance_type, region), ()), one)
    return found


def by_region(tiers: Mapping[tuple[str, ...], Tier]) -> dict[str, tuple[Tier, ...]]:
    """The tiers of each region, the first one first and the endless one last.

    Raises CatalogError for a region whose tiers end somewhere: the rest would be free.
    """
    found: dict[str, tuple[Tier, ...]] = {}
    for (region, _), tier in tiers.items():
        found[region] = (*found.get(region, ()), tier)
    for region, some in found.items():
        if all(tier.up_to is not None for tier in some):
            raise CatalogError(
                f"egress prices of {region} have no tier without end",
                hint="its last line has an empty up_to_gb",
            )
    return {region: tuple(sorted(some, key=_end)) for region, some in found.items()}


def single(values: Mapping[tuple[str, ...], V]) -> dict[str, V]:
    """Keys of one part without their tuple."""
    return {key: value for (key,), value in values.items()}


def _end(tier: Tier) -> tuple[bool, Any]:
    return (tier.up_to is None, tier.up_to or 0)


def unknown_files(folder: Path, known: Iterable[str]) -> list[Path]:
    """CSV files of *folder* that no table has the name of: most likely misspelt."""
    names = set(known)
    return sorted(path for path in folder.glob("*.csv") if path.name not in names)
