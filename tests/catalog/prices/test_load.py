"""The book of a project: bundled prices, refreshed ones, and those written by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from provision.catalog.prices import tables
from provision.catalog.prices.hour import on_demand_hour
from provision.catalog.prices.load import BUNDLED, Lazy, load
from provision.catalog.prices.overrides import COLUMNS
from provision.catalog.prices.price import Status
from provision.errors import CatalogError

ON_DEMAND = ",".join(tables.ON_DEMAND.columns)
EGRESS = ",".join(tables.EGRESS.columns)
OVERRIDES = ",".join(COLUMNS)
FRESH = "AWS Price List API,2026-11-21,refreshed"


def write(folder: Path, name: str, *lines: str) -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def said(folder: Path, look: Any) -> str:
    with pytest.raises(CatalogError) as caught:
        look(load(folder=folder))
    return str(caught.value).replace(f"{folder}/", "")


def test_a_project_without_its_own_prices_has_the_bundled_ones(tmp_path: Path) -> None:
    """A folder that does not exist is no error."""
    book = load(folder=tmp_path / "prices")
    assert dict(book.on_demand) == dict(load().on_demand)
    assert dict(book.egress) == dict(load().egress)


def test_a_refreshed_line_replaces_the_bundled_one_alone(tmp_path: Path) -> None:
    """Its neighbours stay, each with its own date."""
    write(tmp_path, "on_demand.csv", ON_DEMAND, f"g5.xlarge,us-east-1,1.1,{FRESH}")
    book = load(folder=tmp_path)
    changed = book.on_demand["g5.xlarge", "us-east-1"]
    assert (changed.usd, changed.origin.status) == (Decimal("1.1"), Status.REFRESHED)
    assert book.on_demand["g5.2xlarge", "us-east-1"].origin.as_of == "2026-07-20"


def test_tiers_of_a_region_are_replaced_together(tmp_path: Path) -> None:
    """Three old tiers never stand beside a new one."""
    write(
        tmp_path, "egress.csv", EGRESS, f"us-east-1,1000,0.08,{FRESH}", f"us-east-1,,0.04,{FRESH}"
    )
    book = load(folder=tmp_path)
    assert [str(tier.usd) for tier in book.egress["us-east-1"]] == ["0.08", "0.04"]
    assert len(book.egress["eu-west-1"]) == len(load().egress["eu-west-1"])


def test_what_was_written_by_hand_wins(tmp_path: Path) -> None:
    """One file for everything; each line says that it is the team's own."""
    write(tmp_path, "on_demand.csv", ON_DEMAND, f"g5.xlarge,us-east-1,1.1,{FRESH}")
    write(
        tmp_path,
        "overrides.csv",
        OVERRIDES,
        "on-demand,g5.xlarge,us-east-1,0.9,,2026-10-01,private rate",
        "on-demand,g5.2xlarge,us-east-1,1.1,,2026-10-01,",
        "spot,g5.xlarge,us-east-1,0.4,,2026-10-01,our own average",
        "capacity-block,p5.48xlarge,,30,,2026-10-01,",
        "service,nat.gb,us-east-1,0.04,,2026-10-01,",
        "service,nat.gb,eu-west-1,0.05,,2026-10-01,",
        "egress,,us-east-1,0.03,,2026-10-01,",
        "reserved-1y-partial-upfront,p4d.24xlarge,us-east-1,6,50000,2026-10-01,quote 17",
        "savings-plan-ec2-3y-no-upfront,g5.xlarge,us-east-1,0.45,,2026-10-01,",
        "hosted-input,gpt-4o,,2,,2026-10-01,",
        "hosted-input,our-gateway,,1,,2026-10-01,",
        "hosted-output,our-gateway,,3,,2026-10-01,",
        "hosted-cached-input,our-gateway,,0.1,,2026-10-01,",
    )
    book = load(folder=tmp_path)
    own = book.on_demand["g5.xlarge", "us-east-1"]
    assert (str(own.usd), own.origin.source) == (
        "0.9",
        f"{tmp_path.name}/overrides.csv: private rate",
    )
    assert own.origin.status is Status.OVERRIDE
    assert (
        book.on_demand["g5.2xlarge", "us-east-1"].origin.source == f"{tmp_path.name}/overrides.csv"
    )
    spot = book.spot["g5.xlarge", "us-east-1"]
    assert spot.low == spot.median == spot.high == Decimal("0.4")
    assert book.capacity_blocks["p5.48xlarge"].usd == Decimal(30)
    assert [book.services["nat.gb", r].usd for r in ("us-east-1", "eu-west-1")] == [
        Decimal("0.04"),
        Decimal("0.05"),
    ]
    assert book.services["nat.gb", "eu-west-1"].unit == "GB"
    assert [(t.up_to, str(t.usd)) for t in book.egress["us-east-1"]] == [(None, "0.03")]
    quoted = book.commitment("reserved-1y-partial-upfront", "p4d.24xlarge", "us-east-1")
    assert quoted is not None
    assert (quoted.hourly, quoted.upfront) == (Decimal(6), Decimal(50000))
    plan = book.commitment("savings-plan-ec2-3y-no-upfront", "g5.xlarge", "us-east-1")
    assert plan is not None
    assert plan.hourly == Decimal("0.45")
    assert book.commitment("reserved-1y-no-upfront", "g5.xlarge", "us-east-1") is not None
    gpt, ours = book.hosted_model("gpt-4o"), book.hosted_model("our-gateway")
    assert (gpt.input_usd, gpt.output_usd) == (Decimal(2), Decimal("10.0"))
    assert (ours.input_usd, ours.output_usd, ours.cached_input_usd) == (1, 3, Decimal("0.1"))


