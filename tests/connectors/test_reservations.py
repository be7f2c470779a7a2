"""Reservations, against botocore's own model of EC2 and SSM (Stubber): every call and every answer
is checked for names and types. moto can't stand in here: it ignores the arguments of an offering
look-up, knows three types, and has neither purchases nor capacity."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from provision.catalog.prices.price import Payment
from provision.connectors.reservations import Reservations
from provision.errors import CloudError
from provision.facts.reservations import (
    BlockOffering,
    Capacity,
    Kind,
    Order,
    Reserved,
    ReservedOffering,
    Running,
)
from tests.connectors import reservation_answers as said
from tests.connectors.reservation_answers import Aws

ORDER = Order(
    Kind.RESERVED, said.OFFERING, "g5.xlarge", 2, "", Decimal("11107.68"), "token-of-this-order"
)
TAGS = [
    {"Key": "Name", "Value": "llm-fleet-test"},
    {"Key": "llm-fleet:environment", "Value": "test"},
    {"Key": "llm-fleet:owner", "Value": "team@example.com"},
    {"Key": "Project", "Value": "llm-fleet"},
]
PARAMETER = f"/llm-fleet/test/purchases/{said.OFFERING}"
BUY = {
    "ReservedInstancesOfferingId": said.OFFERING,
    "InstanceCount": 2,
    "LimitPrice": {"Amount": 11107.68, "CurrencyCode": "USD"},
}


@pytest.fixture
def aws() -> Iterator[Aws]:
    """A new account; all calls that a test sets must be made."""
    aws = Aws()
    yield aws
    aws.done()


@pytest.fixture
def desk(aws: Aws) -> Reservations:
    return Reservations(said.ENVIRONMENT, aws=aws)


def test_offerings_are_the_environment_s_kind(aws: Aws, desk: Reservations) -> None:
    """Standard, regional, Linux, default tenancy, no marketplace, every page; the digits of the
    price as AWS writes them, and nothing that is no longer sold."""
    first, second = said.OFFERINGS[:3], said.OFFERINGS[3:]
    operation = "describe_reserved_instances_offerings"
    page = {"ReservedInstancesOfferings": first, "NextToken": "more"}
    aws.expect(operation, said.ASK_OFFERINGS, page)
    more = {**said.ASK_OFFERINGS, "NextToken": "more"}
    aws.expect(operation, more, {"ReservedInstancesOfferings": second})

    found = desk.offerings("g5.xlarge")

    assert [(o.years, o.payment, o.upfront, o.hourly) for o in found] == [
        (1, Payment.ALL_UPFRONT, Decimal("5182.0"), Decimal(0)),
        (1, Payment.PARTIAL_UPFRONT, Decimal("2644.0"), Decimal("0.3")),
        (1, Payment.NO_UPFRONT, Decimal(0), Decimal("0.634")),
        (3, Payment.NO_UPFRONT, Decimal(0), Decimal("0.4346")),
    ]
    assert found[2] == ReservedOffering(
        said.OFFERING, "g5.xlarge", 1, Payment.NO_UPFRONT, Decimal("0.0"), Decimal("0.634")
    )


def test_blocks_of_a_week(aws: Aws, desk: Reservations) -> None:
    """The fee is for all instances, in AWS's own digits; one for an UltraServer is left out."""
    starts, ends = datetime(2023, 11, 15, tzinfo=UTC), datetime(2024, 1, 10, tzinfo=UTC)
    ultra = {"CapacityBlockOfferingId": "cb-0ultra", "UltraserverType": "u-p6e-gb200x72"}
    aws.expect(
        "describe_capacity_block_offerings",
        {
            "InstanceType": "p4d.24xlarge",
            "InstanceCount": 1,
            "CapacityDurationHours": 168,
            "StartDateRange": starts,
            "EndDateRange": ends,
        },
        {"CapacityBlockOfferings": [said.block(), ultra]},
    )

    found = desk.blocks("p4d.24xlarge", count=1, hours=168, starts=starts, ends=ends)

    assert found == (
        BlockOffering(
            said.BLOCK,
            "p4d.24xlarge",
            1,
            "us-east-1a",
            datetime(2023, 11, 20, 11, 30, tzinfo=UTC),
            datetime(2023, 11, 27, 11, 30, tzinfo=UTC),
            Decimal("1989.12"),
        ),
    )


def test_zones_that_sell_a_type(aws: Aws, desk: Reservations) -> None:
    """In order."""
    offers = [{"InstanceType": "g5.xlarge", "Location": f"us-east-1{zone}"} for zone in "ba"]
    aws.expect(
        "describe_instance_type_offerings",
        {
            "LocationType": "availability-zone",
            "Filters": [{"Name": "instance-type", "Values": ["g5.xlarge"]}],
        },
        {"InstanceTypeOfferings": offers},
    )
    assert desk.zones("g5.xlarge") == ("us-east-1a", "us-east-1b")


