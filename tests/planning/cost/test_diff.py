"""Two bills side by side."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from provision.errors import UsageError
from provision.planning.cost.diff import Change, compare
from provision.planning.cost.document import document
from provision.planning.cost.invoice import invoice
from tests.planning.cost.months import declared, fleet, of

DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
SECRET = "aws:secretsmanager/secret:Secret"
GROUP = "aws:autoscaling/group:Group"


def bill(*more: Any, hosts: int = 2) -> dict[str, Any]:
    return document(invoice(of((*fleet(hosts), *more))))


def test_what_came_what_went_and_what_changed() -> None:
    """The largest difference first; what stayed is not there."""
    before = bill(declared(SECRET, "old"), declared(DASHBOARD, "board"))
    after = bill(declared(SECRET, "new"), declared(DASHBOARD, "board"), hosts=3)
    found = compare(before, after, against="before")
    assert found.changes == (
        Change("hosts", GROUP, "g5.xlarge, on-demand", "changed", Decimal(1460), Decimal(2190)),
        Change("hosts", GROUP, "root volumes, gp3", "changed", Decimal(200), Decimal(300)),
        Change("new", SECRET, "secret", "added", None, Decimal(1)),
        Change("old", SECRET, "secret", "removed", Decimal(1), None),
    )
    assert (found.before, found.after, found.difference) == (1662, 2492, 830)
    assert sum(change.difference for change in found.changes) == found.difference


def test_a_bill_is_the_same_as_itself() -> None:
    """Nothing changed."""
    found = compare(bill(), bill(), against="itself")
    assert (found.changes, found.difference) == ((), 0)


def test_an_unknown_price_is_no_price_of_zero() -> None:
    """None in the change, nothing in the difference."""
    before, after = bill(), bill()
    after["components"][0]["monthly_usd"] = None
    (change,) = compare(before, after, against="before").changes
    assert (change.before, change.after, change.kind) == (Decimal(1460), None, "changed")


@pytest.mark.parametrize(
    "broken",
    [{}, {"schema": 99}, {"schema": 1, "components": [{}]}, {"schema": 1, "components": 3}, [], 7],
)
def test_what_is_no_bill_is_said_so(broken: Any) -> None:
    """With the command that writes one."""
    with pytest.raises(UsageError, match="is no bill of this version") as caught:
        compare(broken, bill(), against="old.json")
    assert "fab cost.preview --json" in caught.value.hint
