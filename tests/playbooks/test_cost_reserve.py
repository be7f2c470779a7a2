"""`fab cost.reserve` and `fab cost.coverage`, as typed.

AWS's answers are set beforehand, and checked against botocore's own model (Stubber): moto can't
sell reservations, see tests/connectors/test_reservations.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY
from invoke.program import Program

from playbooks import cost
from playbooks.session import Session
from provision.config.environment import FleetSettings, Purchase
from provision.connectors import reservations
from provision.testing.clock import FakeClock
from tests.connectors import reservation_answers as said
from tests.connectors.reservation_answers import Aws

GOLDEN = Path(__file__).parent.parent / "golden" / "reports"
P4D = FleetSettings(instance_type="p4d.24xlarge", hosts=1)
LIMIT = "11107.68"
BUY = {
    "ReservedInstancesOfferingId": said.OFFERING,
    "InstanceCount": 2,
    "LimitPrice": {"Amount": 11107.68, "CurrencyCode": "USD"},
}
PARAMETER = {"Name": f"/llm-fleet/test/purchases/{said.OFFERING}"}


class Fab:
    """Types a command line; its AWS answers what was set."""

    def __init__(self, aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
        self.aws = aws
        self.environment = said.ENVIRONMENT
        self.clock = FakeClock()
        self.code, self.err = 0, ""
        self._capsys = capsys

    def __call__(self, *words: str) -> str:
        self.code = 0
        try:
            Program(namespace=cost.ns).run(["fab", *words])
        except SystemExit as ended:
            self.code = int(ended.code or 0)
        out, self.err = self._capsys.readouterr()
        return out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    def offers(self, offerings: list[dict[str, Any]] | None = None) -> None:
        """AWS is asked for Reserved Instances."""
        found = said.OFFERINGS if offerings is None else offerings
        answer = {"ReservedInstancesOfferings": found}
        self.aws.expect("describe_reserved_instances_offerings", said.ASK_OFFERINGS, answer)

    def holds(self, *held: dict[str, Any]) -> None:
        """AWS is asked what the account has reserved."""
        answer = {"ReservedInstances": list(held)}
        self.aws.expect("describe_reserved_instances", said.ASK_RESERVED, answer)

    def has_room(self, *held: dict[str, Any]) -> None:
        """AWS is asked what capacity the account holds."""
        answer = {"CapacityReservations": list(held)}
        self.aws.expect("describe_capacity_reservations", said.ASK_CAPACITY, answer)

    def runs(self, *instances: dict[str, Any]) -> None:
        """AWS is asked what runs."""
        answer = {"Reservations": [{"Instances": list(instances)}]}
        self.aws.expect("describe_instances", said.ASK_RUNNING, answer)

    def blocks(self, *found: dict[str, Any], days: int = 7) -> None:
        """AWS is asked for Capacity Blocks of p4d from now on, then for its zones."""
        hours = days * 24
        sent = {
            "InstanceType": "p4d.24xlarge",
            "InstanceCount": 1,
            "CapacityDurationHours": hours,
            "StartDateRange": said.NOW,
            "EndDateRange": said.NOW + timedelta(weeks=8, hours=hours),
        }
        answer = {"CapacityBlockOfferings": list(found)}
        self.aws.expect("describe_capacity_block_offerings", sent, answer)
        offers = [{"InstanceType": "p4d.24xlarge", "Location": f"us-east-1{z}"} for z in "ab"]
        sent = {
            "LocationType": "availability-zone",
            "Filters": [{"Name": "instance-type", "Values": ["p4d.24xlarge"]}],
        }
        answer = {"InstanceTypeOfferings": offers}
        self.aws.expect("describe_instance_type_offerings", sent, answer)


@pytest.fixture
def fab(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Fab]:
    """Two g5.xlarge hosts on demand; bundled prices."""
    fab = Fab(Aws(), capsys)

    def open_(env: str | None) -> Session:
        assert env in (None, "test")
        return Session(fab.environment, chosen="test, named by --env", _clock=fab.clock)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Session, "open", open_)
    monkeypatch.setattr(reservations, "AwsClients", lambda _environment: fab.aws)
    yield fab
    fab.aws.done()


def golden(name: str, text: str) -> None:
    """``LLM_FLEET_WRITE_GOLDEN=1`` writes the file anew."""
    path = GOLDEN / f"{name}.txt"
    if "LLM_FLEET_WRITE_GOLDEN" in os.environ:
        path.write_text(text)
    assert text == path.read_text()
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_look(fab: Fab) -> None:
    """Every way to pay with cash, commitment and break-even; what ends; how to buy."""
    fab.holds()
    fab.offers()
    golden("cost_reserve", fab("reserve", "--env", "test"))
    assert fab.code == 0


def test_a_look_as_json(fab: Fab) -> None:
    """Documented fields; money as decimal strings."""
    fab.holds()
    fab.offers()
    found = fab.json("reserve", "--term", "1", "--payment", "all-upfront")

    assert {key: found[key] for key in ("environment", "region", "instance_type", "count")} == {
        "environment": "test",
        "region": "us-east-1",
        "instance_type": "g5.xlarge",
        "count": 2,
    }
    assert (found["on_demand_usd_per_hour"], found["warnings"]) == ("1.006", [])
    assert found["offers"] == [
        {
            "id": said.ALL_UPFRONT,
            "kind": "reserved",
            "model": "reserved-1y-all-upfront",
            "instance_type": "g5.xlarge",
            "count": 2,
            "zone": None,
            "starts": None,
            "ends": None,
            "term_hours": 8760.0,
            "cash_now_usd": "10364.00",
            "monthly_usd": "0.00",
            "commitment_usd": "10364.00",
            "amortised_monthly_usd": "863.67",
            "saving_monthly_usd": "605.09",
            "break_even_hours": 5151.09,
            "break_even_month": 8,
            "cash_ahead_month": 8,
        }
    ]


def test_what_is_held_already_is_said(fab: Fab) -> None:
    """Before anyone buys it again."""
    fab.holds(said.reserved(), said.reserved("ri-2", InstanceType="m5.large"))
    fab.offers()
    assert fab.json("reserve")["warnings"] == [
        "the account already holds 2 x g5.xlarge reserved until 2024-11-13 (ri-1): "
        "`fab cost.coverage`"
    ]


def test_nothing_is_offered(fab: Fab) -> None:
    """Some types have no reservations."""
    fab.holds()
    fab.offers([])
    assert "AWS offers nothing of the kind" in fab("reserve")
    assert fab.code == 0


def test_a_purchase(fab: Fab) -> None:
    """Dry run, a second look, an entry, the order with its limit, the reservation's id."""
    purchase = "purchase_reserved_instances_offering"
    fab.aws.refuse("get_parameter", PARAMETER, "ParameterNotFound")
    fab.offers()
    fab.holds()
    fab.has_room()
    fab.aws.refuse(purchase, {**BUY, "DryRun": True}, "DryRunOperation", 412)
    fab.offers()
    written = {**PARAMETER, "Value": ANY, "Type": "String"}
    fab.aws.expect("put_parameter", {**written, "Overwrite": False}, {"Version": 1})
    fab.aws.expect(purchase, BUY, {"ReservedInstancesId": "ri-9"})
    fab.aws.expect("put_parameter", {**written, "Overwrite": True}, {"Version": 2})

    out = fab("reserve", "--confirm", said.OFFERING, "--limit-price", LIMIT)

    golden("cost_reserve_bought", out)
    assert fab.code == 0
    assert fab.err.splitlines()[1:] == [
        "dry run: asking AWS whether it would sell",
        f"buying {said.OFFERING}",
    ]


