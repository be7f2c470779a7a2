"""The bill is of the program itself, and the budget is asked before anything is made."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.collect import collect
from infra.program import declare, month
from provision.catalog.prices.load import load
from provision.config.environment import BudgetSettings, Environment
from provision.errors import CatalogError, Refused
from provision.planning.cost.document import ESTIMATE_KEY, document
from provision.planning.cost.invoice import invoice
from provision.planning.cost.month import Month
from provision.planning.cost.usage import of
from rehearsal.provisioning import provision, provisioned_by
from tests.infra.scenes import ALL, PUBLIC_KEY, described, scene


def priced(environment: Environment) -> Month:
    return month(environment, load(), of(environment.usage))


@pytest.mark.parametrize("name", ALL)
def test_the_bill_is_of_the_resources_that_are_made(name: str) -> None:
    """Collected without an account, they are those that moto was made to hold: type and name."""
    made = scene(name)
    found = priced(made.environment).resources
    custom = [each for each in found if each.type.startswith("aws:")]
    assert sorted((one.type, one.name) for one in custom) == sorted(
        (one.type, one.name) for one in made.provisioned.declared
    )


@pytest.mark.parametrize("name", [name for name in ALL if name != "public"])
def test_nothing_is_without_a_price(name: str) -> None:
    """In us-east-1 every line has one, and every type a formula or a reason to be free."""
    assert invoice(priced(scene(name).environment)).unpriced == ()


def test_what_is_without_a_price_says_why() -> None:
    """A capacity block of a type that AWS sells none of; everything else is priced."""
    (one,) = invoice(priced(scene("public").environment)).unpriced
    assert one.reason == (
        "g5.xlarge, capacity-block: no capacity-block price for g5.xlarge in us-east-1 is known"
    )


def test_resources_know_their_component_and_each_other() -> None:
    """References are names, and a component is nobody's child."""
    found = {one.name: one for one in priced(described("prod")).resources if one.name != "aws"}
    assert found["fleet"].parent == ""
    assert found["fleet-hosts"].parent == "fleet"
    assert found["fleet-hosts"].inputs["launchTemplate"]["id"] == "fleet-template"


def test_no_price_needs_an_image_or_a_key() -> None:
    """The bill comes before `fab config.refresh-ami`."""
    environment = described("prod")
    fleet = replace(environment.fleet, ami=None)
    assert invoice(priced(replace(environment, fleet=fleet))).total > 1000


def test_a_model_that_the_catalogue_lacks_is_as_large_as_said() -> None:
    """Or its weights have no price."""
    environment = described("dev")
    own = replace(environment, model=replace(environment.model, name="acme/secret"))
    (one,) = invoice(priced(own)).unpriced
    assert one.resource == "storage-bucket"
    said = replace(own, usage=replace(own.usage, weights_gb=13.5))
    assert invoice(priced(said)).total == invoice(priced(environment)).total


def test_a_type_that_the_region_does_not_sell_has_no_bill() -> None:
    """Refused with where it is sold, not priced at 0."""
    environment = described("prod")
    fleet = replace(environment.fleet, instance_type="g6.xlarge")
    with pytest.raises(CatalogError, match=r"g6\.xlarge is not sold in eu-west-1"):
        priced(replace(environment, region="eu-west-1", fleet=fleet))


def test_a_program_that_fails_fails_the_collection() -> None:
    """What it raised, not half a list."""

    def program() -> None:
        raise Refused("no")

    with pytest.raises(Refused, match="no"):
        collect(program, region="us-east-1", stack="x")


def test_over_budget_nothing_is_made() -> None:
    """Refused before the first resource is registered, with the dearest of them."""
    environment = replace(described("prod"), budget=BudgetSettings(max_monthly_usd=1500.0))
    steps: list[str] = []
    with mock_aws(), pytest.raises(Refused) as caught:
        provision(environment, public_key=PUBLIC_KEY, on_step=steps.append)
    assert steps == []
    said = caught.value.message.splitlines()
    assert said[0].startswith("prod would cost $1,5")
    assert said[0].endswith("a month; budget.max_monthly_usd allows $1,500.00:")
    assert said[1].endswith("fleet-hosts (Group)")


def test_within_budget_the_total_is_a_stack_output_and_the_estimate_is_published() -> None:
    """What `pulumi up` prints, and what `--against deployed` reads: the bill, whole."""
    environment = replace(described("dev"), budget=BudgetSettings(max_monthly_usd=5000.0))
    outputs: dict[str, Any] = {}
    with mock_aws():
        made = provisioned_by(
            lambda: outputs.update(declare(environment, public_key=PUBLIC_KEY)), environment
        )
        s3 = boto3.client("s3", region_name=environment.region)
        body = s3.get_object(Bucket=made.outputs.bucket, Key=ESTIMATE_KEY)["Body"].read()
    bill = invoice(priced(environment))
    assert Decimal(outputs["estimated_monthly_usd"]) == bill.total
    assert json.loads(body) == document(bill)


def test_a_project_s_own_prices_count_inside_the_program(tmp_path: Path) -> None:
    """The folder beside Pulumi.yaml: at ten dollars an hour the budget does not hold."""
    rows = (
        "what,name,region,usd,upfront_usd,as_of,note\non-demand,g5.xlarge,us-east-1,10,,2026-11-01,"
    )
    (tmp_path / "overrides.csv").write_text(rows + "\n")
    environment = replace(described("dev"), budget=BudgetSettings(max_monthly_usd=5000.0))
    with mock_aws(), pytest.raises(Refused, match=r"dev would cost \$7,3"):
        provisioned_by(
            lambda: declare(environment, public_key=PUBLIC_KEY, prices=tmp_path), environment
        )
