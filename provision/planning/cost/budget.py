"""Does the bill stay within its limit, and if not, what is it made of?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

from provision.errors import Refused
from provision.planning.cost.bill import Bill

_SHOWN = 8


def by_resource(bill: Bill) -> Mapping[tuple[str, str], Decimal]:
    """US dollars a month by resource (name and type), the dearest first."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in bill.lines:
        sums[line.resource, line.type] += line.monthly or Decimal(0)
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def require_within(bill: Bill, limit: Decimal | None, *, said: str) -> None:
    """Raise Refused (exit 3) when the total is above *limit*; None is no limit.

    The message says which resource costs what; *said* names where the limit was set.
    """
    if limit is None or bill.total <= limit:
        return
    dearest = by_resource(bill)
    rows = [
        f"  {usd:>12,.2f}  {name} ({kind.rsplit(':', 1)[-1]})"
        for (name, kind), usd in list(dearest.items())[:_SHOWN]
    ]
    rest = sum(list(dearest.values())[_SHOWN:], Decimal(0))
    rows += [f"  {rest:>12,.2f}  all else"] if rest else []
    raise Refused(
        "\n".join(
            [
                f"{bill.environment} would cost ${bill.total:,.2f} a month;"
                f" {said} allows ${limit:,.2f}:",
                *rows,
                *(f"       unknown  {one.resource}: {one.reason}" for one in bill.unpriced),
            ]
        ),
        hint=f"`fab cost.preview --env {bill.environment}` shows every line and cheaper ways to"
        f" pay; or raise {said}",
    )
