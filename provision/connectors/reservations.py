"""Ask AWS for reservations, and buy them. Every purchase is asked for once, without a retry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from provision.config.environment import Environment
from provision.connectors.aws_client import AwsClients, code_of
from provision.errors import CloudError
from provision.facts import reservations as facts
from provision.facts.reservations import (
    ENVIRONMENT_TAG,
    OFFERING_TAG,
    PLATFORM,
    BlockOffering,
    Capacity,
    Kind,
    Order,
    Reserved,
    ReservedOffering,
    Running,
)

_DRY_RUN_PASSED = "DryRunOperation"
_BUSY = {"RequestLimitExceeded", "Throttling", "ThrottlingException"}  # nothing was begun
_SERVER_ERROR = 500


class Reservations:
    """The region's reservations. Errors are CloudError; nothing is bought but by :meth:`buy`."""

    def __init__(self, environment: Environment, *, aws: AwsClients | None = None) -> None:
        self._environment = environment
        self._aws = aws or AwsClients(environment)

    def offerings(self, instance_type: str) -> tuple[ReservedOffering, ...]:
        """Standard, regional Linux Reserved Instances of AWS itself, with default tenancy."""
        pages = self._aws.pages(
            *("ec2", "describe_reserved_instances_offerings", instance_type),
            InstanceType=instance_type,
            OfferingClass="standard",
            ProductDescription=PLATFORM,
            InstanceTenancy="default",
            IncludeMarketplace=False,
            Filters=[{"Name": "scope", "Values": ["Region"]}],
        )
        said = (each for page in pages for each in page["ReservedInstancesOfferings"])
        return tuple(facts.reserved_offering(one) for one in said if facts.is_sold(one))

    def blocks(
        self, instance_type: str, *, count: int, hours: int, starts: datetime, ends: datetime
    ) -> tuple[BlockOffering, ...]:
        """Capacity Blocks of *count* instances for *hours*, between *starts* and *ends*."""
        pages = self._aws.pages(
            *("ec2", "describe_capacity_block_offerings", instance_type),
            InstanceType=instance_type,
            InstanceCount=count,
            CapacityDurationHours=hours,
            StartDateRange=starts,
            EndDateRange=ends,
        )
        said = (each for page in pages for each in page["CapacityBlockOfferings"])
        return tuple(facts.block_offering(one) for one in said if "InstanceType" in one)

    def zones(self, instance_type: str) -> tuple[str, ...]:
        """Zones of the region that sell the type."""
        pages = self._aws.pages(
            *("ec2", "describe_instance_type_offerings", instance_type),
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": [instance_type]}],
        )
        return tuple(sorted(o["Location"] for page in pages for o in page["InstanceTypeOfferings"]))

    def reserved(self) -> tuple[Reserved, ...]:
        """Reserved Instances that the account holds, or has ordered."""
        states = {"Name": "state", "Values": ["active", "payment-pending", "queued"]}
        said = self._aws.call("ec2", "describe_reserved_instances", "the account", Filters=[states])
        held = said["ReservedInstances"]
        return tuple(facts.reserved(one) for one in held if facts.is_sold(one))

    def capacity(self) -> tuple[Capacity, ...]:
        """Capacity reservations that the account holds, or has ordered."""
        states = ["active", "pending", "scheduled", "payment-pending"]
        pages = self._aws.pages(
            *("ec2", "describe_capacity_reservations", "the account"),
            Filters=[{"Name": "state", "Values": states}],
        )
        return tuple(facts.capacity(one) for page in pages for one in page["CapacityReservations"])

    def running(self) -> tuple[Running, ...]:
        """Every running instance of the account in the region: reservations are shared by all."""
        pages = self._aws.pages(
            *("ec2", "describe_instances", "the account"),
            Filters=[{"Name": "instance-state-name", "Values": ["running"]}],
        )
        return tuple(
            facts.running(one)
            for page in pages
            for reservation in page["Reservations"]
            for one in reservation["Instances"]
        )

    def dry_run(self, order: Order) -> None:
        """Ask AWS whether it would sell. Raises CloudError when it would not."""
        operation, parameters = self._purchase(order)
        try:
            self._aws.call_once("ec2", operation, order.offering, **parameters, DryRun=True)
        except CloudError as error:
            if code_of(error) != _DRY_RUN_PASSED:
                raise

    def buy(self, order: Order) -> str:
        """Buy; the id of the reservation. Asks once: whoever gets no answer must look."""
        operation, parameters = self._purchase(order)
        said = self._aws.call_once("ec2", operation, order.offering, **parameters)
        if order.kind is Kind.RESERVED:
            return str(said["ReservedInstancesId"])
        return str(said["CapacityReservation"]["CapacityReservationId"])

    def said_no(self, error: CloudError) -> bool:
        """Whether AWS answered, and refused: then nothing was bought."""
        if code_of(error) in _BUSY:
            return True
        cause = error.__cause__
        if not isinstance(cause, ClientError):
            return False
        status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        return bool(status < _SERVER_ERROR)

    def entry(self, offering: str) -> str | None:
        """What was written down about a purchase of *offering*; None when nothing was."""
        name = self._parameter(offering)
        try:
            found = self._aws.call("ssm", "get_parameter", name, Name=name)
        except CloudError as error:
            if code_of(error) == "ParameterNotFound":
                return None
            raise
        return str(found["Parameter"]["Value"])

    def begin(self, offering: str, text: str, *, before: str | None) -> bool:
        """Write down that a purchase begins; False when somebody else began one since *before*."""
        name = self._parameter(offering)
        if before is not None:
            if self.entry(offering) != before:
                return False
            self._aws.call("ssm", "delete_parameter", name, Name=name)
        try:
            self._put(name, text, over=False)
        except CloudError as error:
            if code_of(error) == "ParameterAlreadyExists":
                return False
            raise
        return True

    def settle(self, offering: str, text: str | None) -> None:
        """Write down how a purchase ended; None forgets it."""
        name = self._parameter(offering)
        if text is None:
            self._aws.call("ssm", "delete_parameter", name, Name=name)
        else:
            self._put(name, text, over=True)

    def _put(self, name: str, text: str, *, over: bool) -> None:
        self._aws.call(
            "ssm", "put_parameter", name, Name=name, Value=text, Type="String", Overwrite=over
        )

    def _parameter(self, offering: str) -> str:
        return f"{self._environment.parameter_root}/purchases/{offering}"

    def _purchase(self, order: Order) -> tuple[str, dict[str, Any]]:
        if order.kind is Kind.RESERVED:
            limit = {"Amount": float(order.limit), "CurrencyCode": "USD"}
            return "purchase_reserved_instances_offering", {
                "ReservedInstancesOfferingId": order.offering,
                "InstanceCount": order.count,
                "LimitPrice": limit,
            }
        tags = {"TagSpecifications": list(self._tags(order))}
        if order.kind is Kind.CAPACITY_BLOCK:
            return "purchase_capacity_block", {
                "CapacityBlockOfferingId": order.offering,
                "InstancePlatform": PLATFORM,
                **tags,
            }
        return "create_capacity_reservation", {
            "ClientToken": order.token,
            "InstanceType": order.instance_type,
            "InstancePlatform": PLATFORM,
            "AvailabilityZone": order.zone,
            "InstanceCount": order.count,
            "InstanceMatchCriteria": "targeted",
            "EndDateType": "unlimited",
            **tags,
        }

    def _tags(self, order: Order) -> Iterator[dict[str, Any]]:
        tags = {
            "Name": self._environment.prefix,
            ENVIRONMENT_TAG: self._environment.name,
            "llm-fleet:owner": self._environment.owner,
            "Project": "llm-fleet",
            OFFERING_TAG: order.offering,
        }
        yield {
            "ResourceType": "capacity-reservation",
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
