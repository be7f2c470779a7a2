"""Buying one offer once, whatever happens on the way, on a made-up AWS that counts its sales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from provision.catalog.prices.price import Payment
from provision.errors import CloudError, Refused
from provision.executor.purchase import Buyer, Receipt
from provision.facts.reservations import Capacity, Order, Reserved, ReservedOffering
from provision.planning.cost.purchase import parse
from provision.planning.cost.reserve import Offer, reserved_offers

OFFERING = ReservedOffering(
    "offering-1", "g5.xlarge", 1, Payment.NO_UPFRONT, Decimal(0), Decimal("0.634")
)
LIMIT = Decimal("11107.68")
STEPS = ("entry", "look", "reserved", "capacity", "dry run", "look", "begin", "buy", "settle")


class Died(BaseException):
    """The operator's machine went away."""


@dataclass
class Aws:
    """Sells, and shows what it sold *delay* later. *dies* names the call (by its number) at which
    the operator's machine goes away: before it is carried out, or after."""

    offers: list[ReservedOffering] = field(default_factory=lambda: [OFFERING])
    now: datetime = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    delay: timedelta = timedelta(minutes=10)
    sold: list[Reserved] = field(default_factory=list)
    text: str | None = None
    log: list[str] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    dies: tuple[int, str] | None = None
    answers: dict[str, CloudError] = field(default_factory=dict)
    refused: bool = True
    between_looks: Callable[[], None] = lambda: None

    def look(self) -> tuple[Offer, ...]:
        self._call("look")
        found = reserved_offers(self.offers, count=2, on_demand=Decimal("1.006"))
        self._done("look")
        return found

    def reserved(self) -> tuple[Reserved, ...]:
        self._call("reserved")
        return tuple(each for each in self.sold if each.starts + self.delay <= self.now)

    def capacity(self) -> tuple[Capacity, ...]:
        self._call("capacity")
        return ()

    def dry_run(self, order: Order) -> None:
        self._call("dry run")
        self.between_looks()

    def buy(self, order: Order) -> str:
        self._call("buy")
        self.orders.append(order)
        self.sold.append(
            Reserved(
                id=f"ri-{len(self.sold) + 1}",
                instance_type=order.instance_type,
                count=order.count,
                zone="",
                years=1,
                payment=Payment.NO_UPFRONT,
                upfront=Decimal(0),
                hourly=Decimal("0.634"),
                starts=self.now,
                ends=self.now + timedelta(days=365),
                state="active",
            )
        )
        self._done("buy")
        return self.sold[-1].id

    def said_no(self, error: CloudError) -> bool:
        return self.refused

    def entry(self, offering: str) -> str | None:
        self._call("entry")
        return self.text

    def begin(self, offering: str, text: str, *, before: str | None) -> bool:
        self._call("begin")
        if self.text != before:
            return False
        self.text = text
        self._done("begin")
        return True

    def settle(self, offering: str, text: str | None) -> None:
        self._call("settle")
        self.text = text
        self._done("settle")

    def run(self, limit: Decimal = LIMIT, offering: str = "offering-1") -> Receipt:
        return Buyer(offering, limit, self.look, self, lambda: self.now, lambda _line: None).buy()

    def _call(self, name: str) -> None:
        self.log.append(name)
        if self.dies == (len(self.log), "before"):
            raise Died
        if name in self.answers:
            raise self.answers[name]

    def _done(self, _name: str) -> None:
        if self.dies == (len(self.log), "after"):
            raise Died


