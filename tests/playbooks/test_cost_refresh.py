"""`fab cost.refresh`, as typed, over answers that botocore's service models accept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from provision.catalog.prices.age import stale
from provision.catalog.prices.load import load
from provision.connectors import prices
from tests.connectors.price_answers import (
    Recorded,
    hourly,
    offering,
    plan_rate,
    prepare_services,
    price_page,
    product,
    recorded,
    spot_price,
)
from tests.playbooks.conftest import Fleet, Said

TEXT = """\
config:
  aws:region: us-east-1
  llm-fleet:owner: platform
  llm-fleet:model: {name: qwen2.5-7b}
"""
PLACE = ("g5.xlarge", "us-east-1")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one environment; the test stands in its folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: llm-fleet\n")
    (tmp_path / "Pulumi.prod.yaml").write_text(TEXT)
    return tmp_path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    with recorded() as prepared:
        monkeypatch.setattr(prices, "AwsClients", lambda environment: prepared.aws)
        yield prepared


def on_demand(answers: Recorded, usd: str = "1.1066") -> None:
    page = price_page(hourly("g5.xlarge", usd), hourly("g6.xlarge", "0.8048"))
    answers.answer("pricing", "get_products", page, None)


def refresh(fleet: Fleet, *words: str) -> Said:
    return fleet.run("cost.refresh", *words)


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.usefixtures("project")
def test_a_change_is_shown_and_kept(fleet: Fleet, answers: Recorded) -> None:
    """The diff on the screen, the new price in the book, with the day on which AWS said it."""
    on_demand(answers)
    said = refresh(fleet, "--only", "on-demand")
    assert said.code == 0
    shown, _, rest = said.out.partition("\n\n")
    assert shown == ("changed\n  on-demand  g5.xlarge  1.006  1.1066  +10.0 %")
    assert (
        "us-east-1: 1 changed, 0 new, 1 the same, 33 not in AWS's answer (their price stays)"
        in rest
    )
    price = load(folder=Path("prices")).on_demand[PLACE]
    assert (str(price.usd), price.origin.source) == ("1.1066", "AWS Price List API")
    assert price.origin.as_of == datetime.now(UTC).date().isoformat()
    assert list(contents(Path("prices"))) == ["on_demand.csv"]
    answers.nothing_left()


@pytest.mark.usefixtures("project")
def test_the_old_book_is_kept_beside_the_new(fleet: Fleet, answers: Recorded) -> None:
    """Two refreshes: the first one's file is in previous/."""
    on_demand(answers, "1.1")
    refresh(fleet, "--only", "on-demand")
    first = contents(Path("prices"))["on_demand.csv"]
    on_demand(answers, "1.2")
    said = refresh(fleet, "--only", "on-demand")
    assert "the ones before are in" in said.err
    assert contents(Path("prices"))["previous/on_demand.csv"] == first
    assert str(load(folder=Path("prices")).on_demand[PLACE].usd) == "1.2"


@pytest.mark.usefixtures("project")
def test_what_the_team_wrote_still_wins(fleet: Fleet, answers: Recorded) -> None:
    """The diff compares AWS with AWS; the override is neither shown as a change nor touched."""
    Path("prices").mkdir()
    header = "what,name,region,usd,upfront_usd,as_of,note"
    own = f"{header}\non-demand,g5.xlarge,us-east-1,0.9,,2026-10-01,\n"
    Path("prices/overrides.csv").write_text(own)
    on_demand(answers)
    assert "1.006  1.1066" in refresh(fleet, "--only", "on-demand").out
    assert contents(Path("prices"))["overrides.csv"] == own
    assert str(load(folder=Path("prices")).on_demand[PLACE].usd) == "0.9"


@pytest.mark.usefixtures("project")
def test_json(fleet: Fleet, answers: Recorded) -> None:
    """One document, money as text, nothing else on stdout."""
    page = {"SpotPriceHistory": [spot_price("g5.xlarge", "a", "0.40")]}
    answers.answer("ec2", "describe_spot_price_history", page, None)
    said = refresh(fleet, "--only", "spot", "--json", "--dry-run")
    document = said.json
    unlisted = document.pop("unlisted")
    (note,) = document.pop("notes")
    assert document == {
        "region": "us-east-1",
        "price_date": datetime.now(UTC).date().isoformat(),
        "asked": ["spot"],
        "changed": [
            {
                "what": "spot",
                "item": "g5.xlarge",
                "before_usd": "0.4423",
                "after_usd": "0.40",
                "percent": -9.6,
            }
        ],
        "new": [],
        "same": 0,
        "written": False,
    }
    assert unlisted[0].keys() == {"what", "item", "before_usd", "after_usd", "percent"}
    assert {one["after_usd"] for one in unlisted} == {None}
    assert note.startswith("no spot price for g5.12xlarge, g5.16xlarge")
    assert not Path("prices").exists()


@pytest.mark.usefixtures("project")
def test_a_dry_run_writes_nothing(fleet: Fleet, answers: Recorded) -> None:
    """It only shows."""
    on_demand(answers)
    said = refresh(fleet, "--only", "on-demand", "--dry-run")
    assert (said.code, Path("prices").exists()) == (0, False)
    assert "1.006  1.1066" in said.out


@pytest.mark.usefixtures("project")
def test_a_new_region_begins_with_new_prices(fleet: Fleet, answers: Recorded) -> None:
    """--region asks about another one than the environment's; what was unknown is new."""
    line = product({"usagetype": "EUW2-DataTransfer-Out-Bytes"}, ("0.09", "GB", "0", "Inf"))
    answers.answer("pricing", "get_products", price_page(line), None)
    said = refresh(fleet, "--only", "egress", "--region", "eu-west-2")
    assert said.out.startswith("new\n  egress  beyond  unknown  0.09\n")
    assert str(load(folder=Path("prices")).egress["eu-west-2"][0].usd) == "0.09"


