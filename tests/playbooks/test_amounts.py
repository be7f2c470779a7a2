"""Numbers as people type them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks import amounts
from provision.errors import UsageError


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("264364", 264_364),
        ("264,364", 264_364),
        ("264_364", 264_364),
        ("264k", 264_000),
        ("1.5M", 1_500_000),
        ("2b", 2_000_000_000),
        (" 5M ", 5_000_000),
    ],
)
def test_a_count(said: str, value: int) -> None:
    """With separators and units, in either case."""
    assert amounts.count("--requests", said) == value


@pytest.mark.parametrize(
    "said", ["", "0", "-5", "1.5", "five", "1e6", "5MM", "1001B", "nan", "inf", "0.4k1"]
)
def test_what_is_no_count(said: str) -> None:
    """Nothing, negative, a part of a request, or more than a trillion."""
    with pytest.raises(UsageError, match="--requests"):
        amounts.count("--requests", said)


@given(st.integers(1, 10**12))
def test_a_count_is_read_as_it_is_printed(value: int) -> None:
    """With and without separators."""
    assert amounts.count("--requests", f"{value:,}") == amounts.count("--requests", str(value))
    assert amounts.count("--requests", str(value)) == value


def test_dollars() -> None:
    """Exact, with or without the sign."""
    assert amounts.usd("--extra", "270") == Decimal(270)
    assert amounts.usd("--extra", "$1,462.82") == Decimal("1462.82")
    assert amounts.usd("--extra", "0") == 0


@pytest.mark.parametrize("said", ["-1", "abc", "", "nan", "inf", "1e12"])
def test_what_is_no_amount(said: str) -> None:
    """Negative, no number, or a billion and more."""
    with pytest.raises(UsageError, match="--extra"):
        amounts.usd("--extra", said)


def test_a_price_is_above_0() -> None:
    """Nothing said is None; 0 is a mistake."""
    assert amounts.price("--usd-per-hour", None) is None
    assert amounts.price("--usd-per-hour", "2.10") == Decimal("2.10")
    with pytest.raises(UsageError, match="nothing is free"):
        amounts.price("--usd-per-hour", "0")


def test_a_share() -> None:
    """As a number or in per cent."""
    assert amounts.share("--share", "0.05") == amounts.share("--share", "5%") == Decimal("0.05")
    assert amounts.share("--overhead", "150%", most=10) == Decimal("1.5")


@pytest.mark.parametrize("said", ["-0.1", "1.1", "101%", "five", ""])
def test_what_is_no_share(said: str) -> None:
    """Below 0, above 1, or no number."""
    with pytest.raises(UsageError, match="--share"):
        amounts.share("--share", said)


def test_a_number_between() -> None:
    """Both ends belong to it."""
    assert amounts.between("--hours", "744", 1, 744) == 744
    with pytest.raises(UsageError, match="from 1 to 744"):
        amounts.between("--hours", "745", 1, 744)


def test_names() -> None:
    """By commas, each once, in their order."""
    assert amounts.names("--api", "b, a,b,") == ("b", "a")
    for said in ("", " , ", "a,b,c"):
        with pytest.raises(UsageError, match="--api"):
            amounts.names("--api", said, most=2)
