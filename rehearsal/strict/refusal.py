"""A refusal, as AWS would word it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

Params = dict[str, Any]
Look = Callable[[str], Any]  # service name -> a boto3 client, for rules that ask what is there


@dataclass(frozen=True, slots=True)
class Refusal:
    """An AWS error code and why."""

    code: str
    message: str


Rule = Callable[[Params, Look], Refusal | None]


class RefusedByAws(ClientError):
    """AWS would have answered this call with an error; moto would not."""

    def __init__(self, refusal: Refusal, operation: str) -> None:
        super().__init__({"Error": {"Code": refusal.code, "Message": refusal.message}}, operation)
        self.refusal = refusal
