"""Instance types beside each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.catalog.models import model
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.config.environment import EngineSettings, ModelCacheSettings
from provision.errors import CatalogError, UsageError
from provision.planning.cost.compare import Comparison, Question, compare
from provision.planning.cost.throughput import Mix
from tests.planning.cost.test_capacity import KEPT

BOOK = load()
QUESTION = Question(model("mistral-7b"), "us-east-1", EngineSettings(), Mix(700, 100))
TODAY = date(2026, 11, 21)


def compared(*names: str, book: PriceBook = BOOK, kept: Any = None, **changes: Any) -> Comparison:
    return compare(
        replace(QUESTION, **changes),
        book,
        names=names,
        cache=ModelCacheSettings(),
        kept=kept or {},
        today=TODAY,
    )


def test_the_table_that_was_worked_out_by_hand() -> None:
    """$ per million tokens on a host that is never idle, on demand: costs.md's own figures."""
    found = compared("g5.xlarge", "g6.xlarge", "g6e.xlarge", "p4d.24xlarge", "p5.4xlarge")
    prices = {one.name: one.usd_per_1m_full("on-demand") for one in found.candidates}
    rounded = {name: float(round(usd or 0, 4)) for name, usd in prices.items()}
    assert rounded == {
        "g5.xlarge": pytest.approx(0.1182, rel=0.005),
        "g6.xlarge": pytest.approx(0.0931, rel=0.005),
        "g6e.xlarge": pytest.approx(0.0492, rel=0.005),
        "p4d.24xlarge": pytest.approx(0.0684, rel=0.005),
        "p5.4xlarge": pytest.approx(0.0593, rel=0.005),
    }


def test_a_duty_of_half_doubles_the_price_of_a_token() -> None:
    """The busiest hour at twice the average: hosts idle half of the time."""
    one = compared("g5.xlarge").candidates[0]
    full = one.usd_per_1m_full("on-demand") or Decimal(0)
    assert one.usd_per_1m("on-demand") == 2 * full


def test_the_cheapest_token_comes_first() -> None:
    """Without traffic the types stand by the price of a token."""
    found = compared("g5.xlarge", "g6.xlarge", "g6e.xlarge")
    assert [one.name for one in found.candidates] == ["g6e.xlarge", "g6.xlarge", "g5.xlarge"]


def test_with_traffic_the_smallest_bill_comes_first() -> None:
    """At 200,000 requests one small host is enough, and the cheapest token idles."""
    found = compared("g5.xlarge", "g6.xlarge", "g6e.xlarge", requests=200_000)
    assert [(one.name, one.hosts) for one in found.candidates] == [
        ("g6.xlarge", 1),
        ("g5.xlarge", 1),
        ("g6e.xlarge", 1),
    ]
    best = found.cheapest("on-demand")
    assert best is not None
    assert (best.name, best.monthly("on-demand")) == ("g6.xlarge", Decimal("587.5040"))


def test_hosts_grow_with_the_traffic() -> None:
    """Twenty million requests, the busiest hour at twice the average."""
    found = compared("g5.xlarge", "g6e.xlarge", requests=20_000_000)
    assert {one.name: one.hosts for one in found.candidates} == {"g5.xlarge": 6, "g6e.xlarge": 2}


def test_each_way_to_pay_has_its_own_cheapest() -> None:
    """Commitments are known of g5 only; spot and on demand of more."""
    found = compared("g5.xlarge", "g6e.xlarge")
    cheapest = {name: one.name for name in found.pricings if (one := found.cheapest(name))}
    assert cheapest["on-demand"] == "g6e.xlarge"
    assert cheapest["spot"] == "g6e.xlarge"
    assert cheapest["reserved-1y-no-upfront"] == "g5.xlarge"


def test_what_does_not_fit_comes_last_and_is_not_priced() -> None:
    """No capacity, no start, no hosts: nothing that could look cheap."""
    found = compared("g5.xlarge", "p4d.24xlarge", model=model("llama-3.1-70b"), requests=10**6)
    last = found.candidates[-1]
    assert (last.name, last.sizing.fits) == ("g5.xlarge", False)
    assert (last.capacity, last.start, last.hosts) == (None, None, None)
    assert last.usd_per_1m("on-demand") is None
    assert last.monthly("on-demand") is None
    assert [one.name for one in found.fitting] == ["p4d.24xlarge"]


def test_a_type_without_a_price_is_unknown_and_named() -> None:
    """p5e has no on-demand price at all: it comes after those that have one, and is named."""
    found = compared("g5.xlarge", "p5e.48xlarge", region="us-east-2")
    last = found.candidates[-1]
    assert (last.name, last.usd_per_1m("on-demand")) == ("p5e.48xlarge", None)
    assert "no on-demand price is known of p5e.48xlarge" in found.warnings


def test_types_that_the_region_does_not_sell_are_left_out_and_named() -> None:
    """Ireland has g5 and p4d."""
    found = compared(region="eu-west-1")
    assert {one.name.split(".")[0] for one in found.candidates} == {"g5", "p4d"}
    assert {"g6.xlarge", "p5.48xlarge"} <= set(found.unsold)


def test_a_type_asked_for_by_name_must_be_sold() -> None:
    """An error that says where it is, instead of a table without it."""
    with pytest.raises(CatalogError, match=r"g6.xlarge is not sold in eu-west-1"):
        compared("g6.xlarge", region="eu-west-1")
    with pytest.raises(CatalogError, match="unknown instance type"):
        compared("g5.xlrage")


def test_a_benchmark_counts_for_its_own_type() -> None:
    """Measured on g5.xlarge; the others stay with the roofline."""
    found = compared("g5.xlarge", "g6.xlarge", kept={"g5.xlarge": [KEPT]})
    known = {one.name: one.capacity.known.value for one in found.candidates if one.capacity}
    assert known == {"g5.xlarge": "measured", "g6.xlarge": "roofline"}


def test_the_environment_s_layout_is_for_its_own_type_only() -> None:
    """tensor_parallel_size 4 was set for a g5.12xlarge; on one GPU sizing decides anew."""
    found = compared("g5.xlarge", engine=EngineSettings(tensor_parallel_size=4))
    assert found.candidates[0].sizing.fits


def test_a_request_that_no_engine_takes() -> None:
    """Longer than the model's context."""
    with pytest.raises(UsageError, match="longer than the context"):
        compared("g5.xlarge", mix=Mix(40_000, 1))


def test_how_long_a_new_host_takes_to_serve() -> None:
    """As `fab plan` says."""
    start = compared("g5.xlarge").candidates[0].start
    assert start is not None
    assert start.total_s == 228


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_more_traffic_never_costs_less(some: int, more: int) -> None:
    """On any type, however it is paid."""
    low, high = sorted((some, more))
    before = compared("g5.xlarge", requests=low).candidates[0]
    after = compared("g5.xlarge", requests=high).candidates[0]
    for pricing in before.prices:
        assert (before.monthly(pricing) or 0) <= (after.monthly(pricing) or 0)
