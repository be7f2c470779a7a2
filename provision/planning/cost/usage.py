"""What is assumed about traffic: everything that a bill needs and no resource says."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from provision.planning.cost.money import HOURS_PER_MONTH

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Usage:
    """A month of traffic. Shares are 0 to 1."""

    requests: Decimal = Decimal(1_000_000)
    input_tokens: int = 700
    output_tokens: int = 100
    fallback_share: Decimal = Decimal(0)
    fallback_api: str = "gpt-4o-mini"
    hours: Decimal = HOURS_PER_MONTH

    @property
    def tokens_per_request(self) -> int:
        """Prompt and answer."""
        return self.input_tokens + self.output_tokens

    @property
    def seconds(self) -> Decimal:
        """Of the month."""
        return self.hours * SECONDS_PER_HOUR