def test_what_is_held(aws: Aws, desk: Reservations) -> None:
    """A zonal reservation knows its zone, a regional one has none."""
    zonal = said.reserved(
        "ri-2",
        Scope="Availability Zone",
        AvailabilityZone="us-east-1b",
        ProductDescription="Linux/UNIX (Amazon VPC)",
    )
    answer = {"ReservedInstances": [said.reserved(), zonal]}
    aws.expect("describe_reserved_instances", said.ASK_RESERVED, answer)

    regional = Reserved(
        id="ri-1",
        instance_type="g5.xlarge",
        count=2,
        zone="",
        years=1,
        payment=Payment.NO_UPFRONT,
        upfront=Decimal(0),
        hourly=Decimal("0.634"),
        starts=datetime(2023, 11, 14, 22, 12, 20, tzinfo=UTC),
        ends=datetime(2024, 11, 13, 22, 12, 20, tzinfo=UTC),
        state="active",
    )
    found = desk.reserved()
    assert found[0] == regional
    assert (found[1].zone, found[1].platform) == ("us-east-1b", "Linux/UNIX")


def test_capacity_that_is_held(aws: Aws, desk: Reservations) -> None:
    """One without an end, and a block with its tags."""
    ends = datetime(2023, 11, 27, 11, 30, tzinfo=UTC)
    tags = [{"Key": "llm-fleet:offering", "Value": said.BLOCK}]
    a_block = said.capacity("cr-2", EndDate=ends, ReservationType="capacity-block", Tags=tags)
    answer = {"CapacityReservations": [said.capacity(), a_block]}
    aws.expect("describe_capacity_reservations", said.ASK_CAPACITY, answer)

    starts = datetime(2023, 11, 1, tzinfo=UTC)
    shared = ("g5.xlarge", "us-east-1a", 2, 0, starts)
    assert desk.capacity() == (
        Capacity("cr-0123456789abcdef0", *shared, None, "active"),
        Capacity("cr-2", *shared, ends, "active", True, {"llm-fleet:offering": said.BLOCK}),
    )


def test_everything_that_runs(aws: Aws, desk: Reservations) -> None:
    """Whose it is, how it was bought, and what it runs in."""
    instances = [
        said.instance("i-1"),
        said.instance("i-2", InstanceLifecycle="spot"),
        said.instance("i-3", environment=None, CapacityReservationId="cr-1"),
    ]
    answer = {"Reservations": [{"Instances": instances}]}
    aws.expect("describe_instances", said.ASK_RUNNING, answer)

    assert desk.running() == (
        Running("i-1", "g5.xlarge", "us-east-1a", environment="test"),
        Running("i-2", "g5.xlarge", "us-east-1a", market="spot", environment="test"),
        Running("i-3", "g5.xlarge", "us-east-1a", reservation="cr-1"),
    )


def test_a_dry_run_that_passes_is_an_error_of_aws(aws: Aws, desk: Reservations) -> None:
    """`DryRunOperation` means yes; the limit price goes along."""
    sent = {**BUY, "DryRun": True}
    aws.refuse("purchase_reserved_instances_offering", sent, "DryRunOperation", 412)
    desk.dry_run(ORDER)


def test_a_dry_run_that_fails_says_what_is_missing(aws: Aws, desk: Reservations) -> None:
    """Rights, before any money moves."""
    sent = {**BUY, "DryRun": True}
    aws.refuse("purchase_reserved_instances_offering", sent, "UnauthorizedOperation", 403)
    with pytest.raises(CloudError, match="permission for ec2:PurchaseReserved"):
        desk.dry_run(ORDER)


def test_a_reserved_instance_is_bought_with_the_limit_price(aws: Aws, desk: Reservations) -> None:
    """Offering, count and limit as ordered."""
    operation = "purchase_reserved_instances_offering"
    aws.expect(operation, BUY, {"ReservedInstancesId": "ri-9"})
    assert desk.buy(ORDER) == "ri-9"


def test_a_block_is_bought_by_its_offering(aws: Aws, desk: Reservations) -> None:
    """Tagged with the offering, by which it is found again."""
    order = Order(Kind.CAPACITY_BLOCK, said.BLOCK, "p4d.24xlarge", 1, "us-east-1a", ORDER.limit, "")
    sent = {
        "CapacityBlockOfferingId": said.BLOCK,
        "InstancePlatform": "Linux/UNIX",
        "TagSpecifications": tagged(said.BLOCK),
    }
    answer = {"CapacityReservation": {"CapacityReservationId": "cr-9"}}
    aws.expect("purchase_capacity_block", sent, answer)
    assert desk.buy(order) == "cr-9"