def test_the_same_command_again(fab: Fab) -> None:
    """Nothing is bought, and the reservation of before is told."""
    fab.aws.refuse("get_parameter", PARAMETER, "ParameterNotFound")
    fab.offers()
    fab.holds(said.reserved())
    fab.has_room()
    found = fab.json("reserve", "--confirm", said.OFFERING, "--limit-price", LIMIT)
    assert (found["reservation"], found["bought_now"]) == ("ri-1", False)
    assert fab.code == 0


@pytest.mark.parametrize(
    ("id_", "limit", "message"),
    [
        ("another", LIMIT, "offering another is gone"),
        (said.OFFERING, "11107.67", "above the limit price of $11,107.67"),
    ],
)
def test_a_refusal(fab: Fab, id_: str, limit: str, message: str) -> None:
    """Exit code 3, and nothing was bought."""
    name = {"Name": f"/llm-fleet/test/purchases/{id_}"}
    fab.aws.refuse("get_parameter", name, "ParameterNotFound")
    fab.offers()
    fab.holds()
    fab.has_room()
    out = fab("reserve", "--confirm", id_, "--limit-price", limit)
    assert (fab.code, out) == (3, "")
    assert message in fab.err
    assert "nothing was bought" in fab.err
    assert "next:" in fab.err