def test_the_example_of_the_documentation_holds(tmp_path: Path) -> None:
    """docs/prices.md can be copied as it stands."""
    docs = Path(__file__).resolve().parents[3] / "docs" / "prices.md"
    example = docs.read_text().partition("```csv\n")[2].partition("```")[0]
    (tmp_path / "overrides.csv").write_text(example)
    book = load(folder=tmp_path)
    assert book.on_demand["g5.xlarge", "us-east-1"].usd == Decimal("0.93")
    assert book.hosted_model("gpt-4o").per_request(700, 100) == Decimal("0.0022")
    own = [
        value.origin.source
        for table in (book.on_demand, book.spot, book.services, book.hosted)
        for value in table.values()
        if value.origin.status is Status.OVERRIDE
    ]
    assert len(own) == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "on-demand,g5.xlarge,us-east-1,cheap,,2026-10-01,",
            "usd 'cheap' is no price in US dollars",
        ),
        ("on-demand,,us-east-1,1,,2026-10-01,", "name is empty"),
        ("on-demand,g5.xlarge,us-east-1,1,,soon,", "as_of 'soon' is no date"),
        (
            "ondemand,g5.xlarge,us-east-1,1,,2026-10-01,",
            "what 'ondemand' is none of on-demand, spot",
        ),
        (
            "reserved-2y-no-upfront,g5.xlarge,us-east-1,1,,2026-10-01,",
            "what 'reserved-2y-no-upfront'",
        ),
        (
            "reserved-1y-no-upfront,g5.xlarge,us-east-1,1,5,2026-10-01,",
            "no-upfront, but upfront_usd is 5",
        ),
        (
            "reserved-1y-all-upfront,g5.xlarge,us-east-1,1,5,2026-10-01,",
            "all-upfront, but usd (per hour) is 1",
        ),
        (
            "service,nat.gbs,us-east-1,1,,2026-10-01,",
            "'nat.gbs' is no service item: did you mean nat.gb",
        ),
        ("hosted-input,new,,1,,2026-10-01,", "'new' is a new model: it needs hosted-input and"),
    ],
)
def test_a_bad_override_is_named_by_its_line(tmp_path: Path, line: str, message: str) -> None:
    """File, line, cell, and what would be right."""
    good = "on-demand,p5.48xlarge,us-east-1,50,,2026-10-01,"
    write(tmp_path, "overrides.csv", OVERRIDES, good, line)
    reply = said(tmp_path, lambda book: [len(t) for t in vars(book).values()])
    assert reply.startswith(f"overrides.csv, line 3: {message}")


