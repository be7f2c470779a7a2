"""The counter of what is spent, against moto's DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from moto import mock_aws

from provision.gateway import counter
from provision.gateway.counter import GRACE_S, Priority
from provision.gateway.errors import SpendUnknown
from provision.gateway.settings import Caps
from provision.gateway.table import Table, client
from provision.switch.cloud import Cloud as SwitchCloud
from provision.switch.settings import Settings as SwitchSettings

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC).timestamp()
CAPS = Caps("spend", daily=1000, monthly=5000, open_when_unknown=False, allowance=0)
HOLD_S = 300
GONE_S = HOLD_S + GRACE_S + 1


def make_table(dynamodb: Any, name: str = "spend") -> None:
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": counter.PK, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": counter.PK, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        found = client("dynamodb", "us-east-1", None)
        make_table(found)
        yield found


def table(dynamodb: Any, news: list[tuple[str, int]] | None = None, caps: Caps = CAPS) -> Table:
    return Table(
        dynamodb,
        caps,
        HOLD_S,
        lambda cap, percent, _: news.append((cap, percent)) if news is not None else None,
    )


def test_what_is_reserved_is_committed_until_it_is_settled(dynamodb: Any) -> None:
    """The reservation counts at once, what was really spent in its place afterwards."""
    mine = table(dynamodb)
    hold = mine.reserve(400, Priority.HIGH, NOW)
    assert hold is not None
    spend = mine.spend("2026-11-21")
    assert (spend.committed_day, spend.spent_day) == (400, 0)
    mine.settle(hold, 150, NOW)
    spend = mine.spend("2026-11-21")
    assert (spend.committed_day, spend.spent_day) == (150, 150)
    assert (spend.committed_month, spend.spent_month) == (150, 150)


def test_a_reservation_is_given_back_whole(dynamodb: Any) -> None:
    """Nothing spent leaves nothing committed."""
    mine = table(dynamodb)
    hold = mine.reserve(400, Priority.HIGH, NOW)
    assert hold is not None
    mine.settle(hold, 0, NOW)
    assert mine.spend("2026-11-21") == counter.Spend("2026-11-21")


def test_nothing_fits_above_the_daily_cap(dynamodb: Any) -> None:
    """Exactly the cap fits, one micro-dollar more does not, and tomorrow begins anew."""
    mine = table(dynamodb)
    assert mine.reserve(600, Priority.HIGH, NOW)
    assert mine.reserve(401, Priority.HIGH, NOW) is None
    assert mine.reserve(400, Priority.HIGH, NOW)
    assert mine.reserve(1, Priority.HIGH, NOW) is None
    assert mine.reserve(1, Priority.HIGH, NOW + 86_400)


def test_days_add_up_to_the_monthly_cap(dynamodb: Any) -> None:
    """Five full days, and the sixth has nothing left; the next month has."""
    mine = table(dynamodb)
    for day in range(5):
        assert mine.reserve(1000, Priority.HIGH, NOW + day * 86_400)
    assert mine.reserve(1, Priority.HIGH, NOW + 5 * 86_400) is None
    assert mine.reserve(1, Priority.HIGH, NOW + 10 * 86_400)


def test_less_important_keys_go_first(dynamodb: Any) -> None:
    """At 80 % low keys are refused, at 90 % normal ones, and high ones have it all."""
    mine = table(dynamodb)
    assert mine.reserve(800, Priority.LOW, NOW)
    assert mine.reserve(1, Priority.LOW, NOW) is None
    assert mine.reserve(100, Priority.NORMAL, NOW)
    assert mine.reserve(1, Priority.NORMAL, NOW) is None
    assert mine.reserve(100, Priority.HIGH, NOW)


def test_a_cap_of_zero_spends_nothing(dynamodb: Any) -> None:
    """It is a cap like any other, and the first who is refused tells of it."""
    news: list[tuple[str, int]] = []
    mine = table(dynamodb, news, Caps("spend", 0, None, False, 0))
    assert mine.reserve(1, Priority.HIGH, NOW) is None
    assert news == [("daily", 100)]


def test_people_are_told_once(dynamodb: Any) -> None:
    """At 80 % and when nothing is left, once for all gateways together."""
    news: list[tuple[str, int]] = []
    one, other = table(dynamodb, news), table(dynamodb, news)
    assert one.reserve(799, Priority.HIGH, NOW)
    assert news == []
    assert one.reserve(1, Priority.HIGH, NOW)
    assert other.reserve(1, Priority.HIGH, NOW)
    assert news == [("daily", 80)]
    assert other.reserve(500, Priority.LOW, NOW) is None
    assert news == [("daily", 80)]
    assert other.reserve(500, Priority.HIGH, NOW) is None
    assert one.reserve(500, Priority.HIGH, NOW) is None
    assert news == [("daily", 80), ("daily", 100)]


def test_a_dead_owner_s_reservation_is_given_back(dynamodb: Any) -> None:
    """After its time, by anybody, and once."""
    mine = table(dynamodb)
    assert mine.reserve(900, Priority.HIGH, NOW)
    assert mine.give_back_expired(NOW + HOLD_S + GRACE_S) == 0
    assert mine.give_back_expired(NOW + GONE_S) == 1
    assert mine.give_back_expired(NOW + GONE_S) == 0
    assert mine.reserve(1000, Priority.HIGH, NOW)


def test_what_expired_overnight_is_found_in_the_month_before(dynamodb: Any) -> None:
    """A reservation of the last evening of a month is given back in the next one."""
    mine = table(dynamodb)
    evening = datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC).timestamp()
    assert mine.reserve(900, Priority.HIGH, evening)
    assert mine.give_back_expired(evening + GONE_S) == 1


def test_an_owner_that_was_only_late_still_counts_what_it_spent(dynamodb: Any) -> None:
    """Its reservation is gone, its spend is not."""
    mine = table(dynamodb)
    hold = mine.reserve(900, Priority.HIGH, NOW)
    assert hold is not None
    mine.give_back_expired(NOW + GONE_S)
    mine.settle(hold, 70, NOW + GONE_S)
    spend = mine.spend("2026-11-21")
    assert (spend.committed_day, spend.spent_day) == (70, 70)


def test_settling_twice_counts_once(dynamodb: Any) -> None:
    """Who does not know whether it was heard may say it again: it counts once."""
    mine = table(dynamodb)
    hold = mine.reserve(900, Priority.HIGH, NOW)
    assert hold is not None
    mine.settle(hold, 70, NOW)
    mine.settle(hold, 70, NOW)
    assert mine.spend("2026-11-21").committed_day == 70


def test_without_a_table_nobody_knows_what_was_spent(dynamodb: Any) -> None:
    """The error names the table."""
    lost = table(dynamodb, caps=Caps("lost", 1000, None, False, 0))
    with pytest.raises(SpendUnknown, match="can't write the counter lost"):
        lost.reserve(1, Priority.HIGH, NOW)
    with pytest.raises(SpendUnknown, match="can't read the counter lost"):
        lost.spend("2026-11-21")


def test_the_switch_reads_what_the_gateways_write(
    dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Today's spend, with what is reserved: the guard of a trip."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    caps = replace(CAPS, daily=5_000_000, monthly=None)
    hold = table(dynamodb, caps=caps).reserve(1_250_000, Priority.HIGH, NOW)
    assert hold is not None
    told = SimpleNamespace(spend_table="spend", aws_endpoint_url=None)
    switch = SwitchCloud(cast(SwitchSettings, told))
    assert switch.spent_usd("2026-11-21") == Decimal("1.25")
    assert switch.spent_usd("2026-11-22") == 0


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        (datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC), 1),
        (datetime(2026, 11, 21, 0, 0, 0, tzinfo=UTC), 86_400),
        (datetime(2026, 12, 31, 12, 0, 0, tzinfo=UTC), 43_200),
    ],
)
def test_the_next_day_begins_at_midnight_utc(moment: datetime, seconds: int) -> None:
    """Whoever is refused is told when there is money again."""
    assert counter.until_midnight(moment.timestamp()) == seconds
