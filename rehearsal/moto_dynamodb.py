"""moto's DynamoDB, one call at a time: the real one's reads and writes of an item are atomic.

moto's server answers each request in a thread of its own, and two updates of one item at the same
moment lose one, or copy an item that the other is changing.
"""

from __future__ import annotations

import threading
from typing import Any

from moto.dynamodb.responses import DynamoHandler

_ONE_AT_A_TIME = threading.Lock()
_MARK = "one_at_a_time"


def make_atomic() -> None:
    """Put a lock around every call, once."""
    answer = DynamoHandler.call_action
    if hasattr(answer, _MARK):
        return

    def locked(handler: Any) -> Any:
        with _ONE_AT_A_TIME:
            return answer(handler)

    setattr(locked, _MARK, True)
    setattr(DynamoHandler, "call_action", locked)  # noqa: B010  # mypy: a method can't be assigned
