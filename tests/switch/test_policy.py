"""The policy document: defaults, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from provision.switch.errors import SettingsError
from provision.switch.policy import Policy, parse


def test_an_empty_document_is_the_default() -> None:
    """Every key may be left out."""
    assert parse({}) == Policy()


def test_every_key_can_be_said() -> None:
    """Numbers become what they are in the policy; money is decimal."""
    policy = parse(
        {
            "partial_share": 60,
            "ramp": [10, 50],
            "hold_s": 600,
            "slo_ttft_s": 2,
            "daily_cap_usd": 12.5,
            "trip_without_spend": True,
            "watch_when_well": False,
        }
    )
    assert policy.ramp == (10, 50)
    assert policy.daily_cap_usd == Decimal("12.5")
    assert (policy.hold_s, policy.slo_ttft_s) == (600.0, 2.0)
    assert (policy.trip_without_spend, policy.watch_when_well) == (True, False)
    assert policy.shares == {0, 10, 50, 60, 100}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"hold": 300}, "hold: there is no such key"),
        ({"hold_s": "long"}, "hold_s: 'long' can't be read"),
        ({"hold_s": True}, "hold_s: True can't be read"),
        ({"watch_when_well": 1}, "watch_when_well: 1 can't be read"),
        ({"probes": 2.5}, "probes: 2.5 can't be read"),
        ({"probes": 0}, "probes: at least 1"),
        ({"hold_s": 0}, "hold_s: more than 0"),
        ({"look_every_s": float("inf")}, "look_every_s: more than 0"),
        ({"ramp": [5, 5]}, "ramp: [5, 5] must rise"),
        ({"ramp": [0, 5]}, "ramp: [0, 5] must rise"),
        ({"ramp": [50, 100]}, "ramp: [50, 100] must rise"),
        ({"ramp": 5}, "ramp: 5 can't be read"),
        ({"partial_share": 100}, "partial_share: between 1 and 99"),
        ({"partial_share": 50}, "partial_share: 50 is a step of the ramp"),
        ({"hold_s": 7200}, "hold_cap_s: at least hold_s"),
        ({"slo_ttft_s": 6}, "slo_ttft_s: at most token_deadline_s"),
        ({"daily_cap_usd": -1}, "daily_cap_usd: at least 0"),
        ({"daily_cap_usd": "much"}, "daily_cap_usd: 'much' can't be read"),
        ({"stay_s": -1}, "stay_s: at least 0"),
    ],
)
def test_what_is_refused(document: dict[str, Any], words: str) -> None:
    """With the key and the reason."""
    with pytest.raises(SettingsError) as caught:
        parse(document)
    assert words in caught.value.reason


def test_all_problems_come_at_once() -> None:
    """Nobody wants to mend them one deploy after the other."""
    with pytest.raises(SettingsError) as caught:
        parse({"hold": 1, "probes": 0, "stay_s": -1})
    assert caught.value.reason.count(";") == 2


def test_a_ramp_may_be_empty() -> None:
    """All traffic comes back at once then."""
    assert parse({"ramp": []}).ramp == ()
