"""The bill as a person reads it, and as a program does.

``pytest tests/report --update-golden`` writes the file anew.
"""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from provision.planning.cost.bill import Bill
from provision.planning.cost.diff import Change, Difference
from provision.planning.cost.preview import Carried
from provision.report import cost_bill
from provision.report.cost_bill_document import document
from tests.report.cost_samples import BILL, PREVIEW, line

GOLDEN = Path(__file__).parent.parent / "golden" / "reports" / "cost_preview.txt"
SECRET = "aws:secretsmanager/secret:Secret"
ALIKE = tuple(line(f"secret-{n}", SECRET, "secret", "secret-month", "1", "0.4") for n in range(3))
BUSY = line("balancer", "aws:lb/loadBalancer:LoadBalancer", "data out", "GB", "1234567", "0.05")
CHANGED = Difference(
    "the estimate of the last `pulumi up`",
    Decimal("1500.00"),
    Decimal("1555.39"),
    (
        Change("fleet", "aws:autoscaling/group:Group", "hosts", "added", None, Decimal("60.00")),
        Change("net", "aws:ec2/eip:Eip", "address", "removed", Decimal("4.61"), None),
    ),
)


def bill() -> Bill:
    return replace(BILL, lines=(*BILL.lines, *ALIKE, BUSY))


def test_a_person_sees_the_whole_of_it(request: pytest.FixtureRequest) -> None:
    """Lines under their resource, the dearest first; ways to pay; each request; what to mind."""
    text = cost_bill.text(replace(PREVIEW, bill=bill(), difference=CHANGED))
    if request.config.getoption("--update-golden", default=False):
        GOLDEN.write_text(text + "\n")
    assert text + "\n" == GOLDEN.read_text()
    assert all(line == line.rstrip() for line in text.splitlines())
    assert max(len(line) for line in text.splitlines()) <= 100


def test_resources_alike_are_one_row() -> None:
    """Three secrets are a row with all of them."""
    rows = cost_bill.text(replace(PREVIEW, bill=bill())).splitlines()
    assert [row.split() for row in rows if row.startswith("3 x Secret")] == [
        ["3", "x", "Secret:", "secret", "3", "secret-month", "0.4", "1.20"]
    ]


def test_an_unknown_capacity_says_why() -> None:
    """No figure at full load, and the reason in its place."""
    carried = Carried(None, "nobody knows how fast it is")
    text = cost_bill.text(replace(PREVIEW, full_load=None, carried=carried))
    assert "full load is unknown: nobody knows how fast it is" in text
    assert document(replace(PREVIEW, full_load=None))["per_request"]["full_load"] is None


def test_without_a_difference_there_is_no_such_field() -> None:
    """Only --against has one; as data its money is text."""
    assert "against" not in document(PREVIEW)
    against = document(replace(PREVIEW, difference=CHANGED))["against"]
    assert (against["before_usd"], against["difference_usd"]) == ("1500.00", "55.39")
    assert against["changes"][1] == {
        "resource": "net",
        "type": "aws:ec2/eip:Eip",
        "name": "address",
        "kind": "removed",
        "before_usd": "4.61",
        "after_usd": None,
        "difference_usd": "-4.61",
    }


def test_unknown_is_null_and_money_is_text() -> None:
    """Through JSON and back nothing becomes a number with a binary fraction, nor 0."""
    said = json.loads(json.dumps(document(PREVIEW)))
    unknown = [one for one in said["components"] if one["unit_price_usd"] is None]
    assert [(one["name"], one["monthly_usd"]) for one in unknown] == [("initialization", None)]
    assert said["options"]["capacity-block"]["amortised_monthly_usd"] is None
    assert all(isinstance(one["quantity"], str) for one in said["components"])
    assert said["per_request"]["stated"]["usd_per_request"].startswith("0.00")
