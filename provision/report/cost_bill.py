"""What ``fab cost.preview`` says to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from textwrap import wrap
from typing import Any

from provision.catalog.prices.price import Plan, Price, Status
from provision.planning.cost.bill import Bill, Line, Unbilled
from provision.planning.cost.diff import Difference
from provision.planning.cost.document import plain
from provision.planning.cost.per_request import PerRequest
from provision.planning.cost.preview import Preview
from provision.report.html.bill import Branch, Way, tree, unknown_ways, ways
from provision.report.html.sources import of_bill, sources
from provision.report.table import table

WIDEST = 100  # of a table
WIDTH = 96  # of text
UNVERIFIED = "~"
_TERMS = 6  # 1 and 3 years, three payments each
_ALIKE = 2  # so many resources of one kind and price become one row
_NOTED = 40  # characters of a line with its note
_TENTH = Decimal("0.1")
_REFRESH = "`fab cost.refresh` asks AWS"


def text(preview: Preview) -> str:
    """The whole preview, on lines of at most 100 characters."""
    bill = preview.bill
    lines = [
        _headline(bill),
        f"at prices of {bill.price_date}",
        "",
        *_tree(bill),
        "",
        *_options(bill),
        "",
        *_per_request(preview),
    ]
    if preview.difference is not None:
        lines += ["", *_changes(preview.difference)]
    lines += _listed("not in the total", _outside(bill))
    lines += ["", *_assumed(bill), "", *_sources(bill)]
    lines += _listed("mind", preview.warnings)
    return "\n".join(lines)


def _headline(bill: Bill) -> str:
    more = "more than " if bill.unpriced else ""
    lacking = f", {_count(bill.unpriced, 'price')} unknown" if bill.unpriced else ""
    return f"{bill.environment} in {bill.region}: {more}${bill.total:,.2f} a month{lacking}"


def _tree(bill: Bill) -> list[str]:
    """A row for each line under its resource; resources alike become one row."""
    rows = [row for group in _alike(tree(bill.lines)) for row in _rows(group)]
    header = ("resource", "quantity", "", "unit price", "US$ a month")
    rows = [header, *rows, ("total", "", "", "", _sum(bill.total, whole=not bill.unpriced))]
    others = len(max(table([row[1:] for row in rows], right=(0, 2, 3)), key=len))
    labelled = [(_cut(row[0], WIDEST - others - 2), *row[1:]) for row in rows]
    found = table(labelled, right=(1, 3, 4))
    rule = "-" * max(len(line) for line in found)
    return [found[0], rule, *found[1:-1], rule, found[-1], "* follows from the usage assumed below"]


def _alike(branches: Iterable[Branch]) -> list[list[Branch]]:
    """Branches that bill the same for resources of one type, together; the others alone."""
    groups: dict[Any, list[Branch]] = {}
    for branch in branches:
        lines = tuple((one.name, one.quantity, one.price, one.note) for one in branch.lines)
        groups.setdefault((branch.type, lines), []).append(branch)
    return list(groups.values())


def _rows(group: Sequence[Branch]) -> Iterator[tuple[str, ...]]:
    first, count = group[0], len(group)
    kind = first.type.rpartition(":")[2]
    named = first.resource if count < _ALIKE else f"{count} x {kind}"
    total = sum((branch.total for branch in group), Decimal(0))
    if len(first.lines) == 1:
        yield _row(f"{named}: {_said(first.lines[0])}", first.lines[0], count)
        return
    priced = any(line.price for line in first.lines)
    said = _sum(total, whole=not first.incomplete) if priced else "unknown"
    yield (named, "", "", "", said)
    for line in first.lines:
        yield _row(f"  {_said(line)}", line, count)


def _sum(usd: Decimal, *, whole: bool) -> str:
    """A sum that leaves something out is only known to be more."""
    return f"{'' if whole else '>'}{usd:,.2f}"


def _row(label: str, line: Line, count: int) -> tuple[str, ...]:
    star = "*" if line.assumed else ""
    month = "unknown" if line.monthly is None else f"{line.monthly * count:,.2f}"
    return (
        label,
        f"{_quantity(line.quantity * count)}{star}",
        line.unit,
        _price(line.price),
        month,
    )


def _said(line: Line) -> str:
    noted = line.note and line.price is not None and len(line.name) + len(line.note) < _NOTED
    return f"{line.name} ({line.note})" if noted else line.name


def _options(bill: Bill) -> list[str]:
    found = ways(bill.options)
    rows = [_option(way) for way in found]
    header = ("the whole bill, paid", "cash now", "a month", "amortised", "saves", "")
    lines = table(rows, header=header, right=(1, 2, 3, 4)) if rows else []
    for reason, names in unknown_ways(bill.options):
        lines += wrap(
            f"{reason}: {_shortened(names)}; {_REFRESH}",
            WIDTH,
            subsequent_indent="  ",
            break_on_hyphens=False,
        )
    return lines


def _option(way: Way) -> tuple[str, ...]:
    one = way.option
    mark = "" if one.verified else UNVERIFIED
    spread = f"{_usd(one.low)} to {_usd(one.high)}" if one.low is not None else one.note
    saves = "" if way.saving is None else f"{-way.saving:.0%}"
    cash = _usd(one.upfront) if one.upfront else "-"
    return (
        one.name,
        cash,
        _usd(one.monthly),
        f"{mark}{_usd(one.amortised)}",
        saves,
        _cut(spread, 34),
    )


def _per_request(preview: Preview) -> list[str]:
    rows = [_load(preview.stated), *([_load(preview.full_load)] if preview.full_load else [])]
    header = ("requests a month", "US$ a month", "US$ each", "US$ per 1M tokens", "at")
    lines = table(rows, header=header, right=(0, 1, 2, 3))
    basis = "full load" if preview.full_load else "full load is unknown"
    return [
        *lines,
        *wrap(
            f"{basis}: {preview.carried.said}",
            WIDTH,
            subsequent_indent="  ",
            break_on_hyphens=False,
        ),
    ]


def _load(one: PerRequest) -> tuple[str, ...]:
    each, million = one.usd_per_request, one.usd_per_million_tokens
    at = "the traffic stated" if one.basis == "the traffic stated" else "full load, never idle"
    return (
        f"{one.requests:,.0f}",
        f"{one.usd:,.2f}",
        "unknown" if each is None else f"{each:.7f}",
        "unknown" if million is None else f"{million:,.4f}",
        at,
    )


def _changes(difference: Difference) -> list[str]:
    rows = [
        (_cut(f"{one.resource}: {one.name}", 52), one.kind, _usd(one.before), _usd(one.after),
         f"{one.difference:+,.2f}")
        for one in difference.changes
    ]  # fmt: skip
    total = ("total", "", _usd(difference.before), _usd(difference.after),
             f"{difference.difference:+,.2f}")  # fmt: skip
    header = (_cut(f"against {difference.against}", 52), "", "before", "after", "difference")
    lines = table([*rows, total], header=header, right=(2, 3, 4))
    return lines if rows else [f"the same as {difference.against}"]


def _outside(bill: Bill) -> list[str]:
    """What the table itself shows as unknown is summed up; the rest as it stands."""
    shown = {(one.resource, f"{one.name}: {one.note}") for one in bill.lines if one.price is None}
    others = [one for one in bill.unpriced if (one.resource, one.reason) not in shown]
    reasons = dict.fromkeys(one.note for one in bill.lines if one.price is None)
    summed = [f"{_several(reasons)}; {_REFRESH}"] if reasons else []
    return [*(f"{one.resource}: {one.reason}" for one in others), *summed, *bill.left_out]


def _several(reasons: Iterable[str]) -> str:
    """``no price for A in R is known`` and the same for B as one sentence."""
    first, *others = reasons
    begin, end = "no price for ", f" in {first.partition(' in ')[2]}"
    items = [one.removeprefix(begin).removesuffix(end) for one in (first, *others)]
    alike = all(one.startswith(begin) and one.endswith(end) for one in (first, *others))
    return f"{begin}{', '.join(items)}{end}" if alike else "; ".join((first, *others))


def _assumed(bill: Bill) -> list[str]:
    said = "  ".join(f"{name}={_grouped(value)}" for name, value in bill.assumptions.items())
    wrapped = wrap(said, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return ["assumed (--usage KEY=VALUE changes it):", *wrapped]


def _sources(bill: Bill) -> list[str]:
    rows = [
        (
            UNVERIFIED if one.origin.status is Status.MEMORY else " ",
            one.origin.as_of,
            _cut(", ".join(dict.fromkeys(one.used_for)), 34),
            _cut(one.origin.source, 48),
        )
        for one in sources(of_bill(bill))
    ]
    return ["where the prices come from (--json has it in full):", *table(rows)]


def _listed(title: str, items: Iterable[str]) -> list[str]:
    said = [
        line
        for item in items
        for line in wrap(f"- {item}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    ]
    return ["", f"{title}:", *said] if said else []


def _quantity(value: Decimal) -> str:
    if value == value.to_integral_value():
        return f"{value:,.0f}"
    return f"{value:,.2f}" if value >= _TENTH else f"{value:.6f}"


def _price(price: Price | None) -> str:
    if price is None:
        return "unknown"
    mark = UNVERIFIED if price.origin.status is Status.MEMORY else ""
    return f"{mark}{plain(price.usd)}"


def _usd(value: Decimal | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _grouped(value: str) -> str:
    return f"{int(value):,}" if value.isdecimal() else value


def _shortened(names: Sequence[str]) -> str:
    """Commitments of one kind as one word where all six are there."""
    said = list(names)
    for plan in Plan:
        of_it = [name for name in names if name.startswith(f"{plan}-")]
        if len(of_it) == _TERMS:
            said = [name for name in said if name not in of_it] + [f"{plan}-*"]
    return ", ".join(said)


def _count(items: Sequence[Unbilled], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def _cut(words: str, width: int) -> str:
    return words if len(words) <= width else f"{words[: width - 3]}..."
