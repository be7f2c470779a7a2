"""One price, and the ways in which an instance can be paid for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

HOURS_PER_YEAR = 8760
MONTHS_PER_YEAR = 12
MILLION = Decimal(1_000_000)


class Status(StrEnum):
    """How sure a price is."""

    SEEN = "seen"  # read in a stored source
    DERIVED = "derived"  # computed from prices that were seen
    MEMORY = "memory"  # nobody has verified it; every table marks it
    REFRESHED = "refreshed"  # from AWS itself, by `fab cost.refresh`
    OVERRIDE = "override"  # written by the team


class Payment(StrEnum):
    """How much of a commitment is paid on the first day."""

    NO_UPFRONT = "no-upfront"
    PARTIAL_UPFRONT = "partial-upfront"
    ALL_UPFRONT = "all-upfront"


class Plan(StrEnum):
    """What is committed to."""

    RESERVED = "reserved"  # a standard Reserved Instance of one type in one region
    SAVINGS_PLAN_EC2 = "savings-plan-ec2"  # $ per hour for one family in one region
    SAVINGS_PLAN_COMPUTE = "savings-plan-compute"  # $ per hour for any instance, Fargate, Lambda


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a price comes from. *as_of* is a date or a span of dates as its source gives it."""

    source: str
    as_of: str
    status: Status


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per *unit* (``hour``, ``GB-month``, ...)."""

    usd: Decimal
    unit: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class SpotRange:
    """US dollars per hour over the zones of a region."""

    low: Decimal
    median: Decimal
    high: Decimal
    origin: Origin


@dataclass(frozen=True, slots=True)
class Commitment:
    """One or three years of one instance: *upfront* US dollars at once, *hourly* for every hour."""

    plan: Plan
    years: int
    payment: Payment
    hourly: Decimal
    upfront: Decimal
    origin: Origin

    @property
    def name(self) -> str:
        """As flags and tables call it: ``reserved-1y-no-upfront``."""
        return f"{self.plan}-{self.years}y-{self.payment}"

    @property
    def effective_hourly(self) -> Decimal:
        """Both parts per hour of the term."""
        return self.hourly + self.upfront / (self.years * HOURS_PER_YEAR)

    @property
    def upfront_monthly(self) -> Decimal:
        """The upfront part per month of the term."""
        return self.upfront / (self.years * MONTHS_PER_YEAR)


@dataclass(frozen=True, slots=True)
class Tier:
    """A price that holds up to *up_to* units a month (None: without end), first tier first."""

    up_to: Decimal | None
    usd: Decimal
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class HostedModel:
    """A model behind someone's API, US dollars per million tokens.

    *deprecated_on* is the provider's last day for it (ISO date), None when none is announced.
    """

    name: str
    provider: str
    input_usd: Decimal
    output_usd: Decimal
    cached_input_usd: Decimal | None
    deprecated_on: str | None
    origin: Origin

    def per_request(self, input_tokens: int, output_tokens: int) -> Decimal:
        """US dollars for one request without a cached prompt."""
        return (self.input_usd * input_tokens + self.output_usd * output_tokens) / MILLION
