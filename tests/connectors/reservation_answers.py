"""AWS's answers about reservations, as its service model shapes them (moto has none of these)."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.stub import Stubber

from provision.config.environment import AwsSettings
from provision.connectors.aws_client import AwsClients
from provision.testing import samples

ENVIRONMENT = samples.environment(
    aws=AwsSettings(endpoint_url="http://127.0.0.1:9")  # nobody's credentials are read
)
YEAR = 31_536_000
NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)  # the fake clock's beginning
OFFERING = "649fd0c8-0000-4000-8000-0000000000a1"
ALL_UPFRONT = "649fd0c8-0000-4000-8000-0000000000a3"
BLOCK = "cb-0a1b2c3d4e5f60001"

ASK_OFFERINGS: dict[str, Any] = {
    "InstanceType": "g5.xlarge",
    "OfferingClass": "standard",
    "ProductDescription": "Linux/UNIX",
    "InstanceTenancy": "default",
    "IncludeMarketplace": False,
    "Filters": [{"Name": "scope", "Values": ["Region"]}],
}
ASK_RESERVED = {"Filters": [{"Name": "state", "Values": ["active", "payment-pending", "queued"]}]}
ASK_CAPACITY = {
    "Filters": [{"Name": "state", "Values": ["active", "pending", "scheduled", "payment-pending"]}]
}
ASK_RUNNING = {"Filters": [{"Name": "instance-state-name", "Values": ["running"]}]}


def offering(
    id_: str = OFFERING,
    payment: str = "No Upfront",
    *,
    years: int = 1,
    upfront: float = 0.0,
    hourly: float = 0.634,
    kind: str = "g5.xlarge",
) -> dict[str, Any]:
    """One of DescribeReservedInstancesOfferings."""
    charges = [{"Amount": hourly, "Frequency": "Hourly"}] if hourly else []
    return {
        "ReservedInstancesOfferingId": id_,
        "InstanceType": kind,
        "Duration": years * YEAR,
        "FixedPrice": upfront,
        "UsagePrice": 0.0,
        "RecurringCharges": charges,
        "OfferingType": payment,
        "OfferingClass": "standard",
        "ProductDescription": "Linux/UNIX",
        "InstanceTenancy": "default",
        "Marketplace": False,
        "Scope": "Region",
        "CurrencyCode": "USD",
        "PricingDetails": [],
    }


OFFERINGS = [
    offering(ALL_UPFRONT, "All Upfront", upfront=5182.0, hourly=0.0),
    offering("649fd0c8-0000-4000-8000-0000000000a2", "Partial Upfront", upfront=2644.0, hourly=0.3),
    offering(),
    offering("649fd0c8-0000-4000-8000-0000000000b1", "No Upfront", years=3, hourly=0.4346),
    # What AWS lists and does not sell any more.
    offering("649fd0c8-0000-4000-8000-0000000000ff", "Heavy Utilization", upfront=99.0),
]


def reserved(id_: str = "ri-1", **changes: Any) -> dict[str, Any]:
    """One of DescribeReservedInstances: two g5.xlarge since a minute ago."""
    said = {
        **{k: v for k, v in offering().items() if k in _SHARED},
        "ReservedInstancesId": id_,
        "InstanceCount": 2,
        "Start": datetime(2023, 11, 14, 22, 12, 20, tzinfo=UTC),
        "End": datetime(2024, 11, 13, 22, 12, 20, tzinfo=UTC),
        "State": "active",
    }
    return {**said, **changes}


_SHARED = {
    *("InstanceType", "Duration", "FixedPrice", "UsagePrice", "RecurringCharges"),
    *("OfferingType", "OfferingClass", "ProductDescription", "InstanceTenancy", "Scope"),
}


def block(id_: str = BLOCK, **changes: Any) -> dict[str, Any]:
    """One of DescribeCapacityBlockOfferings: a week of one p4d."""
    return {
        "CapacityBlockOfferingId": id_,
        "InstanceType": "p4d.24xlarge",
        "InstanceCount": 1,
        "AvailabilityZone": "us-east-1a",
        "StartDate": datetime(2023, 11, 20, 11, 30, tzinfo=UTC),
        "EndDate": datetime(2023, 11, 27, 11, 30, tzinfo=UTC),
        "CapacityBlockDurationHours": 168,
        "UpfrontFee": "1989.12",
        "CurrencyCode": "USD",
        "Tenancy": "default",
        **changes,
    }


def capacity(id_: str = "cr-0123456789abcdef0", **changes: Any) -> dict[str, Any]:
    """One of DescribeCapacityReservations: two g5.xlarge, both used."""
    return {
        "CapacityReservationId": id_,
        "InstanceType": "g5.xlarge",
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": "us-east-1a",
        "Tenancy": "default",
        "TotalInstanceCount": 2,
        "AvailableInstanceCount": 0,
        "State": "active",
        "StartDate": datetime(2023, 11, 1, tzinfo=UTC),
        "EndDateType": "unlimited",
        "ReservationType": "default",
        "Tags": [],
        **changes,
    }


def instance(id_: str, *, environment: str | None = "test", **changes: Any) -> dict[str, Any]:
    """One of DescribeInstances."""
    tags = [{"Key": "llm-fleet:environment", "Value": environment}] if environment else []
    return {
        "InstanceId": id_,
        "InstanceType": "g5.xlarge",
        "Placement": {"AvailabilityZone": "us-east-1a", "Tenancy": "default"},
        "PlatformDetails": "Linux/UNIX",
        "Tags": tags,
        **changes,
    }


@cache
def _real() -> AwsClients:
    """Clients take a tenth of a second each: made once for all tests."""
    return AwsClients(ENVIRONMENT)


class Aws(AwsClients):
    """Real boto3 clients that send nothing: each call must be the next one that was set."""

    def __init__(self) -> None:
        super().__init__(ENVIRONMENT)
        self._stubs = {
            ("ec2", False): Stubber(self.client("ec2")),
            ("ec2", True): Stubber(self.client("ec2", once=True)),
            ("ssm", False): Stubber(self.client("ssm")),
        }
        self._open = ExitStack()
        for stub in self._stubs.values():
            self._open.enter_context(stub)

    def expect(self, operation: str, sent: dict[str, Any], answer: dict[str, Any]) -> None:
        """The next call of its client, and what comes back."""
        self._of(operation).add_response(operation, answer, sent)

    def refuse(self, operation: str, sent: dict[str, Any], code: str, status: int = 400) -> None:
        """The next call of its client, and the error that comes back."""
        self._of(operation).add_client_error(
            operation, code, "AWS says no", http_status_code=status, expected_params=sent
        )

    def done(self) -> None:
        """Every call that was set was made; the clients are free for the next account."""
        self._open.close()
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()

    def client(self, service: str, *, once: bool = False) -> Any:
        """The one client of its kind."""
        return _real().client(service, once=once)

    def _of(self, operation: str) -> Stubber:
        once = operation.startswith(("purchase", "create"))
        return self._stubs["ssm" if "parameter" in operation else "ec2", once]
