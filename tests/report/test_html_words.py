"""How the report writes money, quantities and names."""

from __future__ import annotations

from decimal import Decimal

import pytest

from provision.planning.cost.fleet_price import PRICINGS
from provision.report.html import words
from provision.report.html.axis import short


@pytest.mark.parametrize(
    ("usd", "exact", "whole"),
    [
        (None, "unknown", "unknown"),
        (Decimal(0), "$0.00", "$0.00"),
        (Decimal("1544.555"), "$1,544.56", "$1,545"),
        (Decimal("99.5"), "$99.50", "$99.50"),
    ],
)
def test_money(usd: Decimal | None, exact: str, whole: str) -> None:
    """Cents in tables, none in a headline from a hundred dollars on; None is unknown, not 0."""
    assert (words.usd(usd), words.whole_usd(usd)) == (exact, whole)


@pytest.mark.parametrize(
    ("usd", "said"),
    [("0.00275", "$0.00275"), ("0.000093571", "$0.0000936"), ("0.1", "$0.1"), ("2.5", "$2.50")],
)
def test_money_below_a_cent(usd: str, said: str) -> None:
    """Three digits that mean something, and no exponent."""
    assert words.exact_usd(Decimal(usd)) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.5, "0.5"),
        (7, "7"),
        (999.4, "999"),
        (999.6, "1k"),
        (264_364, "264k"),
        (1_290_000, "1.29M"),
        (15_500_000, "15.5M"),
        (999_960_000, "1B"),
    ],
)
def test_volumes(value: float, said: str) -> None:
    """Three digits at most, and never "1000k"."""
    assert short(value) == said


def test_shares() -> None:
    """A little is not nothing, nearly all is not all, and nothing has no share."""
    assert words.share(1, 1000) == "<1\u00a0%"
    assert words.share(Decimal("0.6"), 1) == "60\u00a0%"
    assert words.share(0, 10) == "0\u00a0%"
    assert words.share(1, 0) == ""
    assert [words.share(part, 1000) for part in (994, 996, 1000, 1290)] == [
        "99\u00a0%",
        ">99\u00a0%",
        "100\u00a0%",
        "129\u00a0%",
    ]
    assert [words.change(Decimal(v)) for v in ("-0.366", "0.1", "0.001")] == [
        "−37\u00a0%",
        "+10\u00a0%",
        "0\u00a0%",
    ]


def test_quantities() -> None:
    """Whole numbers stay whole, also those that Decimal would write with an exponent."""
    assert [words.quantity(Decimal(v)) for v in ("1460.000000", "1E+3", "0.123456")] == [
        "1,460",
        "1,000",
        "0.1235",
    ]


def test_ways_to_pay() -> None:
    """Every pricing model has words of its own, none of which is the flag."""
    said = [words.pricing(name) for name in PRICINGS]
    assert len(set(said)) == len(PRICINGS)
    assert said[:3] == ["On-demand", "Spot", "Reserved, 1 year, no upfront"]
    assert words.pricing("savings-plan-compute-3y-all-upfront") == (
        "Savings Plan (any), 3 years, all upfront"
    )
    assert words.pricing("capacity-block") == "Capacity Block"
    assert words.pricing_short("reserved-3y-partial-upfront") == "3 years, partial upfront"