def test_capacity_is_reserved_with_a_token(aws: Aws, desk: Reservations) -> None:
    """The same order twice is one reservation; only hosts that name it run in it."""
    offering = "on-demand-us-east-1a"
    order = Order(Kind.CAPACITY, offering, "p4d.24xlarge", 1, "us-east-1a", ORDER.limit, "t" * 32)
    sent = {
        "ClientToken": "t" * 32,
        "InstanceType": "p4d.24xlarge",
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": "us-east-1a",
        "InstanceCount": 1,
        "InstanceMatchCriteria": "targeted",
        "EndDateType": "unlimited",
        "TagSpecifications": tagged(offering),
    }
    answer = {"CapacityReservation": {"CapacityReservationId": "cr-9"}}
    aws.expect("create_capacity_reservation", sent, answer)
    assert desk.buy(order) == "cr-9"


def test_purchases_are_never_repeated_by_the_client(aws: Aws) -> None:
    """boto3 repeats a call that got no answer: not this one."""
    assert aws.client("ec2", once=True).meta.config.retries["total_max_attempts"] == 1
    assert aws.client("ec2").meta.config.retries["total_max_attempts"] == 5


@pytest.mark.parametrize(
    ("code", "status", "no"),
    [
        ("InvalidParameterValue", 400, True),
        ("UnauthorizedOperation", 403, True),
        ("RequestLimitExceeded", 503, True),
        ("InternalError", 500, False),
        ("Unavailable", 503, False),
    ],
)
def test_who_said_no(aws: Aws, desk: Reservations, code: str, status: int, no: bool) -> None:
    """AWS refused the order, or broke over it and may have sold."""
    aws.refuse("purchase_reserved_instances_offering", BUY, code, status)
    with pytest.raises(CloudError) as caught:
        desk.buy(ORDER)
    assert desk.said_no(caught.value) is no


def test_no_answer_is_no_no(desk: Reservations) -> None:
    """A connection that broke."""
    assert desk.said_no(CloudError("read timeout")) is False


def test_an_entry_that_nobody_wrote(aws: Aws, desk: Reservations) -> None:
    """None; other failures come through."""
    aws.refuse("get_parameter", {"Name": PARAMETER}, "ParameterNotFound")
    assert desk.entry(said.OFFERING) is None
    aws.refuse("get_parameter", {"Name": PARAMETER}, "AccessDeniedException")
    with pytest.raises(CloudError, match="AccessDenied"):
        desk.entry(said.OFFERING)


def test_a_purchase_begins_once(aws: Aws, desk: Reservations) -> None:
    """Two operators at the same moment: the second one is told."""
    aws.expect("put_parameter", put("mine", over=False), {"Version": 1})
    assert desk.begin(said.OFFERING, "mine", before=None)
    aws.refuse("put_parameter", put("mine", over=False), "ParameterAlreadyExists")
    assert not desk.begin(said.OFFERING, "mine", before=None)


def test_a_purchase_after_an_old_one(aws: Aws, desk: Reservations) -> None:
    """The old entry makes room, unless it changed since it was read."""
    aws.expect("get_parameter", {"Name": PARAMETER}, {"Parameter": {"Value": "old"}})
    aws.expect("delete_parameter", {"Name": PARAMETER}, {})
    aws.expect("put_parameter", put("mine", over=False), {"Version": 1})
    assert desk.begin(said.OFFERING, "mine", before="old")
    aws.expect("get_parameter", {"Name": PARAMETER}, {"Parameter": {"Value": "another's"}})
    assert not desk.begin(said.OFFERING, "mine", before="old")


def test_how_a_purchase_ended(aws: Aws, desk: Reservations) -> None:
    """Written over, or forgotten when AWS refused."""
    aws.expect("put_parameter", put("bought", over=True), {"Version": 2})
    desk.settle(said.OFFERING, "bought")
    aws.expect("delete_parameter", {"Name": PARAMETER}, {})
    desk.settle(said.OFFERING, None)


def tagged(offering: str) -> list[dict[str, Any]]:
    tags = [*TAGS, {"Key": "llm-fleet:offering", "Value": offering}]
    return [{"ResourceType": "capacity-reservation", "Tags": tags}]


def put(text: str, *, over: bool) -> dict[str, Any]:
    return {"Name": PARAMETER, "Value": text, "Type": "String", "Overwrite": over}
