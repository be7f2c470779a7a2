"""What hosted APIs have cost, read where the gateways write it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from moto import mock_aws

from provision.connectors.spend import read_spend
from provision.errors import CloudError
from provision.facts.spend import HostedSpend
from provision.gateway.counter import Priority
from provision.gateway.settings import Caps
from provision.gateway.table import Table, client
from tests.config.environments import SMALL
from tests.gateway.test_counter import make_table

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC).timestamp()
TABLE = "llm-fleet-prod-spend"


@mock_aws
def test_it_reads_what_the_gateways_write() -> None:
    """Spent and reserved, of the day and of the month."""
    dynamodb = client("dynamodb", "us-east-1", None)
    make_table(dynamodb, TABLE)
    table = Table(dynamodb, Caps(TABLE, 9_000_000, None, False, 0), 300, lambda *_: None)
    yesterday = table.reserve(2_000_000, Priority.HIGH, NOW - 86_400)
    spent, _ = (table.reserve(1_500_000, Priority.HIGH, NOW) for _ in range(2))
    assert yesterday is not None
    assert spent is not None
    table.settle(yesterday, 500_000, NOW)
    table.settle(spent, 250_000, NOW)
    assert read_spend(SMALL, "2026-11-21") == HostedSpend(
        "2026-11-21",
        day_spent_usd=Decimal("0.25"),
        day_reserved_usd=Decimal("1.5"),
        month_spent_usd=Decimal("0.75"),
        month_reserved_usd=Decimal("1.5"),
    )
    assert read_spend(SMALL, "2026-12-01").month_spent_usd == 0


@mock_aws
def test_without_the_table_it_says_so() -> None:
    """Before `pulumi up`, or in an environment without a fallback."""
    with pytest.raises(CloudError, match=TABLE):
        read_spend(replace(SMALL, region="eu-west-1"), "2026-11-21")
