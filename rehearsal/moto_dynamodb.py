"""moto's DynamoDB, one write at a time: the real one's writes of an item are atomic.

moto's server answers each request in a thread, and two updates of one item at once lose one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.dynamodb.models import DynamoDBBackend

_WRITES = ("put_item", "update_item", "delete_item", "transact_write_items")
_ONE_AT_A_TIME = threading.RLock()
_MARK = "one_at_a_time"


def make_atomic() -> None:
    """Put a lock around every write, once."""
    for name in _WRITES:
        write = getattr(DynamoDBBackend, name)
        if not hasattr(write, _MARK):
            setattr(DynamoDBBackend, name, _locked(write))


def _locked(write: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(write)
    def locked(*arguments: Any, **named: Any) -> Any:
        with _ONE_AT_A_TIME:
            return write(*arguments, **named)

    setattr(locked, _MARK, True)
    return locked
