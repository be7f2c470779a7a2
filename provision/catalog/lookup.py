"""Reading the data files, and the answer to a name that they don't hold."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import yaml

from provision.errors import CatalogError

_DATA = files("provision.catalog") / "data"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(name: str) -> dict[str, Any]:
    """The mapping in a YAML file of the catalogue."""
    document: dict[str, Any] = yaml.load((_DATA / name).read_text(), Loader=_LOADER)  # noqa: S506 (safe)
    return document


def read_csv(name: str) -> list[dict[str, str]]:
    """The rows of a CSV file of the catalogue."""
    return list(csv.DictReader((_DATA / name).read_text().splitlines()))


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Up to three known names that look like *name*, the likeliest first."""
    by_folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_folded, n=3, cutoff=0.5)
    return [by_folded[match] for match in close]


def unknown(kind: str, name: str, known: Iterable[str], *, hint: str = "") -> CatalogError:
    """The error for a name that the catalogue does not hold; its hint names the nearest ones."""
    names = sorted(known)
    close = nearest(name, names)
    said = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}"
    return CatalogError(f"unknown {kind} {name!r}", hint=" ".join(filter(None, (said, hint))))
