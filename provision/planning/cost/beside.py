"""What an environment pays beside its hosts."""

from __future__ import annotations

from decimal import Decimal

from provision.planning.cost.bill import Bill
from provision.planning.cost.resources.hosted import FALLBACK


def beside_hosts(bill: Bill) -> Decimal:
    """US dollars a month for all that is neither the instances' hours nor a fallback's API: what
    a break-even adds to the price of the hosts."""
    return sum(
        (
            line.monthly
            for line in bill.lines
            if line.monthly is not None and not line.instance and line.type != FALLBACK.type
        ),
        Decimal(0),
    )
