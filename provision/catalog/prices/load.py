"""The price book as it holds here: the bundled tables, what `fab cost.refresh` wrote over them,
and on top what the team wrote by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from provision.catalog.prices import tables
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.overrides import FILE as OVERRIDES
from provision.catalog.prices.overrides import Overrides, read_overrides
from provision.catalog.prices.tables import Table
from provision.errors import CatalogError

K = TypeVar("K")
V = TypeVar("V")

BUNDLED = Path(__file__).parents[1] / "data" / "prices"
FOLDER = "prices"  # of a project, next to Pulumi.yaml


class Lazy(Mapping[K, V]):
    """A mapping that is made when someone first looks into it."""

    def __init__(self, make: Callable[[], Mapping[K, V]]) -> None:
        self._make = cache(make)

    def __getitem__(self, key: K) -> V:
        return self._make()[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._make())

    def __len__(self) -> int:
        return len(self._make())


def load(*, folder: Path | None = None, by_hand: bool = True) -> PriceBook:
    """The prices that hold in a project whose ``prices/`` folder is *folder* (None: bundled only).

    Each table is read when it is first needed. Raises CatalogError, at once for a file in *folder*
    that no table has the name of, at the first look-up for one that is malformed. Without *by_hand*
    the team's own overrides are left out.
    """
    if folder is not None:
        _require_known_files(folder)
    return _book(_Shelf(folder, bundled=True, by_hand=by_hand))


def written(folder: Path) -> PriceBook:
    """Only what `fab cost.refresh` wrote into *folder*, read at once. Errors as for `load`."""
    _require_known_files(folder)
    book = _book(_Shelf(folder, bundled=False, by_hand=False))
    return replace(book, **{f.name: dict(getattr(book, f.name)) for f in fields(book)})


def _book(shelf: _Shelf) -> PriceBook:
    return PriceBook(
        on_demand=Lazy(shelf.on_demand),
        spot=Lazy(shelf.spot),
        commitments=Lazy(shelf.commitments),
        capacity_blocks=Lazy(shelf.capacity_blocks),
        services=Lazy(shelf.services),
        egress=Lazy(shelf.egress),
        hosted=Lazy(shelf.hosted),
    )


class _Shelf:
    """Where the tables stand: a later one wins, key by key."""

    def __init__(self, folder: Path | None, *, bundled: bool, by_hand: bool) -> None:
        self._folder = folder
        self._with_bundled = bundled
        self._by_hand = by_hand

    @cached_property
    def _overrides(self) -> Overrides:
        if self._folder is None or not self._by_hand:
            return Overrides()
        return read_overrides(self._folder / OVERRIDES)

    def on_demand(self) -> Any:
        return self._overrides.on_demand(self._table(tables.ON_DEMAND))

    def spot(self) -> Any:
        return self._overrides.spot(self._table(tables.SPOT))

    def commitments(self) -> Any:
        return tables.by_place(self._overrides.commitments(self._table(tables.COMMITMENTS)))

    def capacity_blocks(self) -> Any:
        known = tables.single(self._table(tables.CAPACITY_BLOCKS))
        return self._overrides.capacity_blocks(known)

    def services(self) -> Any:
        return self._overrides.services(self._table(tables.SERVICES))

    def egress(self) -> Any:
        """Tiers belong together: those of a region are replaced as a whole."""
        written = tables.by_region(self._written(tables.EGRESS))
        return self._overrides.egress(tables.by_region(self._bundled(tables.EGRESS)) | written)

    def hosted(self) -> Any:
        return self._overrides.hosted(tables.single(self._table(tables.HOSTED)))

    def _table(self, table: Table[V]) -> Any:
        return self._bundled(table) | self._written(table)

    def _bundled(self, table: Table[V]) -> dict[tuple[str, ...], V]:
        return _bundled(table) if self._with_bundled else {}

    def _written(self, table: Table[V]) -> dict[tuple[str, ...], V]:
        path = self._folder / table.file if self._folder else None
        return table.read(path) if path and path.exists() else {}


@cache
def _bundled(table: Table[V]) -> dict[tuple[str, ...], V]:
    return table.read(BUNDLED / table.file)


def _require_known_files(folder: Path) -> None:
    names = [*(table.file for table in tables.TABLES), OVERRIDES]
    for path in tables.unknown_files(folder, names):
        raise CatalogError(f"{path}: no table has this name", hint=f"known: {', '.join(names)}")
