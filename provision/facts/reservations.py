"""What AWS says of reservations: what it offers, what is held, and what runs. Pure parsers.

Money is Decimal, taken from the text of AWS's numbers; US dollars for one instance unless said
otherwise. Moments carry their time zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from provision.catalog.prices.price import Payment

PLATFORM = "Linux/UNIX"
ENVIRONMENT_TAG = "llm-fleet:environment"
OFFERING_TAG = "llm-fleet:offering"
SECONDS_PER_YEAR = 365 * 24 * 3600
_PAYMENTS = {
    "No Upfront": Payment.NO_UPFRONT,
    "Partial Upfront": Payment.PARTIAL_UPFRONT,
    "All Upfront": Payment.ALL_UPFRONT,
}


class Kind(StrEnum):
    """What can be bought."""

    RESERVED = "reserved"  # a cheaper bill; no capacity
    CAPACITY_BLOCK = "capacity-block"  # capacity for some days, paid upfront
    CAPACITY = "capacity-reservation"  # capacity until cancelled, at the on-demand price


@dataclass(frozen=True, slots=True)
class Order:
    """What AWS is asked to sell. *limit* is US dollars for the whole order.

    The same *token* makes it the same order, where AWS takes one.
    """

    kind: Kind
    offering: str
    instance_type: str
    count: int
    zone: str
    limit: Decimal
    token: str


@dataclass(frozen=True, slots=True)
class ReservedOffering:
    """A standard Reserved Instance that AWS sells: *years* of one instance in a whole region."""

    id: str
    instance_type: str
    years: int
    payment: Payment
    upfront: Decimal
    hourly: Decimal


@dataclass(frozen=True, slots=True)
class BlockOffering:
    """A Capacity Block: *count* instances in one zone for some days; *upfront* is for them all."""

    id: str
    instance_type: str
    count: int
    zone: str
    starts: datetime
    ends: datetime
    upfront: Decimal


@dataclass(frozen=True, slots=True)
class Reserved:
    """Reserved Instances that the account holds. *zone* is "" for a regional one.

    ``state`` is AWS's: ``active``, ``payment-pending``, ``queued``.
    """

    id: str
    instance_type: str
    count: int
    zone: str
    years: int
    payment: Payment
    upfront: Decimal
    hourly: Decimal
    starts: datetime
    ends: datetime
    state: str
    platform: str = PLATFORM
    tenancy: str = "default"
    offering_class: str = "standard"

    @property
    def effective_hourly(self) -> Decimal:
        """Both parts per hour of the term."""
        return self.hourly + self.upfront / (self.years * 8760)


@dataclass(frozen=True, slots=True)
class Capacity:
    """A capacity reservation, on demand or a block (*block*). *ends* is None: until cancelled."""

    id: str
    instance_type: str
    zone: str
    total: int
    available: int
    starts: datetime | None
    ends: datetime | None
    state: str
    block: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """An instance that runs. *market* is ``on-demand``, ``spot`` or ``capacity-block``."""

    id: str
    instance_type: str
    zone: str
    market: str = "on-demand"
    tenancy: str = "default"
    platform: str = PLATFORM
    reservation: str = ""  # the capacity reservation that it runs in
    environment: str = ""


def reserved_offering(said: Mapping[str, Any]) -> ReservedOffering:
    """From an answer of DescribeReservedInstancesOfferings."""
    return ReservedOffering(
        id=said["ReservedInstancesOfferingId"],
        instance_type=said["InstanceType"],
        years=_years(said),
        payment=_PAYMENTS[said["OfferingType"]],
        upfront=_usd(said["FixedPrice"]),
        hourly=_hourly(said),
    )


def block_offering(said: Mapping[str, Any]) -> BlockOffering:
    """From an answer of DescribeCapacityBlockOfferings."""
    return BlockOffering(
        id=said["CapacityBlockOfferingId"],
        instance_type=said["InstanceType"],
        count=said["InstanceCount"],
        zone=said["AvailabilityZone"],
        starts=said["StartDate"],
        ends=said["EndDate"],
        upfront=_usd(said["UpfrontFee"]),
    )


def reserved(said: Mapping[str, Any]) -> Reserved:
    """From an answer of DescribeReservedInstances."""
    return Reserved(
        id=said["ReservedInstancesId"],
        instance_type=said["InstanceType"],
        count=said["InstanceCount"],
        zone=said.get("AvailabilityZone", "") if said["Scope"] == "Availability Zone" else "",
        years=_years(said),
        payment=_PAYMENTS[said["OfferingType"]],
        upfront=_usd(said["FixedPrice"]),
        hourly=_hourly(said),
        starts=said["Start"],
        ends=said["End"],
        state=said["State"],
        platform=said["ProductDescription"].removesuffix(" (Amazon VPC)"),
        tenancy=said["InstanceTenancy"],
        offering_class=said["OfferingClass"],
    )


def capacity(said: Mapping[str, Any]) -> Capacity:
    """From an answer of DescribeCapacityReservations."""
    return Capacity(
        id=said["CapacityReservationId"],
        instance_type=said["InstanceType"],
        zone=said["AvailabilityZone"],
        total=said["TotalInstanceCount"],
        available=said["AvailableInstanceCount"],
        starts=said.get("StartDate"),
        ends=said.get("EndDate"),
        state=said["State"],
        block=said.get("ReservationType") == "capacity-block",
        tags={tag["Key"]: tag["Value"] for tag in said.get("Tags", ())},
    )


def running(said: Mapping[str, Any]) -> Running:
    """From an answer of DescribeInstances."""
    tags = {tag["Key"]: tag["Value"] for tag in said.get("Tags", ())}
    return Running(
        id=said["InstanceId"],
        instance_type=said["InstanceType"],
        zone=said["Placement"]["AvailabilityZone"],
        market=said.get("InstanceLifecycle", "on-demand"),
        tenancy=said["Placement"].get("Tenancy", "default"),
        platform=said.get("PlatformDetails", PLATFORM),
        reservation=said.get("CapacityReservationId", ""),
        environment=tags.get(ENVIRONMENT_TAG, ""),
    )


def is_sold(said: Mapping[str, Any]) -> bool:
    """Whether a reserved offering, or what is held, is one of today's kinds of payment.

    AWS still lists the ones by utilization that it stopped selling.
    """
    return said["OfferingType"] in _PAYMENTS


def _years(said: Mapping[str, Any]) -> int:
    return max(1, round(int(said["Duration"]) / SECONDS_PER_YEAR))


def _hourly(said: Mapping[str, Any]) -> Decimal:
    charges = (
        _usd(charge["Amount"])
        for charge in said.get("RecurringCharges", ())
        if charge["Frequency"] == "Hourly"
    )
    return sum(charges, _usd(said.get("UsagePrice", 0)))


def _usd(number: object) -> Decimal:
    """Exactly the digits that AWS wrote."""
    return Decimal(str(number))