@pytest.mark.parametrize(
    ("fleet", "message"),
    [
        (FleetSettings(purchase=Purchase.SPOT), "fleet.purchase is spot"),
        (replace(P4D, capacity_block=True), "paid already"),
    ],
)
def test_a_reservation_that_would_do_nothing(fab: Fab, fleet: FleetSettings, message: str) -> None:
    """Spot and blocks have prices of their own: refused before AWS is asked."""
    fab.environment = replace(fab.environment, fleet=fleet)
    fab("reserve", "--confirm", said.OFFERING, "--limit-price", LIMIT)
    assert fab.code == 3
    assert message in fab.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--confirm", "x"], "--confirm and --limit-price go together"),
        (["--limit-price", "9"], "--confirm and --limit-price go together"),
        (["--confirm", "x", "--limit-price", "free"], "'free' is no price"),
        (["--confirm", "x", "--limit-price", "-1"], "'-1' is no price"),
        (["--confirm", "x", "--limit-price", "NaN"], "'NaN' is no price"),
        (["--count", "0"], "--count '0' is no whole number"),
        (["--count", "two"], "--count 'two' is no whole number"),
        (["--term", "2"], "AWS sells 1 and 3 years"),
        (["--payment", "later"], "is none of no-upfront, partial-upfront, all-upfront"),
        (["--capacity", "--days", "15"], "no Capacity Block lasts 15 days"),
        (["--capacity", "--start", "soon"], "'soon' is no day"),
    ],
)
def test_a_mistake_asks_aws_nothing(fab: Fab, words: list[str], message: str) -> None:
    """Exit code 2."""
    assert fab("reserve", *words) == ""
    assert fab.code == 2
    assert message in fab.err


def test_a_type_that_the_region_does_not_sell(fab: Fab) -> None:
    """An error, with where it is sold."""
    fab.environment = replace(
        fab.environment, region="eu-west-1", fleet=FleetSettings(instance_type="g6.xlarge")
    )
    fab("reserve")
    assert fab.code == 2
    assert "g6.xlarge is not sold in eu-west-1" in fab.err


def test_capacity_for_a_p4d(fab: Fab) -> None:
    """A block with its days, and capacity until cancelled in each zone."""
    fab.environment = replace(fab.environment, fleet=P4D)
    fab.blocks(said.block())
    golden("cost_reserve_capacity", fab("reserve", "--capacity"))


def test_a_block_is_bought(fab: Fab) -> None:
    """And what to write into the environment's file to run in it."""
    fab.environment = replace(fab.environment, fleet=P4D)
    name = {"Name": f"/llm-fleet/test/purchases/{said.BLOCK}"}
    buy = {
        "CapacityBlockOfferingId": said.BLOCK,
        "InstancePlatform": "Linux/UNIX",
        "TagSpecifications": ANY,
    }
    fab.aws.refuse("get_parameter", name, "ParameterNotFound")
    fab.blocks(said.block())
    fab.holds()
    fab.has_room()
    fab.aws.refuse("purchase_capacity_block", {**buy, "DryRun": True}, "DryRunOperation", 412)
    fab.blocks(said.block())
    written = {**name, "Value": ANY, "Type": "String"}
    fab.aws.expect("put_parameter", {**written, "Overwrite": False}, {"Version": 1})
    bought = {"CapacityReservation": {"CapacityReservationId": "cr-9"}}
    fab.aws.expect("purchase_capacity_block", buy, bought)
    fab.aws.expect("put_parameter", {**written, "Overwrite": True}, {"Version": 2})

    words = ["reserve", "--capacity", "--confirm", said.BLOCK, "--limit-price", "1989.12"]
    golden("cost_reserve_block_bought", fab(*words))


def test_a_later_start(fab: Fab) -> None:
    """The search begins on that day, and so does the one of the line to type."""
    fab.environment = replace(fab.environment, fleet=P4D)
    starts = datetime(2023, 12, 1, tzinfo=UTC)
    sent = {
        "InstanceType": "p4d.24xlarge",
        "InstanceCount": 1,
        "CapacityDurationHours": 48,
        "StartDateRange": starts,
        "EndDateRange": starts + timedelta(weeks=8, hours=48),
    }
    answer = {"CapacityBlockOfferings": [said.block()]}
    fab.aws.expect("describe_capacity_block_offerings", sent, answer)
    zones = {"LocationType": "availability-zone", "Filters": ANY}
    fab.aws.expect("describe_instance_type_offerings", zones, {"InstanceTypeOfferings": []})
    out = fab("reserve", "--capacity", "--days", "2", "--start", "2023-12-01")
    assert "--capacity --days 2 --start 2023-12-01 --confirm" in out


