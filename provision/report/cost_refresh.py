"""What a refresh of the price book found, for people and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from provision.catalog.prices.answer import Answer
from provision.planning.cost.money import text as money
from provision.planning.cost.price_diff import Change, PriceDiff
from provision.report.table import table


def text(diff: PriceDiff, answer: Answer) -> str:
    """Changed and new prices, what AWS left open, and how many there were of each."""
    sections = [
        _section("changed", diff.changed),
        _section("new", diff.new),
        ["notes", *(f"  {note}" for note in answer.notes)] if answer.notes else [],
        [_summary(diff, answer)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def document(diff: PriceDiff, answer: Answer, *, price_date: str, written: bool) -> dict[str, Any]:
    """For ``--json``; money is text, percent a number with one digit."""
    return {
        "region": answer.region,
        "price_date": price_date,
        "asked": sorted(answer.asked),
        "changed": [_change(one) for one in diff.changed],
        "new": [_change(one) for one in diff.new],
        "unlisted": [_change(one) for one in diff.unlisted],
        "same": diff.same,
        "notes": list(answer.notes),
        "written": written,
    }


def _section(title: str, changes: Sequence[Change]) -> list[str]:
    rows = [
        ("", one.what, one.item, _usd(one.before), _usd(one.after), _percent(one))
        for one in changes
    ]
    return [title, *table(rows, right=(3, 4, 5))] if rows else []


def _summary(diff: PriceDiff, answer: Answer) -> str:
    return (
        f"{answer.region}: {len(diff.changed)} changed, {len(diff.new)} new, {diff.same} the same, "
        f"{len(diff.unlisted)} not in AWS's answer (their price stays)"
    )


def _change(one: Change) -> dict[str, Any]:
    return {
        "what": one.what,
        "item": one.item,
        "before_usd": None if one.before is None else money(one.before),
        "after_usd": None if one.after is None else money(one.after),
        "percent": None if one.percent is None else float(round(one.percent, 1)),
    }


def _usd(usd: Decimal | None) -> str:
    return "unknown" if usd is None else money(round(usd, 6) if usd > Decimal("0.001") else usd)


def _percent(one: Change) -> str:
    return "" if one.percent is None else f"{one.percent:+.1f} %"
