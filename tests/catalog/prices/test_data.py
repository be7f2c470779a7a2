"""The bundled tables against the prices as they were collected."""

from __future__ import annotations

from decimal import Decimal

import pytest

from provision.catalog.prices import tables
from provision.catalog.prices.load import BUNDLED, load
from provision.catalog.prices.price import Status
from provision.catalog.regions import sold_in
from tests.catalog.prices import from_facts


@pytest.mark.parametrize("name", list(from_facts.TABLES))
def test_a_table_is_what_the_facts_make_it(name: str) -> None:
    """Nobody changed a price in one place only (mend: run from_facts.py)."""
    assert (BUNDLED / f"{name}.csv").read_text() == from_facts.text(from_facts.TABLES[name]())


def test_every_table_of_the_book_has_a_file_and_no_file_is_left_over() -> None:
    """The folder holds the tables and their explanation."""
    files = {path.name for path in BUNDLED.iterdir()}
    assert files == {table.file for table in tables.TABLES} | {"README.md"}


@pytest.mark.parametrize(
    ("instance_type", "region", "usd"),
    [
        ("g5.xlarge", "us-east-1", "1.006"),
        ("g5.xlarge", "eu-west-1", "1.123"),
        ("g6.12xlarge", "us-east-1", "4.6016"),
        ("g6e.xlarge", "us-east-1", "1.861"),
        ("g7e.2xlarge", "us-east-1", "3.36312"),
        ("p4d.24xlarge", "us-east-1", "21.957642"),
        ("p5.48xlarge", "eu-north-1", "58.8928"),
        ("p5en.48xlarge", "us-east-1", "63.296"),
    ],
)
def test_on_demand(instance_type: str, region: str, usd: str) -> None:
    """Prices that are known by heart, to the last digit."""
    assert load().on_demand[instance_type, region].usd == Decimal(usd)


@pytest.mark.parametrize(
    ("instance_type", "region"),
    [("p5e.48xlarge", "us-east-1"), ("g6.xlarge", "eu-west-1"), ("g5.xlarge", "af-south-1")],
)
def test_what_is_not_sold_has_no_price(instance_type: str, region: str) -> None:
    """Absent, not 0."""
    assert (instance_type, region) not in load().on_demand


def test_no_price_where_nothing_is_sold() -> None:
    """Every type of the catalogue that has a price in a region is sold there."""
    book = load()
    assert [p for p in book.on_demand if sold_in(*p) is False] == []


def test_every_type_that_is_sold_in_virginia_has_a_price() -> None:
    """us-east-1 is complete."""
    book = load()
    assert [t for t in from_facts.sold("us-east-1") if (t, "us-east-1") not in book.on_demand] == []


def test_a_derived_price_is_the_family_s_factor() -> None:
    """g5.2xlarge in Ireland: 1.212 x 1.123 / 1.006, and marked as derived."""
    price = load().on_demand["g5.2xlarge", "eu-west-1"]
    assert (price.usd, price.origin.status) == (Decimal("1.35296"), Status.DERIVED)


def test_the_factor_of_a_family_holds_for_all_its_sizes() -> None:
    """What the derived prices rest on: two sizes that were both seen in a region agree."""
    virginia = {
        r["instance_type"]: r["usd_per_hour"] for r in from_facts.facts("ec2_ondemand_us_east_1")
    }
    factors: dict[tuple[str, str], list[Decimal]] = {}
    for row in from_facts.facts("ec2_region_ondemand_spot"):
        name = row["instance_type"]
        if name in virginia and row["region"] != "us-east-1":
            factor = Decimal(row["ondemand_usd_h"]) / Decimal(virginia[name])
            factors.setdefault((name.split(".")[0], row["region"]), []).append(factor)
    several = [some for some in factors.values() if len(some) > 1]
    assert len(several) > 5
    assert max(max(some) - min(some) for some in several) < Decimal("0.0001")


def test_reserved_g5() -> None:
    """All five terms of g5.xlarge: what is paid at once, per hour, and how sure it is."""
    known = load().commitments["g5.xlarge", "us-east-1"]
    assert [(c.name, str(c.upfront), str(c.hourly), c.origin.status.value) for c in known] == [
        ("reserved-1y-all-upfront", "5182", "0", "seen"),
        ("reserved-1y-no-upfront", "0", "0.634", "seen"),
        ("reserved-1y-partial-upfront", "2644", "0.301774", "memory"),
        ("reserved-3y-all-upfront", "9941", "0", "memory"),
        ("reserved-3y-no-upfront", "0", "0.4346", "memory"),
        ("reserved-3y-partial-upfront", "5288", "0.201182", "memory"),
    ]


def test_effective_hours_come_back() -> None:
    """Recurring part and upfront part together are the effective price that was collected."""
    book = load()
    for row in from_facts.facts("ec2_reserved"):
        payment = row["payment"].lower().replace(" ", "-")
        name = f"reserved-{row['term_years']}y-{payment}"
        found = book.commitment(name, row["instance_type"], row["region"])
        if found:
            assert abs(found.effective_hourly - Decimal(row["effective_usd_h"])) < Decimal("0.0001")


@pytest.mark.parametrize("instance_type", ["p4d.24xlarge", "p4de.24xlarge", "g6.xlarge"])
def test_no_reserved_price_is_made_up(instance_type: str) -> None:
    """p4d's are stale, g6's in no source: none is in the book."""
    assert (instance_type, "us-east-1") not in load().commitments


def test_capacity_blocks_are_the_newest() -> None:
    """H100 fell from 39.33 (2024) to 31.44 an hour."""
    block = load().capacity_blocks["p5.48xlarge"]
    assert (block.usd, block.origin.as_of) == (Decimal("31.44"), "2026-02..2026-03")


def test_egress_has_four_tiers() -> None:
    """10, 40 and 100 TB in gigabytes, and the rest."""
    tiers = load().egress["us-east-1"]
    assert [(t.up_to and int(t.up_to), str(t.usd)) for t in tiers] == [
        (10240, "0.09"),
        (51200, "0.085"),
        (153600, "0.07"),
        (None, "0.05"),
    ]


def test_what_costs_the_same_everywhere() -> None:
    """A dashboard has its price in every region; a NAT gateway only where it was seen."""
    book = load()
    dashboard = book.service("cloudwatch.dashboard_month", "eu-west-1")
    assert dashboard is not None
    assert dashboard.usd == Decimal(3)
    assert book.service("nat.hour", "eu-west-1") is None


def test_services_are_documented() -> None:
    """Every item of the table stands in the README beside it, and the other way round."""
    readme = (BUNDLED / "README.md").read_text()
    section = readme.partition("## Items")[2]
    named = {word for word in section.replace("|", " ").split() if word.startswith("`")}
    items = {f"`{item}`" for item, _ in load().services}
    assert {word for word in named if "." in word and "csv" not in word} == items


def test_hosted_models_cost_what_the_guide_says() -> None:
    """gpt-4o, 700 tokens in and 100 out: 0.00275 US dollars."""
    assert load().hosted_model("gpt-4o").per_request(700, 100) == Decimal("0.00275")


def test_every_hosted_price_is_the_one_collected_with_it() -> None:
    """The collection computed 700/100 by itself: all 142 models agree."""
    book = load()
    rows = from_facts.facts("hosted_llm_prices")
    for row in rows:
        ours = book.hosted_model(row["model"]).per_request(700, 100)
        assert ours == Decimal(row["usd_per_request_700in_100out"]), row["model"]
    assert len(rows) == len(book.hosted)
