"""What an AWS account says of itself, before anything is made in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.config.environment import Purchase


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit of EC2 on vCPUs that run at the same time, in one region."""

    code: str
    name: str


_QUOTAS = {
    ("g", Purchase.ON_DEMAND): Quota("L-DB2E81BA", "Running On-Demand G and VT instances"),
    ("p", Purchase.ON_DEMAND): Quota("L-417A185B", "Running On-Demand P instances"),
    ("g", Purchase.SPOT): Quota("L-3819A6DF", "All G and VT Spot Instance Requests"),
}


def quota_of(instance_type: str, purchase: Purchase) -> Quota | None:
    """The quota that *instance_type* counts against; None when we don't know its code."""
    return _QUOTAS.get((instance_type[:1], purchase))


@dataclass(frozen=True, slots=True)
class MachineImage:
    """A machine image. ``text`` is its name and description, which may tell the driver."""

    text: str
    state: str  # available, deregistered, ...


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in ACM."""

    status: str  # ISSUED, PENDING_VALIDATION, EXPIRED, ...
    domain: str


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """``None`` is unknown; ``errors`` then says why, under the field's name.

    Attributes:
        identity: ARN of who asks.
        quota_vcpus: the quota of the fleet's instance type.
        zones: zones of the region.
        offered: zones of the region that offer the fleet's instance type.
        lambda_concurrency: executions at once in the whole account.
        certificate: the load balancer's, None also when none is set.
        hub_token: whether the secret has a value; None also before `pulumi up` made it.
        image: the pinned machine image; None also when the region has none of that id.
        s3: S3 answers.
        ecr: ECR answers.
    """

    identity: str | None = None
    quota_vcpus: float | None = None
    zones: tuple[str, ...] | None = None
    offered: tuple[str, ...] | None = None
    lambda_concurrency: int | None = None
    certificate: Certificate | None = None
    hub_token: bool | None = None
    image: MachineImage | None = None
    s3: bool | None = None
    ecr: bool | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
