"""What a request has cost, from what is heard of its attempts."""

from __future__ import annotations

from decimal import Decimal

from provision.gateway.ledger import Bill, Ledger
from provision.gateway.money import Price, Tokens, worst

PRICES = {"a": Price(Decimal("0.15"), Decimal("0.6")), "b": Price(Decimal(1), Decimal(5))}
MOST = Tokens(100, 10)


def ledger() -> Ledger:
    found = Ledger(PRICES)
    found.open("r", MOST)
    return found


def settled(found: Ledger, now: float = 0.0) -> list[Bill]:
    return list(found.settled(now, patience_s=15))


def test_fractions_are_rounded_up() -> None:
    """Ten tokens for 0.15 and eight for 0.6 are 6.3 micro-dollars: 7."""
    assert PRICES["a"].micro(Tokens(10, 8)) == 7
    assert worst(PRICES.values(), MOST) == 21 + 150


def test_a_request_costs_what_its_attempts_cost() -> None:
    """A provider that refused costs nothing, the next one what it says."""
    found = ledger()
    found.began("r", "a")
    found.billed("r", "a", Tokens())
    found.began("r", "b")
    found.billed("r", "b", Tokens(3, 8))
    assert settled(found) == []
    found.close("r", 0)
    assert settled(found) == [Bill("r", 43, 0)]
    assert len(found) == 0


def test_what_nobody_knows_counts_at_its_most() -> None:
    """A provider that never answered may bill everything."""
    found = ledger()
    found.began("r", "a")
    found.unknown("r", "a")
    found.began("r", "b")
    found.billed("r", "b", Tokens(3, 8))
    found.close("r", 0)
    assert settled(found) == [Bill("r", 21 + 43, 21)]


def test_the_last_word_about_an_attempt_may_come_after_the_end() -> None:
    """LiteLLM's events are a little late; who never comes counts at the most."""
    found = ledger()
    found.began("r", "b")
    found.close("r", 10)
    assert settled(found, 24) == []
    assert settled(found, 25) == [Bill("r", 150, 150)]


def test_an_attempt_is_heard_once() -> None:
    """Second words about it, and words about strangers, change nothing."""
    found = ledger()
    found.began("r", "a")
    found.billed("r", "a", Tokens(10, 8))
    found.billed("r", "a", Tokens(10, 8))
    found.unknown("r", "b")
    found.billed("health check", "a", Tokens(10, 8))
    found.began("health check", "a")
    found.close("r", 0)
    assert settled(found) == [Bill("r", 7, 0)]


def test_no_attempt_costs_nothing() -> None:
    """Everybody was left alone."""
    found = ledger()
    found.close("r", 0)
    assert settled(found) == [Bill("r", 0, 0)]
