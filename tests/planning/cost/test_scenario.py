"""From what somebody imagines to the answer, with what it stands on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from provision.catalog.models import model
from provision.catalog.prices.load import load
from provision.config.environment import EngineSettings
from provision.errors import CatalogError, SizingError, UsageError
from provision.planning.cost.break_even import BreakEven
from provision.planning.cost.capacity import Known
from provision.planning.cost.scenario import Scenario, weigh
from provision.planning.cost.throughput import Mix

BOOK = load()
TODAY = date(2026, 11, 21)
GUIDE = Scenario(
    model=model("mistral-7b"),
    instance="g5.xlarge",
    region="us-east-1",
    engine=EngineSettings(),
    mix=Mix(700, 100),
    pricing="reserved-1y-no-upfront",
    extra=Decimal(270),
)


def weighed(*apis: str, **changes: Any) -> BreakEven:
    return weigh(replace(GUIDE, **changes), apis or ("gpt-4o",), BOOK, today=TODAY)


def test_the_guide_s_fleet_from_the_price_book() -> None:
    """Price, capacity and crossing from the catalogue's own figures."""
    found = weighed()
    assert found.fleet.price.monthly() == Decimal("732.820")
    assert found.fleet.full_load == 7_766_002
    assert found.crossings[0].break_even == 266_480
    assert found.price_date == "2025..2026-11"
    assert found.warnings == ()


def test_the_guide_s_month_of_720_hours() -> None:
    """456.48 and 270 are 726.48; 727 typed as it is written gives its 264,364."""
    found = weighed(hours=Decimal(720))
    assert found.fleet.price.monthly() == Decimal("726.480")
    assert weighed(fleet_monthly=Decimal(727), extra=Decimal(0)).crossings[0].break_even == 264_364


def test_every_assumption_is_said() -> None:
    """Whoever reads the answer can see what it stands on."""
    found = weighed(
        overhead=Decimal("0.2"), fallback_share=Decimal("0.05"), fallback_api="gpt-4o-mini"
    )
    assert dict(found.assumptions) == {
        "model": "mistral-7b",
        "region": "us-east-1",
        "month": "730 hours",
        "request": "700 prompt and 100 answer tokens, none of them from a cache",
        "capacity": "0.60 of the roofline's 4.93 requests/s an engine; nobody measured it: "
        "`fab benchmark` does",
        "peak": "the busiest hour brings 2 times the average; hosts are counted for it",
        "extra": "270 $ a month for all that is neither hosts nor people",
        "engineering": "0 $ a month for people's time",
        "overhead": "20 % on the hosts' price",
        "fallback": "5 % of the requests are answered by gpt-4o-mini, on top of the fleet, which "
        "costs the same meanwhile",
    }


def test_an_api_can_be_named_by_its_price() -> None:
    """3/15 is one that the book lacks; its date is nobody's."""
    found = weighed("3/15", mix=Mix(800, 200))
    assert found.crossings[0].usd_per_request == Decimal("0.0054")
    assert found.price_date == "2025..2026"


def test_a_price_of_one_s_own_replaces_the_book_s() -> None:
    """Per hour, or for all hosts together; then nothing is looked up."""
    hourly = weighed(usd_per_hour=Decimal("2.10"), hosts=2, overhead=Decimal("0.2"))
    assert hourly.fleet.price.monthly() == Decimal("2.10") * 730 * 2 * Decimal("1.2") + 270
    whole = weighed(fleet_monthly=Decimal("3628.80"), hosts=2, extra=Decimal(0))
    assert whole.fleet.price.monthly() == Decimal("3628.80")
    assert whole.fleet.price.monthly(3) == Decimal("5443.20")


def test_a_capacity_of_one_s_own_replaces_what_is_known() -> None:
    """Also of a type on which the model does not fit by our sizing."""
    found = weighed(requests_per_s=Decimal("1.5"), model=model("llama-3.1-70b"))
    assert found.fleet.capacity.known is Known.GIVEN
    assert found.fleet.full_load == 3_942_000


def test_a_model_that_does_not_fit_has_no_break_even() -> None:
    """Refused, with the nearest type that fits."""
    with pytest.raises(SizingError, match=r"llama-3.1-70b does not fit on g5.xlarge"):
        weighed(model=model("llama-3.1-70b"))


def test_an_api_that_nobody_knows_names_the_nearest() -> None:
    """A typing mistake is not a price of 0."""
    with pytest.raises(CatalogError) as failed:
        weighed("gpt-4o-mimi")
    assert "unknown hosted model 'gpt-4o-mimi'" in str(failed.value)
    assert "gpt-4o-mini" in failed.value.hint


def test_a_type_that_the_region_does_not_sell() -> None:
    """An error, not a fleet that costs nothing."""
    with pytest.raises(CatalogError, match=r"g6.xlarge is not sold in eu-west-1"):
        weighed(instance="g6.xlarge", region="eu-west-1", pricing="on-demand")


def test_a_request_that_no_engine_takes() -> None:
    """Longer than the model's context."""
    with pytest.raises(UsageError, match="longer than the context"):
        weighed(mix=Mix(40_000, 100))


@pytest.mark.parametrize(
    ("changes", "apis", "said"),
    [
        ({}, ("gpt-5-nano",), "gpt-5-nano is switched off by its provider on 2026-12-11"),
        ({}, ("o4-mini",), "o4-mini was switched off by its provider"),
        ({"pricing": "reserved-3y-no-upfront"}, (), "nobody has verified the price"),
        ({"pricing": "reserved-1y-all-upfront"}, (), "prices are of 2023-08-30, 1,179 days old"),
        ({"pricing": "on-demand"}, (), "prices are of 2026-07-20, 124 days old"),
        ({"mix": Mix(5000, 100)}, (), "needs engine.max_model_len 5100; it is 4096"),
    ],
)
def test_what_a_reader_must_know(changes: dict[str, Any], apis: tuple[str, ...], said: str) -> None:
    """Deprecated models, prices that are old or from memory, requests that are too long."""
    assert any(said in warning for warning in weighed(*apis, **changes).warnings)


def test_several_apis_stand_side_by_side() -> None:
    """In the order in which they were asked for."""
    found = weighed("gpt-4o-mini", "gpt-4o")
    assert [one.api.name for one in found.crossings] == ["gpt-4o-mini", "gpt-4o"]