def test_coverage(fab: Fab) -> None:
    """Hosts, reservations that idle or end, capacity; exit code 0 whatever it finds."""
    soon = said.NOW + timedelta(days=20)
    fab.runs(
        said.instance("i-1"),
        said.instance("i-2", CapacityReservationId="cr-0123456789abcdef0"),
        said.instance("i-3", InstanceLifecycle="spot"),
        said.instance("i-9", environment="staging"),
    )
    fab.holds(
        said.reserved("ri-1", InstanceCount=2, End=soon),
        said.reserved("ri-2", Scope="Availability Zone", AvailabilityZone="us-east-1f"),
    )
    fab.has_room(said.capacity(TotalInstanceCount=2, AvailableInstanceCount=1))
    golden("cost_coverage", fab("coverage"))
    assert fab.code == 0


def test_coverage_as_json(fab: Fab) -> None:
    """The same with stable fields."""
    fab.runs(said.instance("i-1"), said.instance("i-2", InstanceType="p5e.48xlarge"))
    fab.holds(said.reserved("ri-1", InstanceCount=1))
    fab.has_room(said.capacity(TotalInstanceCount=1))
    found = fab.json("coverage")

    assert found["hosts"] == [
        {
            "name": "i-1",
            "instance_type": "g5.xlarge",
            "zone": "us-east-1a",
            "bought_as": "on-demand",
            "covered_share": 1.0,
            "covered_by": ["ri-1"],
            "uncovered_usd_per_month": "0.00",
            "reason": "",
            "capacity_reservation": None,
        },
        {
            "name": "i-2",
            "instance_type": "p5e.48xlarge",
            "zone": "us-east-1a",
            "bought_as": "on-demand",
            "covered_share": 0.0,
            "covered_by": [],
            "uncovered_usd_per_month": None,
            "reason": "",
            "capacity_reservation": None,
        },
    ]
    assert found["uncovered_usd_per_month"] is None
    assert found["unused_usd_per_month"] == "0.00"
    assert found["attention"] == ["the on-demand price of p5e.48xlarge is unknown here"]
    assert {key: found["reserved"][0][key] for key in ("id", "used_share", "expiring")} == {
        "id": "ri-1",
        "used_share": 1.0,
        "expiring": False,
    }
    assert found["capacity"][0]["unused_usd_per_month"] == "0.00"


def test_old_prices_are_said_to_be_old(fab: Fab) -> None:
    """Three years after the bundled ones: in both commands."""
    fab.clock.sleep(6 * 365 * 86_400)
    fab.holds()
    fab.offers()
    (warning,) = fab.json("reserve")["warnings"]
    assert warning.startswith("on-demand prices are of 2026-07-20, 1,2")
    fab.runs(said.instance("i-1"))
    fab.holds()
    fab.has_room()
    assert fab.json("coverage")["attention"] == [warning]


def test_coverage_of_nothing(fab: Fab) -> None:
    """Before the first `pulumi up`."""
    fab.runs()
    fab.holds()
    fab.has_room()
    out = fab("coverage")
    assert (fab.code, out.splitlines()[2]) == (0, "no hosts run")


def keys_of(document: Any) -> set[str]:
    if isinstance(document, list):
        return set().union(*map(keys_of, document)) if document else set()
    if not isinstance(document, dict):
        return set()
    own = {key for key in document if "." not in key and "-" not in key}
    return own.union(*map(keys_of, document.values()))


def test_every_field_is_documented(fab: Fab) -> None:
    """docs/reservations.md names what scripts may rely on."""
    page = (Path(__file__).parent.parent.parent / "docs" / "reservations.md").read_text()
    fab.holds()
    fab.offers()
    looked = fab.json("reserve")
    fab.aws.refuse("get_parameter", PARAMETER, "ParameterNotFound")
    fab.offers()
    fab.holds(said.reserved())
    fab.has_room()
    bought = fab.json("reserve", "--confirm", said.OFFERING, "--limit-price", LIMIT)
    fab.runs(said.instance("i-1"))
    fab.holds(said.reserved())
    fab.has_room(said.capacity())
    covered = fab.json("coverage")

    fields = keys_of([looked, bought, covered]) - {"reserved"}
    assert {field for field in fields if f"`{field}`" not in page} == set()
