"""Two bills side by side, as their documents: what came, what went, what costs another sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from provision.errors import UsageError
from provision.planning.cost.document import SCHEMA

Key = tuple[str, str, str]  # resource, type, name of the component


@dataclass(frozen=True, slots=True)
class Change:
    """One component before and after, US dollars a month: None where it is not there, or unknown.

    ``kind`` is ``added``, ``removed`` or ``changed``.
    """

    resource: str
    type: str
    name: str
    kind: str
    before: Decimal | None
    after: Decimal | None

    @property
    def difference(self) -> Decimal:
        """What the total gained."""
        return (self.after or Decimal(0)) - (self.before or Decimal(0))


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, the largest first, and both totals. ``against`` says what before is."""

    against: str
    before: Decimal
    after: Decimal
    changes: tuple[Change, ...]

    @property
    def difference(self) -> Decimal:
        """What a month costs more (or, negative, less) than before."""
        return self.after - self.before


def compare(before: Mapping[str, Any], after: Mapping[str, Any], *, against: str) -> Difference:
    """The difference between two documents of bills.

    Raises UsageError when *before* is not such a document.
    """
    old, new = _components(before, against), _components(after, "this bill")
    changes = [
        Change(*key, _kind(key, old, new), old.get(key), new.get(key))
        for key in sorted({*old, *new})
        if key not in old or key not in new or old[key] != new[key]
    ]
    ordered = sorted(changes, key=lambda change: -abs(change.difference))
    return Difference(against, _total(before), _total(after), tuple(ordered))


def _components(document: Mapping[str, Any], what: str) -> dict[Key, Decimal | None]:
    try:
        if document["schema"] != SCHEMA:
            raise KeyError("schema")
        return {
            (each["resource"], each["type"], each["name"]): _money(each["monthly_usd"])
            for each in document["components"]
        }
    except (KeyError, TypeError, InvalidOperation) as error:
        raise UsageError(
            f"{what} is no bill of this version ({error})",
            hint="write one with `fab cost.preview --json > FILE`",
        ) from error


def _kind(key: Key, old: Mapping[Key, Any], new: Mapping[Key, Any]) -> str:
    if key not in old:
        return "added"
    return "removed" if key not in new else "changed"


def _total(document: Mapping[str, Any]) -> Decimal:
    return Decimal(document["total_monthly_usd"])


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
