"""Which failed attempts may be on a bill."""

from __future__ import annotations

import httpx
import pytest

from provision.gateway.failure import may_bill


class Wrapped(Exception):
    """What LiteLLM makes of it."""

    def __init__(self, cause: Exception | None, status_code: int | None) -> None:
        super().__init__("wrapped")
        self.__cause__ = cause
        self.status_code = status_code


@pytest.mark.parametrize(
    ("cause", "status", "billed"),
    [
        (httpx.ConnectError("refused"), 500, False),
        (httpx.ConnectTimeout("no way"), 408, False),
        (ConnectionRefusedError(), 500, False),
        (httpx.ReadTimeout("silence"), 408, True),
        (httpx.ReadError("broke off"), 500, True),
        (httpx.RemoteProtocolError("broke off"), 500, True),
        (TimeoutError(), 408, True),
        (None, 500, False),
        (None, 429, False),
        (None, 401, False),
        (None, None, True),
    ],
)
def test_silence_may_cost_and_a_no_does_not(
    cause: Exception | None, status: int | None, billed: bool
) -> None:
    """By what is below LiteLLM's exception; what nobody understands may cost."""
    assert may_bill(Wrapped(Wrapped(cause, None), status)) is billed


def test_a_circle_of_causes_ends() -> None:
    """Exceptions can refer to each other."""
    one, other = Wrapped(None, 500), Wrapped(None, None)
    one.__cause__, other.__cause__ = other, one
    assert may_bill(one) is False
