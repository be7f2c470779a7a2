"""What ``fab cost.report`` says about the file that it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from provision.planning.cost.break_even import Crossing
from provision.planning.cost.money import text as exact
from provision.report.html.page import Report
from provision.report.html.rivals import verdict


def document(report: Report, path: Path) -> dict[str, Any]:
    """For ``--json``: the file, and the figures of its headline.

    Money is a decimal string; a break-even is None where there is none or nobody can know it.
    """
    found = report.break_even
    return {
        "file": str(path.resolve()),
        "bytes": path.stat().st_size,
        "environment": report.bill.environment,
        "total_monthly_usd": exact(report.bill.total),
        "unpriced": len(report.bill.unpriced),
        "break_even_requests_per_month": {
            one.api.name: one.break_even for one in (found.crossings if found else ())
        },
        "capacity_requests_per_month": found.fleet.full_load if found else None,
        "instances_compared": len(report.comparison.fitting) if report.comparison else 0,
        "price_date": report.bill.price_date,
    }


def text(report: Report, path: Path) -> str:
    """The same for a person: where it is, and what the headline says."""
    bill, found = report.bill, report.break_even
    least = "over " if bill.unpriced else ""
    lines = [f"{path}: {least}${bill.total:,.2f} a month for {bill.environment}"]
    if bill.unpriced:
        lines.append(f"  {len(bill.unpriced)} without a known price, named in the file")
    lines += [_pays(one) for one in (found.crossings if found else ())]
    return "\n".join(lines)


def _pays(crossing: Crossing) -> str:
    return f"  pays against {crossing.api.name}: {verdict(crossing)}"
