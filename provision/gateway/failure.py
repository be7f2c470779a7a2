"""Whether an attempt that failed may be on a provider's bill all the same."""

from __future__ import annotations

from collections.abc import Iterator

# By name: httpx and aiohttp have these, below whatever LiteLLM makes of them.
_NEVER_ARRIVED = frozenset(
    {
        *("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"),
        *("ClientConnectorError", "ConnectionRefusedError", "gaierror", "ConnectionTimeoutError"),
    }
)
_NEVER_ANSWERED = frozenset(
    {
        *("ReadTimeout", "WriteTimeout", "ReadError", "WriteError", "RemoteProtocolError"),
        *("ServerDisconnectedError", "ClientPayloadError", "SocketTimeoutError", "TimeoutError"),
        *("APITimeoutError", "Timeout"),
    }
)
_CAUSES_LOOKED_AT = 12


def may_bill(error: BaseException) -> bool:
    """Whether a provider may bill an attempt that ended so.

    Not when it was never reached, nor when it said no. Silence, or a connection that broke, may
    stand for an answer that was made and lost.
    """
    names = [name for cause in _causes(error) for name in _names(cause)]
    if any(name in _NEVER_ARRIVED for name in names):
        return False
    if any(name in _NEVER_ANSWERED for name in names):
        return True
    return not isinstance(getattr(error, "status_code", None), int)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_CAUSES_LOOKED_AT):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _names(cause: BaseException) -> Iterator[str]:
    return (kind.__name__ for kind in type(cause).__mro__)
