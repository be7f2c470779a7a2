"""What a month brings, from the file's numbers to exact ones."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

from provision.config.environment import UsageSettings
from provision.planning.cost.usage import Usage, of


def test_the_defaults_of_the_file_are_those_of_the_bill() -> None:
    """Both say the same month."""
    assert of(UsageSettings()) == Usage()


def test_every_key_of_the_file_reaches_the_bill() -> None:
    """Under its own name, but the two whose unit is plain here."""
    renamed = {"requests_per_month": "requests", "hours_per_month": "hours"}
    names = {renamed.get(field.name, field.name) for field in fields(UsageSettings)}
    assert {field.name for field in fields(Usage)} == names


def test_numbers_are_exact_to_the_digits_that_were_written() -> None:
    """0.1 is a tenth, not the nearest binary fraction."""
    usage = of(UsageSettings(fallback_share=0.1, requests_per_month=3))
    assert (usage.fallback_share, usage.requests) == (Decimal("0.1"), Decimal(3))


def test_gigabytes_are_powers_of_two() -> None:
    """As AWS bills them."""
    usage = Usage(requests=Decimal(2**30), input_tokens=2, bytes_per_input_token=3)
    assert usage.prompts_gb == 6
    assert usage.answers_gb == 25_000
    assert usage.tokens_per_request == 102
    assert usage.seconds == 730 * 3600
