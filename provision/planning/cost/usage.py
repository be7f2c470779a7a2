"""What is assumed about traffic: everything that a bill needs and no resource says."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from provision.config.environment import UsageSettings
from provision.planning.cost.money import HOURS_PER_MONTH

SECONDS_PER_HOUR = 3600
GB = 2**30  # as AWS counts them


@dataclass(frozen=True, slots=True)
class Usage:
    """A month of traffic. Shares are 0 to 1; ``hours`` are those that the hosts run.

    What follows on ``hours`` is for the bill alone; docs/cost-preview.md has its formulas.
    """

    requests: Decimal = Decimal(1_000_000)
    input_tokens: int = 700
    output_tokens: int = 100
    fallback_share: Decimal = Decimal(0)
    fallback_api: str | None = None
    hours: Decimal = HOURS_PER_MONTH
    response_s: Decimal = Decimal(8)
    requests_per_connection: Decimal = Decimal(1)
    bytes_per_input_token: int = 5
    bytes_per_output_token: int = 250
    internet_share: Decimal | None = None
    nat_gb_per_host: Decimal = Decimal(10)
    endpoint_gb_per_host: Decimal = Decimal(5)
    logs_gb_per_host: Decimal = Decimal(1)
    logs_scanned_gb: Decimal = Decimal(10)
    metrics_per_host: int = 0
    releases_per_month: int = 4
    image_gb: Decimal = Decimal(10)
    images_stored: int = 3
    weights_gb: Decimal | None = None
    weights_revisions: int = 2
    snapshot_changed_share: Decimal = Decimal("0.05")

    @property
    def tokens_per_request(self) -> int:
        """Prompt and answer."""
        return self.input_tokens + self.output_tokens

    @property
    def seconds(self) -> Decimal:
        """Of the month."""
        return self.hours * SECONDS_PER_HOUR

    @property
    def answers_gb(self) -> Decimal:
        """What the answers of a month weigh on the wire."""
        return self.requests * self.output_tokens * self.bytes_per_output_token / GB

    @property
    def prompts_gb(self) -> Decimal:
        """What the prompts of a month weigh on the wire."""
        return self.requests * self.input_tokens * self.bytes_per_input_token / GB


def of(settings: UsageSettings) -> Usage:
    """The usage that an environment's file describes, exact to the digits written there."""
    renamed = {"requests_per_month": "requests", "hours_per_month": "hours"}
    values: dict[str, Any] = {
        renamed.get(field.name, field.name): getattr(settings, field.name)
        for field in fields(settings)
    }
    exact = {"requests"} | {name for name, value in values.items() if isinstance(value, float)}
    values.update({name: Decimal(str(values[name])) for name in exact})
    return Usage(**values)
