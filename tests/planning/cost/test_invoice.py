"""The bill as a whole: nothing is silently free, and the arithmetic holds whatever the traffic."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.catalog.prices.book import PriceBook
from provision.errors import CatalogError
from provision.planning.cost.bill import Bill, Line, Option, Unbilled
from provision.planning.cost.invoice import PRICED, invoice
from provision.planning.cost.money import cents
from provision.planning.cost.options import COMMITMENTS
from provision.planning.cost.resources.free import FREE
from tests.planning.cost.months import BOOK, declared, fleet, month, of

NAT = "aws:ec2/natGateway:NatGateway"
BALANCER = declared("aws:lb/loadBalancer:LoadBalancer", "alb", internal=False, subnets=["a", "b"])
PROGRAM = (
    *fleet(),
    BALANCER,
    declared(NAT, "nat"),
    declared("llm-fleet:infra:ModelCache", "cache"),
    declared("llm-fleet:infra:SecretStore", "secrets"),
)


def option(bill: Bill, name: str) -> Option:
    return next(one for one in bill.options if one.name == name)


def test_a_type_that_nobody_priced_is_listed() -> None:
    """Never silently free."""
    cluster = declared("aws:eks/cluster:Cluster", "cluster")
    bill = invoice(month(cluster))
    assert bill.unpriced == (
        Unbilled("cluster", "aws:eks/cluster:Cluster", "no formula for this type yet"),
    )


def test_a_type_is_either_priced_or_free() -> None:
    """In both tables one would hide the other."""
    assert set(PRICED) & set(FREE) == set()


def test_what_is_free_says_why() -> None:
    """With AWS's reason, beside the launch template that the group's hosts stand for."""
    bill = invoice(month(declared("aws:ec2/vpc:Vpc", "vpc")))
    assert [(one.resource, one.reason) for one in bill.free] == [
        ("template", "billed as the hosts of the group that uses it"),
        ("vpc", "AWS does not bill it"),
    ]


def test_a_line_without_a_price_is_named_and_not_in_the_total() -> None:
    """Unknown is not zero: the total is of the rest, and the reason says what is missing."""
    services = {key: price for key, price in BOOK.services.items() if key[0] != "nat.gb"}
    book = replace(BOOK, services=services)
    whole, part = invoice(of(PROGRAM)), invoice(of(PROGRAM, book=book))
    reason = "data processed: no price for nat.gb in us-east-1 is known"
    assert part.unpriced == (Unbilled("nat", NAT, reason),)
    assert part.total == whole.total - 20
    (line,) = [one for one in part.lines if one.price is None]
    assert line.monthly is None


def test_hosts_without_a_price_leave_every_option_unknown() -> None:
    """None of them is zero."""
    bill = invoice(of(PROGRAM, book=PriceBook(services=BOOK.services, egress=BOOK.egress)))
    assert [one.reason for one in bill.unpriced] == [
        "g5.xlarge, on-demand: no on-demand price for g5.xlarge in us-east-1 is known"
    ]
    assert {(one.monthly, one.upfront, one.amortised) for one in bill.options} == {
        (None, None, None)
    }


def test_the_options_are_the_whole_bill_paid_in_another_way() -> None:
    """A hundred dollars of other lines beside two hosts of a dollar an hour."""
    bill = invoice(of(fleet()))  # root volumes: 200 GB at a dollar
    found = {one.name: one for one in bill.options if one.amortised is not None}
    usd = {
        name: (one.monthly, one.upfront, one.amortised, one.low, one.high, one.verified)
        for name, one in found.items()
    }
    assert usd == {
        "on-demand": (1660, 0, 1660, None, None, True),
        "spot": (784, 0, 784, 638, 930, True),
        "reserved-1y-no-upfront": (1076, 0, 1076, None, None, True),
        # 1,460 h at 0.2, 10,512 upfront over 36 months
        "reserved-3y-partial-upfront": (492, 10_512, 784, None, None, False),
        "capacity-block": (200, 1168, 1368, None, None, True),
    }
    assert [one.name for one in bill.options] == [
        "on-demand", "spot", *COMMITMENTS, "capacity-block"
    ]  # fmt: skip


def test_a_commitment_is_paid_for_every_hour() -> None:
    """Also while hosts are off; on demand is not."""
    half = invoice(of(fleet(), hours=Decimal(365)))
    assert option(half, "on-demand").monthly == 830
    assert option(half, "reserved-1y-no-upfront").monthly == 100 + 876


def test_the_fallback_is_billed_on_top_of_the_fleet() -> None:
    """A fleet costs the same whether it answers or not."""
    alone, both = invoice(of(fleet())), invoice(of(fleet(), fallback_share=Decimal("0.05")))
    added = [(one.resource, one.name, one.quantity, one.monthly) for one in both.lines[2:]]
    assert added == [
        ("fallback", "gpt-4o-mini, prompts", Decimal(35), Decimal("5.25")),
        ("fallback", "gpt-4o-mini, answers", Decimal(5), Decimal("3.00")),
    ]
    assert both.total == alone.total + Decimal("8.25")


def test_a_fallback_that_nobody_knows_names_the_nearest() -> None:
    """A typing error is no free API."""
    with pytest.raises(CatalogError, match="did you mean gpt-4o-mini"):
        invoice(of(fleet(), fallback_share=Decimal("0.1"), fallback_api="gpt-4o-mimi"))


def test_the_assumptions_name_every_key_and_what_follows() -> None:
    """Keys are those that --usage takes."""
    bill = invoice(of((*fleet(most=4), BALANCER)))
    assert bill.assumptions["requests_per_month"] == "1000000"
    assert bill.assumptions["internet_share"] == "1 if internet-facing, else 0"
    assert bill.assumptions["hosts"] == "2; the group may grow to 4"
    assert bill.assumptions["weights_gb"] == "13.5"


def test_the_price_date_is_that_of_all_prices_used() -> None:
    """One day here."""
    assert invoice(of(PROGRAM)).price_date == "2026-11-01"


usages = st.fixed_dictionaries(
    {
        "requests": st.integers(0, 10**10).map(Decimal),
        "output_tokens": st.integers(1, 4000),
        "hours": st.integers(1, 744).map(Decimal),
        "response_s": st.decimals("0.1", "100", places=1),
        "fallback_share": st.decimals(0, 1, places=2),
        "nat_gb_per_host": st.decimals(0, 1000, places=1),
    }
)


@given(usages)
def test_the_total_is_the_sum_of_the_lines(usage: dict[str, Any]) -> None:
    """To the cent, and each line is its quantity times its price."""
    bill = invoice(of(PROGRAM, **usage))
    assert bill.total == sum(line.monthly or 0 for line in bill.lines)
    assert bill.total == cents(bill.total)
    for line in bill.lines:
        assert line.price is not None
        assert line.monthly == cents(line.quantity * line.price.usd)


@given(usages, st.integers(1, 10**10))
def test_more_traffic_never_costs_less(usage: dict[str, Any], more: int) -> None:
    """Nor does any single line."""
    quiet = invoice(of(PROGRAM, **usage))
    busy = invoice(of(PROGRAM, **{**usage, "requests": usage["requests"] + more}))
    before, after = _by_name(quiet), _by_name(busy)
    assert all(after[key] >= usd for key, usd in before.items())
    assert busy.total >= quiet.total


@given(usages)
def test_amortised_over_the_term_is_cash_and_what_is_paid_monthly(usage: dict[str, Any]) -> None:
    """Within half a cent a month, which is what rounding a month's part can take."""
    bill = invoice(of(PROGRAM, **usage))
    for name in COMMITMENTS:
        one, months = option(bill, name), 12 * int(name.split("y-")[0][-1])
        if one.monthly is None or one.amortised is None or one.upfront is None:
            continue
        paid = one.upfront + one.monthly * months
        assert abs(one.amortised * months - paid) <= Decimal("0.005") * months


@given(usages)
def test_the_option_that_is_bought_is_the_bill(usage: dict[str, Any]) -> None:
    """Hosts on demand: that option is the total."""
    bill = invoice(of(PROGRAM, **usage))
    assert option(bill, "on-demand").monthly == bill.total


def _by_name(bill: Bill) -> dict[tuple[str, str], Decimal]:
    return {(line.resource, line.name): _usd(line) for line in bill.lines}


def _usd(line: Line) -> Decimal:
    return line.monthly or Decimal(0)
