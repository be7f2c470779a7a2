"""What ``fab cost.preview --json`` says to a program."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from provision.planning.cost.diff import Difference
from provision.planning.cost.document import document as bill_document
from provision.planning.cost.document import money, plain
from provision.planning.cost.money import text as exact
from provision.planning.cost.per_request import PerRequest
from provision.planning.cost.preview import Preview

_MICRO = Decimal("0.0000001")


def document(preview: Preview) -> dict[str, Any]:
    """The whole preview; docs/cost-preview.md lists its fields. Money is text."""
    said = {
        **bill_document(preview.bill),
        "per_request": {
            "stated": _each(preview.stated),
            "full_load": _each(preview.full_load),
        },
        "warnings": list(preview.warnings),
    }
    return said if preview.difference is None else {**said, "against": _diff(preview.difference)}


def _each(one: PerRequest | None) -> dict[str, Any] | None:
    if one is None:
        return None
    each, million = one.usd_per_request, one.usd_per_million_tokens
    return {
        "requests_per_month": plain(one.requests),
        "total_monthly_usd": exact(one.usd),
        "usd_per_request": None if each is None else plain(each.quantize(_MICRO)),
        "usd_per_million_tokens": None if million is None else plain(million.quantize(_MICRO)),
        "basis": one.basis,
    }


def _diff(difference: Difference) -> dict[str, Any]:
    return {
        "against": difference.against,
        "before_usd": exact(difference.before),
        "after_usd": exact(difference.after),
        "difference_usd": exact(difference.difference),
        "changes": [
            {
                "resource": one.resource,
                "type": one.type,
                "name": one.name,
                "kind": one.kind,
                "before_usd": money(one.before),
                "after_usd": money(one.after),
                "difference_usd": exact(one.difference),
            }
            for one in difference.changes
        ],
    }