def test_an_override_stands_once(tmp_path: Path) -> None:
    """Two lines for one price are a mistake, not an order."""
    line = "on-demand,p5.48xlarge,us-east-1,50,,2026-10-01,"
    write(tmp_path, "overrides.csv", OVERRIDES, line, line)
    assert "line 3: on-demand p5.48xlarge us-east-1 stands in line 2 already" in said(
        tmp_path, lambda book: len(book.on_demand)
    )


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("on_demand", f"g5.xlarge,us-east-1,,{FRESH}", "usd_per_hour is empty"),
        ("on_demand", f"g5.xlarge,us-east-1,-1,{FRESH}", "usd_per_hour '-1' is no price"),
        ("on_demand", f"g5.xlarge,us-east-1,NaN,{FRESH}", "usd_per_hour 'NaN' is no price"),
        (
            "on_demand",
            f"g5.xlarge,us-east-1,Infinity,{FRESH}",
            "usd_per_hour 'Infinity' is no price",
        ),
        (
            "on_demand",
            'g5.xlarge,us-east-1,"1,006",AWS,2026-11-21,seen',
            "usd_per_hour '1,006' is no",
        ),
        (
            "on_demand",
            "g5.xlarge,us-east-1,1,AWS,2026-11-21,sure",
            "status 'sure' is none of seen,",
        ),
        ("on_demand", "g5.xlarge,us-east-1,1,AWS,21.11.2026,seen", "as_of '21.11.2026' is no date"),
        ("on_demand", "g5.xlarge,us-east-1,1,,2026-11-21,seen", "source is empty"),
        ("on_demand", "g5.xlarge,us-east-1,1", "3 cells instead of 6"),
        ("spot", f"g5.xlarge,us-east-1,0.5,0.4,0.6,{FRESH}", "0.5, 0.4, 0.6 do not rise"),
        (
            "commitments",
            f"g5.xlarge,us-east-1,reserved,2,no-upfront,1,0,{FRESH}",
            "years '2' is neither 1 nor 3",
        ),
        (
            "commitments",
            f"g5.xlarge,us-east-1,reserved,1,no-upfront,1,9,{FRESH}",
            "no-upfront, but upfront_usd is 9",
        ),
        (
            "commitments",
            f"g5.xlarge,us-east-1,reserved,1,all-upfront,1,9,{FRESH}",
            "all-upfront, but hourly_usd is 1",
        ),
        ("hosted", f"gpt-9,openai,1,2,,next year,{FRESH}", "deprecated_on 'next year' is no date"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, table: str, line: str, message: str) -> None:
    """File, line and cell, whatever is wrong."""
    columns = next(t.columns for t in tables.TABLES if t.name == table)
    write(tmp_path, f"{table}.csv", ",".join(columns), line)
    reply = said(tmp_path, lambda book: len(getattr(book, table)))
    assert reply.startswith(f"{table}.csv, line 2: {message}")
    assert reply.endswith(
        "next: mend that line, or take the file away: then the bundled prices hold"
    )


def test_a_line_stands_once(tmp_path: Path) -> None:
    """A second price for the same thing is found, and both lines are named."""
    line = f"g5.xlarge,us-east-1,1,{FRESH}"
    write(tmp_path, "on_demand.csv", ON_DEMAND, line, "", line)
    assert "line 4: g5.xlarge us-east-1 stands in line 2 already" in said(
        tmp_path, lambda book: len(book.on_demand)
    )