def test_a_purchase() -> None:
    """In this order, with the limit in the order, and written down."""
    aws = Aws()
    receipt = aws.run()

    assert aws.log == list(STEPS)
    assert (receipt.reservation, receipt.earlier) == ("ri-1", False)
    (order,) = aws.orders
    assert (order.offering, order.count, order.limit) == ("offering-1", 2, LIMIT)
    assert parse(aws.text or "").bought == "ri-1"
    assert order.token == parse(aws.text or "").token


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, len(STEPS) + 1))
def test_interrupted_anywhere_and_run_again_it_is_bought_once(step: int, when: str) -> None:
    """The machine dies at any step; the command is typed again every four minutes until it ends
    well; AWS shows a sale ten minutes late."""
    aws = Aws(dies=(step, when))
    receipts, refusals = [], []
    for _ in range(8):
        try:
            receipts.append(aws.run())
        except Refused as refused:
            refusals.append(refused.message)
        except Died:
            aws.dies = None
        aws.now += timedelta(minutes=4)

    assert len(aws.sold) == 1
    assert {receipt.reservation for receipt in receipts} == {"ri-1"}
    assert all("nobody knows yet" in message for message in refusals)


def test_an_hour_later_it_is_another_purchase() -> None:
    """On purpose, then."""
    aws = Aws()
    aws.run()
    aws.now += timedelta(minutes=61)
    assert (aws.run().reservation, len(aws.sold)) == ("ri-2", 2)


def refusal(aws: Aws, match: str, **run: Decimal | str) -> None:
    with pytest.raises(Refused, match=match):
        aws.run(**run)  # type: ignore[arg-type]
    assert (aws.sold, aws.text, "buy" in aws.log) == ([], None, False)


def test_an_offering_that_was_never_there() -> None:
    """Refused before AWS is asked for anything but prices."""
    refusal(Aws(), "offering offering-2 is gone", offering="offering-2")


def test_a_price_above_the_limit() -> None:
    """A cent is enough."""
    aws = Aws()
    refusal(aws, r"above the limit price of \$11,107\.67", limit=LIMIT - Decimal("0.01"))
    assert "dry run" not in aws.log


def test_an_offering_that_goes_while_it_is_bought() -> None:
    """Between dry run and purchase it is looked at again."""
    aws = Aws()
    aws.between_looks = aws.offers.clear
    refusal(aws, "is gone")


@pytest.mark.parametrize("hourly", ["0.635", "0.633"])
def test_a_price_that_moves_while_it_is_bought(hourly: str) -> None:
    """Up or down, also within the limit: it is not what was confirmed."""
    aws = Aws()
    moved = ReservedOffering(
        "offering-1", "g5.xlarge", 1, Payment.NO_UPFRONT, Decimal(0), Decimal(hourly)
    )
    aws.between_looks = lambda: aws.offers.__setitem__(0, moved)
    refusal(aws, "moved before it was bought", limit=LIMIT * 2)


def test_a_dry_run_that_fails() -> None:
    """Nothing is bought without the right to buy."""
    aws = Aws(answers={"dry run": CloudError("UnauthorizedOperation")})
    with pytest.raises(CloudError, match="Unauthorized"):
        aws.run()
    assert (aws.sold, aws.text) == ([], None)


def test_two_operators() -> None:
    """The second finds that somebody began while it looked."""
    aws = Aws()
    aws.between_looks = lambda: setattr(aws, "text", "another's")
    with pytest.raises(Refused, match="somebody else is buying"):
        aws.run()
    assert aws.sold == []


def test_aws_says_no() -> None:
    """Then nothing was bought: the next run may buy at once."""
    aws = Aws(answers={"buy": CloudError("LimitPriceExceeded")})
    with pytest.raises(CloudError, match="LimitPriceExceeded"):
        aws.run()
    assert aws.text is None
    aws.answers.clear()
    assert aws.run().reservation == "ri-1"


def test_aws_says_nothing() -> None:
    """It may have sold: the error says what to do, and the next run buys nothing blindly."""
    aws = Aws(answers={"buy": CloudError("read timeout")}, refused=False)
    with pytest.raises(CloudError, match="did not answer") as caught:
        aws.run()
    assert "buys nothing twice" in caught.value.hint
    aws.answers.clear()
    with pytest.raises(Refused, match="nobody knows yet"):
        aws.run()
