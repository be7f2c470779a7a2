"""What a rehearsed `pulumi up` made, kept in moto itself: it lives and dies with the account."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from provision.errors import Refused
from rehearsal.aws_resources.account import Account, Made
from rehearsal.pulumi_engine import Declared

BUCKET = "llm-fleet-rehearsal-state"


class State:
    """Resources of one stack by type and name, in an object of a bucket, as Pulumi can do it."""

    def __init__(self, account: Account, stack: str) -> None:
        self._s3 = account.client("s3")
        self._region = account.region
        self._key = f"{stack}.json"
        self._resources = self._load()

    def known(self, declared: Declared) -> Made | None:
        """What an earlier run made. A resource that changed is refused: rehearsals begin anew."""
        found = self._resources.get(declared.key)
        if found is None:
            return None
        if found["inputs"] != _digest(declared):
            raise Refused(
                f"{declared.type} {declared.name} is not what this rehearsal made before",
                hint="`fab rehearse --down`, then rehearse again",
            )
        return Made(found["id"], found["properties"])

    def keep(self, declared: Declared, made: Made) -> None:
        """Remember what was made."""
        self._resources[declared.key] = {
            "inputs": _digest(declared),
            "id": made.id,
            "properties": dict(made.properties),
        }

    def save(self) -> None:
        """Write all that is remembered."""
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        if not self._bucket_exists():
            default = self._region == "us-east-1"
            self._s3.create_bucket(Bucket=BUCKET, **({} if default else elsewhere))
        self._s3.put_object(
            Bucket=BUCKET, Key=self._key, Body=json.dumps(self._resources, sort_keys=True).encode()
        )

    def _load(self) -> dict[str, Any]:
        try:
            found = self._s3.get_object(Bucket=BUCKET, Key=self._key)
        except ClientError:
            return {}
        return dict(json.loads(found["Body"].read()))

    def _bucket_exists(self) -> bool:
        return any(b["Name"] == BUCKET for b in self._s3.list_buckets()["Buckets"])


def _digest(declared: Declared) -> str:
    """Of all inputs but those whose changes the program ignores."""
    inputs: Mapping[str, Any] = {
        key: value for key, value in declared.inputs.items() if key not in declared.ignore_changes
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
