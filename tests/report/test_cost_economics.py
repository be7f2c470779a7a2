"""Break-even, comparison and curve in words: what golden pages of tasks don't show."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provision.planning.cost.break_even import BreakEven
from provision.report import cost_break_even, cost_compare, cost_curve
from tests.planning.cost.test_compare import compared
from tests.planning.cost.test_scenario import weighed


def text(*apis: str, **changes: Any) -> str:
    return cost_break_even.text(weighed(*apis, **changes))


def test_a_price_from_memory_is_marked() -> None:
    """Beside the price itself, and as a warning."""
    said = text(pricing="reserved-3y-no-upfront")
    assert "~0.4346 $/h x 730 h" in said
    assert "nobody has verified the price for reserved-3y-no-upfront" in said


def test_what_is_paid_at_once_is_said() -> None:
    """An all-upfront year is not free: its cash stands beside the month."""
    said = text(pricing="reserved-1y-all-upfront", hosts=2)
    assert "2 hosts  863.67" in said
    assert "10,364.00 $ of it at once" in said


def test_spot_is_a_range() -> None:
    """The median of the zones is counted; the cheapest and the dearest are said."""
    assert "0.4423 $/h x 730 h; 0.4328 to 0.4516 over the zones" in text(pricing="spot")


def test_overhead_and_people_are_lines_of_their_own() -> None:
    """So that nobody takes them for AWS's prices."""
    said = text(usd_per_hour=Decimal("2.10"), overhead=Decimal("0.2"), engineering=Decimal(500))
    assert "1 host       1,839.60  2.10 $/h x 730 h + 20 %" in said
    assert "engineering    500.00" in said


def test_the_asked_traffic_says_which_is_cheaper_and_by_how_much() -> None:
    """Once for each API."""
    said = text("gpt-4o", "gpt-4o-mini", requests=1_000_000)
    assert "gpt-4o 2,750.00 $, the fleet 732.82 $ (1 host, 13 % busy)" in said
    assert "the fleet is cheaper by 2,017.18 $" in said
    assert "gpt-4o-mini is cheaper by 567.82 $" in said


@pytest.mark.parametrize(
    ("api", "changes", "said"),
    [
        ("gpt-4o", {}, "266,480 on 1 host"),
        ("gpt-4o-mini", {}, "7,246,304 on 2 hosts, for good from 15,661,213"),
        ("gpt-5-nano", {}, "never: 9,770,934 is beyond what 1 host can carry; more don't pay"),
        ("0.02/0.06", {}, "never: a request costs more than the API's even on hosts"),
        (
            "gpt-4.1-nano",
            {},
            "never: a host that its busiest hour fills costs more than the API",
        ),
        ("gpt-5-nano", {"peak_factor": Decimal(1)}, "22,112,800 on 3 hosts"),
    ],
)
def test_when_it_pays_in_words(api: str, changes: dict[str, Any], said: str) -> None:
    """Each of the ways in which it can end."""
    assert said in text(api, **changes)


def drawn(found: BreakEven) -> list[str]:
    lines = cost_curve.curve(found)
    return lines[1 : 1 + cost_curve.HEIGHT]


def test_the_crossing_stands_where_both_lines_meet() -> None:
    """On the fleet's line, between where the API is below it and above it."""
    row = next(line for line in drawn(weighed()) if cost_curve.CROSSED in line)
    assert row.count(cost_curve.CROSSED) == 1
    assert cost_curve.FLEET in row


def test_without_a_crossing_none_is_drawn() -> None:
    """The API's line stays below the fleet's."""
    lines = drawn(weighed("0.02/0.06"))
    assert not any(cost_curve.CROSSED in line for line in lines)
    assert any("a" in line.partition("│")[2] for line in lines)


def test_every_api_has_its_letter() -> None:
    """In the drawing and below it."""
    found = weighed("gpt-4o", "gpt-4o-mini")
    assert cost_curve.legend(found.crossings)[-1] == "a gpt-4o; b gpt-4o-mini"
    lines = "\n".join(drawn(found))
    assert "aaa" in lines
    assert "bbb" in lines


@settings(max_examples=50)
@given(
    st.decimals("0.001", "100", places=3),
    st.decimals("0.01", "1000", places=2),
    st.decimals("0.001", "500", places=3),
    st.integers(1, 500),
    st.one_of(st.none(), st.integers(1, 10**12)),
)
@example(Decimal("0.001"), Decimal(90), Decimal("0.001"), 9, None)  # trillions of dollars
def test_any_fleet_can_be_drawn(
    price: Decimal, hourly: Decimal, rate: Decimal, hosts: int, requests: int | None
) -> None:
    """Within its frame, whatever the figures."""
    found = weighed(
        f"{price}/{price}",
        usd_per_hour=hourly,
        requests_per_s=rate,
        hosts=hosts,
        requests=requests,
    )
    lines = cost_curve.curve(found)
    assert all(len(line) <= cost_curve.WIDTH + 8 for line in lines[1 : 1 + cost_curve.HEIGHT])
    assert any(cost_curve.FLEET in line for line in lines[1 : 1 + cost_curve.HEIGHT])


def test_figures_beyond_all_reason_can_still_be_drawn() -> None:
    """A fleet for a billion dollars that answers more than anybody asks."""
    found = weighed(
        "0.001/0.001",
        fleet_monthly=Decimal(10**9),
        requests_per_s=Decimal(100_000),
        hosts=10_000,
    )
    assert any(cost_curve.FLEET in line for line in drawn(found))


def test_the_document_repeats_the_first_api_at_the_top() -> None:
    """A script that asked for one reads it there."""
    found = cost_break_even.document(weighed("gpt-4o-mini", "gpt-4o"))
    first = found["side_by_side"][0]
    assert {key: found[key] for key in first} == first
    assert found["api"] == "gpt-4o-mini"


def test_unknown_prices_are_unknown_in_the_table_and_null_in_the_document() -> None:
    """p5e has no on-demand price; it is neither free nor left out."""
    found = compared("g5.xlarge", "p5e.48xlarge", region="us-east-2")
    row = next(line for line in cost_compare.text(found).splitlines() if line.startswith("p5e"))
    assert "unknown" in row
    document = cost_compare.document(found)["candidates"][-1]
    assert document["instance_type"] == "p5e.48xlarge"
    assert "on-demand" not in document["pricing"]


def test_without_traffic_no_hosts_are_counted() -> None:
    """Only unit prices: a month is nobody's."""
    found = compared("g5.xlarge")
    assert "$/month" not in cost_compare.text(found)
    document = cost_compare.document(found)["candidates"][0]
    assert (document["hosts"], document["pricing"]["on-demand"]["usd_per_month"]) == (None, None)


def test_a_long_list_of_types_that_are_too_small_is_cut() -> None:
    """Three reasons, then names."""
    from provision.catalog.models import model

    found = compared(model=model("llama-3.1-70b"))
    lines = cost_compare.text(found).splitlines()
    assert sum(line.startswith("does not fit: ") for line in lines) == 3
    assert sum(line.startswith("nor on ") for line in lines) == 1


def test_a_fallback_s_price_stands_in_the_volumes() -> None:
    """5 % by gpt-4o: the fleet's side grows with the traffic."""
    found = weighed(fallback_share=Decimal("0.05"))
    rows = cost_break_even.document(replace(found, asked=1_000_000))
    assert rows["at_volume"]["fleet_usd_per_month"] == "870.32"