def test_other_columns_are_refused(tmp_path: Path) -> None:
    """A file of another version is not read by luck."""
    write(tmp_path, "on_demand.csv", "type,price", "g5.xlarge,1")
    assert said(tmp_path, lambda book: len(book.on_demand)) == (
        "on_demand.csv, line 1: the columns are 'type,price'\n"
        "  next: they must be instance_type,region,usd_per_hour,source,as_of,status"
    )


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """A write that was cut off is not "no prices"."""
    (tmp_path / "on_demand.csv").write_text("")
    assert "on_demand.csv, line 1: the columns are ''" in said(
        tmp_path, lambda book: len(book.on_demand)
    )


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'a,"b\n'])
def test_a_file_that_is_no_table(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no text, and quotes that never end."""
    (tmp_path / "on_demand.csv").write_bytes(content)
    reply = said(tmp_path, lambda book: len(book.on_demand))
    assert reply.startswith("on_demand.csv")


def test_a_file_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """A byte order mark and Windows line ends do no harm."""
    text = f"\ufeff{ON_DEMAND}\r\ng5.xlarge,us-east-1,1.1,{FRESH}\r\n"
    (tmp_path / "on_demand.csv").write_bytes(text.encode())
    assert load(folder=tmp_path).on_demand["g5.xlarge", "us-east-1"].usd == Decimal("1.1")


def test_tiers_that_end_are_refused(tmp_path: Path) -> None:
    """Beyond them a gigabyte would be free."""
    write(tmp_path, "egress.csv", EGRESS, f"us-east-1,1000,0.08,{FRESH}")
    assert said(tmp_path, lambda book: len(book.egress)).startswith(
        "egress prices of us-east-1 have no tier without end"
    )


def test_a_misspelt_file_is_found_at_once(tmp_path: Path) -> None:
    """overide.csv would be obeyed by nobody, and nobody would notice."""
    write(tmp_path, "overide.csv", OVERRIDES)
    with pytest.raises(CatalogError, match=r"no table has this name\n  next: known: on_d"):
        load(folder=tmp_path)


def test_only_what_is_looked_at_is_read(tmp_path: Path) -> None:
    """A broken table does not stop a question that has nothing to do with it."""
    write(tmp_path, "spot.csv", "nonsense")
    book = load(folder=tmp_path)
    assert book.on_demand["g5.xlarge", "us-east-1"].usd == Decimal("1.006")
    assert "spot.csv, line 1" in said(tmp_path, lambda book: len(book.spot))


def test_a_lazy_mapping_is_made_once() -> None:
    """However often it is asked."""
    made: list[int] = []

    def make() -> dict[str, int]:
        made.append(1)
        return {"a": 1}

    lazy = Lazy(make)
    assert made == []
    assert (lazy["a"], "b" in lazy, len(lazy), list(lazy)) == (1, False, 1, ["a"])
    assert made == [1]


def test_an_hour() -> None:
    """A price where the type is sold, None where nobody knows it, an error where it is not sold."""
    book = load()
    price = on_demand_hour(book, "g5.xlarge", "us-east-1")
    assert price is not None
    assert price.usd == Decimal("1.006")
    assert on_demand_hour(book, "p5e.48xlarge", "us-east-2") is None
    with pytest.raises(
        CatalogError, match=r"g6\.xlarge is not sold in eu-west-1\n  next: it is sold"
    ):
        on_demand_hour(book, "g6.xlarge", "eu-west-1")
    with pytest.raises(CatalogError, match="unknown instance type"):
        on_demand_hour(book, "g9.xlarge", "us-east-1")


def test_bundled_files_have_no_empty_line() -> None:
    """Each ends in one newline, as a diff wants it."""
    for table in tables.TABLES:
        text = (BUNDLED / table.file).read_text()
        assert text.endswith("\n")
        assert "\n\n" not in text
