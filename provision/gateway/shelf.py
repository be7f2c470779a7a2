"""Kept answers in DynamoDB, which deletes them some time after they expired."""

from __future__ import annotations

import gzip
import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from provision.gateway.errors import StoreUnreachable
from provision.gateway.stale import Kept

PK, EXPIRES = "pk", "expires"
MOST_BYTES = 350_000  # DynamoDB's items end at 400 KB
_CLOCK_S = 1


class Shelf:
    """A :class:`provision.gateway.stale.Store` in one table."""

    def __init__(self, dynamodb: Any, table: str, max_age_s: int) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._max_age_s = max_age_s

    def get(self, key: str) -> Kept | None:
        """The answer, as long as it is there; how old is too old is the caller's to say."""
        try:
            item = self._dynamodb.get_item(TableName=self._table, Key={PK: {"S": key}}).get("Item")
        except (BotoCoreError, ClientError) as error:
            raise StoreUnreachable(f"can't read {self._table}: {error}") from None
        if item is None:
            return None
        return Kept(float(item["at"]["N"]), json.loads(gzip.decompress(item["answer"]["B"])))

    def put(self, key: str, kept: Kept) -> None:
        """Keep it until it is too old."""
        body = gzip.compress(json.dumps(kept.answer).encode(), mtime=0)
        if len(body) > MOST_BYTES:
            return
        item = {
            PK: {"S": key},
            "at": {"N": str(round(kept.at, 3))},
            EXPIRES: {"N": str(int(kept.at + self._max_age_s) + _CLOCK_S)},
            "answer": {"B": body},
        }
        try:
            self._dynamodb.put_item(TableName=self._table, Item=item)
        except (BotoCoreError, ClientError) as error:
            raise StoreUnreachable(f"can't write {self._table}: {error}") from None
