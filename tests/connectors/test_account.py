"""Asking an account, against AWS's own service models (Stubber): moto has few of these calls."""

from __future__ import annotations

import functools
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from provision.config.environment import AwsSettings, FleetSettings, LoadBalancerSettings
from provision.connectors.account import look
from provision.connectors.aws_client import AwsClients
from provision.facts.account import AccountFacts, Certificate, MachineImage
from provision.testing import samples

AMI = "ami-0123456789abcdef0"
ARN = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
ENVIRONMENT = samples.environment(
    fleet=FleetSettings(instance_type="g5.xlarge", hosts=2, ami=AMI),
    load_balancer=LoadBalancerSettings(certificate_arn=ARN),
    aws=AwsSettings(endpoint_url="http://127.0.0.1:9"),  # nobody's credentials are read
)
OFFERS = {"LocationType": "availability-zone", "InstanceType": "g5.xlarge"}
SECRET = "llm-fleet/test/hub-token"

# service, operation, what is sent, what comes back
CALLS: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
    ("sts", "get_caller_identity", {}, {"Arn": "arn:aws:iam::123456789012:user/fleet"}),
    (
        "service-quotas",
        "get_service_quota",
        {"ServiceCode": "ec2", "QuotaCode": "L-DB2E81BA"},
        {"Quota": {"Value": 64.0}},
    ),
    (
        "ec2",
        "describe_availability_zones",
        {},
        {
            "AvailabilityZones": [
                {"ZoneName": "us-east-1b", "State": "available"},
                {"ZoneName": "us-east-1a", "State": "available"},
                {"ZoneName": "us-east-1e", "State": "impaired"},
            ]
        },
    ),
    (
        "ec2",
        "describe_instance_type_offerings",
        {
            "LocationType": "availability-zone",
            "Filters": [{"Name": "instance-type", "Values": ["g5.xlarge"]}],
        },
        {
            "InstanceTypeOfferings": [
                {**OFFERS, "Location": "us-east-1b"},
                {**OFFERS, "Location": "us-east-1a"},
            ]
        },
    ),
    ("lambda", "get_account_settings", {}, {"AccountLimit": {"ConcurrentExecutions": 10}}),
    (
        "acm",
        "describe_certificate",
        {"CertificateArn": ARN},
        {"Certificate": {"Status": "ISSUED", "DomainName": "llm.example.com"}},
    ),
    (
        "secretsmanager",
        "describe_secret",
        {"SecretId": SECRET},
        {"Name": SECRET, "VersionIdsToStages": {"v" * 32: ["AWSCURRENT"]}},
    ),
    (
        "ec2",
        "describe_images",
        {"ImageIds": [AMI]},
        {"Images": [{"Name": "Base", "Description": "driver 595.91", "State": "available"}]},
    ),
    ("s3", "list_buckets", {}, {"Buckets": []}),
    (
        "ecr",
        "get_authorization_token",
        {},
        {"authorizationData": [{"expiresAt": datetime(2026, 11, 21, tzinfo=UTC)}]},
    ),
)
ALL = AccountFacts(
    identity="arn:aws:iam::123456789012:user/fleet",
    quota_vcpus=64.0,
    zones=("us-east-1a", "us-east-1b"),
    offered=("us-east-1a", "us-east-1b"),
    lambda_concurrency=10,
    certificate=Certificate("ISSUED", "llm.example.com"),
    hub_token=True,
    image=MachineImage("Base driver 595.91", "available"),
    s3=True,
    ecr=True,
)


class _Chooser:
    """Looks like one client, and hands each operation to its own."""

    def __init__(self, clients: dict[str, Any]) -> None:
        self._clients = clients

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._clients[operation], operation)

    def get_paginator(self, operation: str) -> Any:
        return self._clients[operation].get_paginator(operation)


class Account(AwsClients):
    """Real boto3 clients whose answers are set beforehand.

    Each operation has a client of its own: the questions come side by side, in no order.
    """

    def __init__(self) -> None:
        super().__init__(ENVIRONMENT)
        self._own = {operation: self._make(service) for service, operation, _, _ in CALLS}

    def client(self, service: str) -> Any:
        return _Chooser({op: self._own[op] for s, op, _, _ in CALLS if s == service})

    def look(self, **errors: str) -> AccountFacts:
        """Every question once, those of *errors* refused with that code."""
        with ExitStack() as stubs:
            for _, operation, sent, answer in CALLS:
                stubber = stubs.enter_context(Stubber(self._own[operation]))
                if code := errors.get(operation):
                    stubber.add_client_error(operation, code, "no", expected_params=sent)
                else:
                    stubber.add_response(operation, answer, sent)
            return look(ENVIRONMENT, aws=self)


_account = functools.cache(Account)  # a client takes a tenth of a second


@pytest.fixture
def account() -> Account:
    return _account()


def test_everything_is_asked_for(account: Account) -> None:
    """Each call has the parameters that AWS's model wants, each answer its place."""
    assert account.look() == ALL


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ("get_caller_identity", "identity"),
        ("get_service_quota", "quota_vcpus"),
        ("describe_availability_zones", "zones"),
        ("describe_instance_type_offerings", "offered"),
        ("get_account_settings", "lambda_concurrency"),
        ("describe_certificate", "certificate"),
        ("describe_secret", "hub_token"),
        ("describe_images", "image"),
        ("list_buckets", "s3"),
        ("get_authorization_token", "ecr"),
    ],
)
def test_a_refused_question_stays_unknown(account: Account, operation: str, field: str) -> None:
    """The others are answered all the same, and the reason is kept."""
    facts = account.look(**{operation: "AccessDenied"})

    assert getattr(facts, field) is None
    assert set(facts.errors) == {field}
    assert "AccessDenied" in facts.errors[field]


@pytest.mark.parametrize(
    ("operation", "error", "field"),
    [
        ("describe_secret", "ResourceNotFoundException", "hub_token"),
        ("describe_images", "InvalidAMIID.NotFound", "image"),
    ],
)
def test_what_is_not_there_is_no_error(
    account: Account, operation: str, error: str, field: str
) -> None:
    """A secret before `pulumi up`, an image that was withdrawn."""
    facts = account.look(**{operation: error})

    assert getattr(facts, field) is None
    assert facts.errors == {}
