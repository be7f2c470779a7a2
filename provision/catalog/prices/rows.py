"""A price book as text: the files that :mod:`provision.catalog.prices.load` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from provision.catalog.prices import tables
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.price import HostedModel, Origin
from provision.catalog.prices.tables import Table

Cells = tuple[str, ...]


def files(book: PriceBook) -> dict[str, str]:
    """File name -> content, sorted by key, for every table that holds something.

    Raises ValueError for a price without an origin: it could not be read again.
    """
    lines: tuple[tuple[Table[Any], list[Cells]], ...] = (
        (tables.ON_DEMAND, _on_demand(book)),
        (tables.SPOT, _spot(book)),
        (tables.COMMITMENTS, _commitments(book)),
        (tables.CAPACITY_BLOCKS, _capacity_blocks(book)),
        (tables.SERVICES, _services(book)),
        (tables.EGRESS, _egress(book)),
        (tables.HOSTED, [_hosted(model) for model in book.hosted.values()]),
    )
    return {table.file: _text(table, sorted(some)) for table, some in lines if some}


def _on_demand(book: PriceBook) -> list[Cells]:
    return [(*place, _usd(p.usd), *_origin(p.origin)) for place, p in book.on_demand.items()]


def _spot(book: PriceBook) -> list[Cells]:
    return [
        (*place, _usd(s.low), _usd(s.median), _usd(s.high), *_origin(s.origin))
        for place, s in book.spot.items()
    ]


def _commitments(book: PriceBook) -> list[Cells]:
    return [
        (
            *place,
            c.plan,
            str(c.years),
            c.payment,
            _usd(c.hourly),
            _usd(c.upfront),
            *_origin(c.origin),
        )
        for place, some in book.commitments.items()
        for c in some
    ]


def _capacity_blocks(book: PriceBook) -> list[Cells]:
    return [(name, _usd(p.usd), *_origin(p.origin)) for name, p in book.capacity_blocks.items()]


def _services(book: PriceBook) -> list[Cells]:
    return [(*place, _usd(p.usd), p.unit, *_origin(p.origin)) for place, p in book.services.items()]


def _egress(book: PriceBook) -> list[Cells]:
    return [
        (region, "" if t.up_to is None else _usd(t.up_to), _usd(t.usd), *_origin(t.origin))
        for region, tiers in book.egress.items()
        for t in tiers
    ]


def _hosted(model: HostedModel) -> Cells:
    cached = model.cached_input_usd
    return (
        *(model.name, model.provider, _usd(model.input_usd), _usd(model.output_usd)),
        *("" if cached is None else _usd(cached), model.deprecated_on or ""),
        *_origin(model.origin),
    )


def _origin(origin: Origin | None) -> Cells:
    if origin is None:
        raise ValueError("a price without an origin can't be kept")
    return (origin.source, origin.as_of, origin.status)


def _usd(usd: Decimal) -> str:
    """No exponent, and no zeros that say nothing."""
    return format(usd.normalize(), "f")


def _text(table: Table[Any], lines: Iterable[Cells]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(lines)
    return out.getvalue()
