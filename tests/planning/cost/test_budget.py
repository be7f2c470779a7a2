"""The limit, and the message that says what it is made of."""

from __future__ import annotations

from decimal import Decimal

import pytest

from provision.errors import EXIT_REFUSED, Refused
from provision.planning.cost.budget import by_resource, require_within
from provision.planning.cost.invoice import invoice
from tests.planning.cost.months import declared, fleet, of

NAT = "aws:ec2/natGateway:NatGateway"
SECRETS = [declared("aws:secretsmanager/secret:Secret", f"secret-{n}") for n in range(9)]
BILL = invoice(of((*fleet(), declared(NAT, "nat"), *SECRETS, declared("aws:x/y:Z", "odd"))))


@pytest.mark.parametrize("limit", [None, Decimal(2439), Decimal(5000)])
def test_within_the_limit_nothing_is_said(limit: Decimal | None) -> None:
    """A limit is inclusive; None is none."""
    assert BILL.total == 2439
    require_within(BILL, limit, said="budget.max_monthly_usd")


def test_above_it_the_message_says_which_resource_costs_what() -> None:
    """The dearest first, the rest as one, and what has no price."""
    with pytest.raises(Refused) as caught:
        require_within(BILL, Decimal("2438.99"), said="budget.max_monthly_usd")
    assert caught.value.exit_code == EXIT_REFUSED
    assert caught.value.message.splitlines() == [
        "prod would cost $2,439.00 a month; budget.max_monthly_usd allows $2,438.99:",
        "      1,660.00  hosts (Group)",
        "        770.00  nat (NatGateway)",
        "          1.00  secret-0 (Secret)",
        "          1.00  secret-1 (Secret)",
        "          1.00  secret-2 (Secret)",
        "          1.00  secret-3 (Secret)",
        "          1.00  secret-4 (Secret)",
        "          1.00  secret-5 (Secret)",
        "          3.00  all else",
        "       unknown  odd: no formula for this type yet",
    ]
    assert caught.value.hint.startswith("`fab cost.preview --env prod`")


def test_resources_come_with_the_dearest_first() -> None:
    """By name and type."""
    assert next(iter(by_resource(BILL).items())) == (
        ("hosts", "aws:autoscaling/group:Group"),
        Decimal(1660),
    )
