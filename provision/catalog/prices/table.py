"""Reading a price file: every complaint names the file, the line and the cell."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from provision.catalog.prices.price import Origin, Status
from provision.errors import CatalogError

E = TypeVar("E", bound=StrEnum)

ORIGIN = ("source", "as_of", "status")
UNDATED = "undated"
_MOMENT = r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"
_AS_OF = re.compile(rf"{UNDATED}|{_MOMENT}(\.\.{_MOMENT})?")
_MENDING = "mend that line, or take the file away: then the bundled prices hold"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a price file; its methods raise CatalogError for a cell that is not right."""

    path: Path
    line: int
    cells: Mapping[str, str]

    def optional(self, column: str) -> str | None:
        """The text of a cell, None when it is empty."""
        return self.cells[column].strip() or None

    def text(self, column: str) -> str:
        """The text of a cell that must hold one."""
        value = self.optional(column)
        if value is None:
            raise self.wrong(f"{column} is empty")
        return value

    def optional_usd(self, column: str) -> Decimal | None:
        """A price in US dollars, None when the cell is empty."""
        value = self.optional(column)
        return None if value is None else self._usd(column, value)

    def usd(self, column: str) -> Decimal:
        """A price in US dollars, 0 or more."""
        return self._usd(column, self.text(column))

    def one_of(self, column: str, kind: type[E]) -> E:
        """A member of an enumeration, by its value."""
        value = self.text(column)
        try:
            return kind(value)
        except ValueError:
            raise self.wrong(f"{column} {value!r} is none of {', '.join(kind)}") from None

    def origin(self) -> Origin:
        """Source, date and status of the line."""
        return Origin(self.text("source"), self.as_of(), self.one_of("status", Status))

    def as_of(self) -> str:
        """The date, or the span of dates, from which the price is."""
        value = self.text("as_of")
        if not _AS_OF.fullmatch(value):
            raise self.wrong(f"as_of {value!r} is no date such as 2026-07-20 or 2026-01..2026-05")
        return value

    def wrong(self, message: str) -> CatalogError:
        """The error for this line."""
        return CatalogError(f"{self.path}, line {self.line}: {message}", hint=_MENDING)

    def _usd(self, column: str, value: str) -> Decimal:
        try:
            usd = Decimal(value)
        except InvalidOperation:
            usd = Decimal("NaN")
        if not usd.is_finite() or usd < 0:
            raise self.wrong(f"{column} {value!r} is no price in US dollars")
        return usd


def read(path: Path, columns: Sequence[str]) -> list[Row]:
    """The lines of *path*. Raises CatalogError unless its columns are exactly *columns*."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            return list(_rows(path, columns, reader))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CatalogError(f"{path}: can't be read: {error}", hint=_MENDING) from error


def _rows(path: Path, columns: Sequence[str], reader: Iterable[list[str]]) -> Iterable[Row]:
    lines = ((getattr(reader, "line_num", 0), cells) for cells in reader)
    _, header = next(lines, (0, []))
    if header != list(columns):
        raise CatalogError(
            f"{path}, line 1: the columns are {','.join(header)!r}",
            hint=f"they must be {','.join(columns)}",
        )
    for line, cells in lines:
        if not cells:
            continue
        row = Row(path, line, dict(zip(columns, cells, strict=False)))
        if len(cells) != len(columns):
            raise row.wrong(f"{len(cells)} cells instead of {len(columns)}")
        yield row
