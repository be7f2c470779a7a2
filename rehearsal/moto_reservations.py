"""Reservations, which moto has not: sold at the price book's prices, kept in this process.

Only what `fab cost.reserve` and `fab cost.coverage` ask for. moto checks parameters against, and
writes answers by, botocore's model of EC2.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response

from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.catalog.prices.price import Commitment, Plan

_NAMESPACE = uuid.UUID("5d1f0d6a-5c0e-4d5e-9a53-7c1a3c1f0b5e")
_YEAR = 31_536_000
_BLOCK_HOUR, _BLOCK_MINUTE = 11, 30  # when blocks begin and end
_PAYMENT = {
    "no-upfront": "No Upfront",
    "partial-upfront": "Partial Upfront",
    "all-upfront": "All Upfront",
}
_LINUX = {
    "InstanceTenancy": "default",
    "OfferingClass": "standard",
    "ProductDescription": "Linux/UNIX",
    "Scope": "Region",
    "UsagePrice": 0.0,
    "CurrencyCode": "USD",
}


@dataclass
class Seller:
    """What was sold so far, by region."""

    book: PriceBook = field(default_factory=load)
    reserved: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    capacity: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    blocks: dict[str, dict[str, Any]] = field(default_factory=dict)  # offered, not yet sold

    def __post_init__(self) -> None:
        self._one_at_a_time = threading.Lock()

    def describe_reserved_instances_offerings(self, asked: EC2Response) -> ActionResult:
        """One for each commitment that the book knows."""
        offers = self._offers(asked.region, asked._get_param("InstanceType"))
        return ActionResult({"ReservedInstancesOfferings": offers})

    def purchase_reserved_instances_offering(self, asked: EC2Response) -> ActionResult:
        """Sell at once; above the limit price not at all."""
        wanted = asked._get_param("ReservedInstancesOfferingId")
        found = [o for o in self._offers(asked.region) if o[_OFFERING] == wanted]
        if not found:
            raise EC2ClientError("InvalidReservedInstancesOfferingId", f"there is no {wanted}")
        count, limit = int(asked._get_param("InstanceCount")), asked._get_param("LimitPrice")
        if limit and found[0]["FixedPrice"] * count > float(limit["Amount"]):
            raise EC2ClientError("InvalidParameterValue", "the price is above the limit price")
        asked.error_on_dryrun()
        now, name = datetime.now(UTC), str(uuid.uuid4())
        held = {key: value for key, value in found[0].items() if key not in _OF_AN_OFFER}
        held |= {"ReservedInstancesId": name, "InstanceCount": count, "State": "active"}
        held |= {"Start": now, "End": now + timedelta(seconds=held["Duration"])}
        with self._one_at_a_time:
            self.reserved.setdefault(asked.region, []).append(held)
        return ActionResult({"ReservedInstancesId": name})

    def describe_reserved_instances(self, asked: EC2Response) -> ActionResult:
        """All that was sold."""
        return ActionResult({"ReservedInstances": self.reserved.get(asked.region, [])})

    def describe_capacity_block_offerings(self, asked: EC2Response) -> ActionResult:
        """One block, at the first 11:30 UTC a day from the wished beginning."""
        kind = asked._get_param("InstanceType")
        price = self.book.capacity_blocks.get(kind)
        if price is None:
            return ActionResult({"CapacityBlockOfferings": []})
        count, hours = (
            int(asked._get_param(name)) for name in ("InstanceCount", "CapacityDurationHours")
        )
        starts = _next_block(asked._get_param("StartDateRange") or datetime.now(UTC))
        said = f"{asked.region} {kind} {count} {hours} {starts.isoformat()}"
        offer = {
            "CapacityBlockOfferingId": f"cb-{uuid.uuid5(_NAMESPACE, said).hex[:17]}",
            "InstanceType": kind,
            "InstanceCount": count,
            "AvailabilityZone": f"{asked.region}a",
            "StartDate": starts,
            "EndDate": starts + timedelta(hours=hours),
            "CapacityBlockDurationHours": hours,
            "UpfrontFee": str(price.usd * hours * count),
            "CurrencyCode": "USD",
            "Tenancy": "default",
        }
        with self._one_at_a_time:
            self.blocks[offer["CapacityBlockOfferingId"]] = offer
        return ActionResult({"CapacityBlockOfferings": [offer]})

    def purchase_capacity_block(self, asked: EC2Response) -> ActionResult:
        """Sell a block that was offered, once."""
        wanted = asked._get_param("CapacityBlockOfferingId")
        if wanted not in self.blocks:
            raise EC2ClientError("InvalidCapacityBlockOfferingId.NotFound", f"no {wanted}")
        asked.error_on_dryrun()
        offer = self.blocks.pop(wanted)
        times = {"StartDate": offer["StartDate"], "EndDate": offer["EndDate"]}
        return self._hold(
            asked,
            {key: offer[key] for key in ("InstanceType", "AvailabilityZone", "Tenancy")},
            count=offer["InstanceCount"],
            extra={**times, "ReservationType": "capacity-block", "State": "scheduled"},
        )

    def create_capacity_reservation(self, asked: EC2Response) -> ActionResult:
        """Hold capacity until cancelled; the same token is the same reservation."""
        asked.error_on_dryrun()
        token = asked._get_param("ClientToken")
        for held in self.capacity.get(asked.region, []):
            if token and held["_token"] == token:
                return ActionResult({"CapacityReservation": _shown(held)})
        return self._hold(
            asked,
            {key: asked._get_param(key) for key in ("InstanceType", "AvailabilityZone")},
            count=int(asked._get_param("InstanceCount")),
            extra={
                "StartDate": datetime.now(UTC),
                "EndDateType": "unlimited",
                "ReservationType": "default",
                "State": "active",
                "_token": token,
            },
        )

    def describe_capacity_reservations(self, asked: EC2Response) -> ActionResult:
        """All that is held."""
        held = [_shown(each) for each in self.capacity.get(asked.region, [])]
        return ActionResult({"CapacityReservations": held})

    def _hold(
        self, asked: EC2Response, what: dict[str, Any], *, count: int, extra: dict[str, Any]
    ) -> ActionResult:
        specifications = asked._get_param("TagSpecifications", [])
        held = {
            **what,
            "CapacityReservationId": f"cr-{uuid.uuid4().hex[:17]}",
            "InstancePlatform": "Linux/UNIX",
            "Tenancy": "default",
            "TotalInstanceCount": count,
            "AvailableInstanceCount": count,
            "Tags": [tag for each in specifications for tag in each.get("Tags", [])],
            "_token": None,
            **extra,
        }
        with self._one_at_a_time:
            self.capacity.setdefault(asked.region, []).append(held)
        return ActionResult({"CapacityReservation": _shown(held)})

    def _offers(self, region: str, instance_type: str | None = None) -> list[dict[str, Any]]:
        return [
            _offer(kind, region, each)
            for (kind, place), commitments in self.book.commitments.items()
            for each in commitments
            if place == region and instance_type in {None, kind} and each.plan is Plan.RESERVED
        ]


_OFFERING = "ReservedInstancesOfferingId"
_OF_AN_OFFER = {_OFFERING, "Marketplace"}
_CALLS: tuple[Callable[..., ActionResult], ...] = (
    Seller.describe_reserved_instances_offerings,
    Seller.purchase_reserved_instances_offering,
    Seller.describe_reserved_instances,
    Seller.describe_capacity_block_offerings,
    Seller.purchase_capacity_block,
    Seller.create_capacity_reservation,
    Seller.describe_capacity_reservations,
)


def teach(replace: Callable[[type, str, Callable[..., Any]], None]) -> Seller:
    """Let moto's EC2 sell; *replace* sets a method of a class."""
    seller = Seller()
    for call in _CALLS:
        replace(EC2Response, call.__name__, _method(seller, call))
    return seller


def _method(seller: Seller, call: Callable[..., ActionResult]) -> Callable[..., ActionResult]:
    return lambda response: call(seller, response)


def _offer(kind: str, region: str, commitment: Commitment) -> dict[str, Any]:
    said = f"{region} {kind} {commitment.name}"
    hourly = {"Amount": float(commitment.hourly), "Frequency": "Hourly"}
    return {
        **_LINUX,
        _OFFERING: str(uuid.uuid5(_NAMESPACE, said)),
        "InstanceType": kind,
        "Duration": commitment.years * _YEAR,
        "OfferingType": _PAYMENT[commitment.payment],
        "FixedPrice": float(commitment.upfront),
        "RecurringCharges": [hourly] if commitment.hourly else [],
        "Marketplace": False,
    }


def _next_block(wished: datetime) -> datetime:
    at = wished.replace(hour=_BLOCK_HOUR, minute=_BLOCK_MINUTE, second=0, microsecond=0)
    return at if at >= wished else at + timedelta(days=1)


def _shown(held: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in held.items() if not key.startswith("_")}