@pytest.mark.usefixtures("project")
def test_everything_at_once(fleet: Fleet, answers: Recorded) -> None:
    """All six sources: a g5.xlarge can be paid in every way, and the book is today's."""
    rates = [plan_rate("g5.xlarge", "0.64"), plan_rate("g5.xlarge", "0.7", kind="Compute")]
    offers = [offering("g5.xlarge", "No Upfront", 0.0, 0.634)]
    spots = [spot_price("g5.xlarge", "a", "0.44")]
    out = product({"usagetype": "DataTransfer-Out-Bytes"}, ("0.09", "GB", "0", "Inf"))
    answers.answer(
        *("ec2", "describe_reserved_instances_offerings"),
        *({"ReservedInstancesOfferings": offers}, None),
    )
    answers.answer(
        *("savingsplans", "describe_savings_plans_offering_rates"),
        *({"searchResults": rates}, None),
    )
    on_demand(answers)
    answers.answer("ec2", "describe_spot_price_history", {"SpotPriceHistory": spots}, None)
    prepare_services(answers)
    answers.answer("pricing", "get_products", price_page(out), None)
    said = refresh(fleet, "--json")
    answers.nothing_left()
    assert said.code == 0
    assert [(c["what"], c["item"]) for c in said.json["new"]] == [
        ("savings-plan-compute-1y-no-upfront", "g5.xlarge"),
        ("savings-plan-ec2-1y-no-upfront", "g5.xlarge"),
    ]
    assert sorted(contents(Path("prices"))) == [
        "commitments.csv",
        "egress.csv",
        "on_demand.csv",
        "services.csv",
        "spot.csv",
    ]
    book = load(folder=Path("prices"))
    assert {one.name for one in book.commitments[PLACE]} >= {
        "reserved-1y-no-upfront",
        "reserved-3y-all-upfront",
        "savings-plan-ec2-1y-no-upfront",
        "savings-plan-compute-1y-no-upfront",
    }
    assert stale(book, datetime.now(UTC).date(), "us-east-1") is None
    assert stale(load(), date(2026, 11, 21), "us-east-1") is not None


class Nobody:
    """AwsClients on a machine without what it takes."""

    error: Exception

    def __init__(self, environment: Any) -> None:
        self.environment = environment

    def pages(self, *args: Any, **parameters: Any) -> Any:
        from provision.connectors.aws_client import AwsClients

        raise AwsClients(self.environment)._explain(self.error, "pricing:get_products", "prices")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (NoCredentialsError(), "there are no AWS credentials here: `aws sso login`"),
        (
            EndpointConnectionError(endpoint_url="https://api.pricing.us-east-1.amazonaws.com"),
            "is this machine online?",
        ),
    ],
)
def test_without_credentials_or_network_the_old_book_stays(
    project: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, error: Exception, hint: str
) -> None:
    """Exit 1, not a byte changed, and it says so."""
    (project / "prices").mkdir()
    line = "g5.xlarge,us-east-1,1.1,AWS,2026-08-01,refreshed"
    old = f"instance_type,region,usd_per_hour,source,as_of,status\n{line}\n"
    (project / "prices" / "on_demand.csv").write_text(old)
    monkeypatch.setattr(prices, "AwsClients", type("Out", (Nobody,), {"error": error}))
    said = refresh(fleet, "--only", "on-demand")
    assert said.code == 1
    assert "nothing was written: the prices stay as they were" in said.err
    assert hint in said.err
    assert said.out == ""
    assert contents(project / "prices") == {"on_demand.csv": old}


@pytest.mark.usefixtures("project")
def test_one_source_that_is_refused_leaves_everything(fleet: Fleet, answers: Recorded) -> None:
    """A refresh is whole or not at all; --only leaves the refused one out."""
    answers.refuse("ec2", "describe_spot_price_history", "UnauthorizedOperation")
    on_demand(answers)
    said = refresh(fleet, "--only", "on-demand,spot")
    assert said.code == 1
    assert "your role needs permission for ec2:DescribeSpotPriceHistory" in said.err
    assert not Path("prices").exists()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "on-demand,spots"], "'spots' is not a valid Source"),
        (["--region", "eu-west-11"], "unknown region 'eu-west-11'\n  next: did you mean eu-west-1"),
        (["--region", "af-south-1"], "none of the catalogue's types is sold in af-south-1"),
        (["--env", "prd"], "there is no environment 'prd'"),
    ],
)
def test_wrong_usage(fleet: Fleet, words: list[str], message: str) -> None:
    """Exit 2, and what would be right."""
    said = refresh(fleet, *words)
    assert said.code == 2
    assert message in said.err


def test_a_broken_price_file_is_named_before_aws_is_asked(project: Path, fleet: Fleet) -> None:
    """Its path and line; nobody is asked for prices that could not be written beside it."""
    (project / "prices").mkdir()
    (project / "prices" / "on_demand.csv").write_text("nonsense\n")
    said = refresh(fleet, "--only", "on-demand")
    assert said.code == 2
    assert f"{project}/prices/on_demand.csv, line 1: the columns are 'nonsense'" in said.err
    assert "asking AWS" not in said.err
    assert json.dumps(contents(project / "prices")) == '{"on_demand.csv": "nonsense\\n"}'
