"""Secrets and keys, and how often hosts ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.month import Month, Pricer
from provision.planning.cost.usage import SECONDS_PER_HOUR

KEYS_EVERY_S = 20  # a host looks for changed client keys this often


def secret(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """One secret."""
    yield month.line(resource, "secret", "secret-month", 1, "secrets.secret_month")


def calls(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """What every host asks while it runs; the component stands for it."""
    asked = month.hosts * month.usage.hours * SECONDS_PER_HOUR / KEYS_EVERY_S
    item = "secrets.calls_10k"
    note = f"each host every {KEYS_EVERY_S} s"
    quantity = asked / Decimal(10_000)
    yield month.line(resource, "hosts ask for client keys", "10k calls", quantity, item, note=note)


def key(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """One key. Of its yearly rotations the first two add as much again each."""
    rotated = bool(resource.inputs.get("enableKeyRotation"))
    note = "each of the first two yearly rotations adds as much again" if rotated else ""
    yield month.line(resource, "key", "key-month", 1, "kms.key_month", note=note)


PRICED: Mapping[str, Pricer] = {
    "aws:secretsmanager/secret:Secret": secret,
    "llm-fleet:infra:SecretStore": calls,
    "aws:kms/key:Key": key,
}
