"""One question over HTTP to a port of this host, with one deadline for the whole answer.

A time-out per read would not do: an answer that comes a byte at a time would never be late.
"""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass, field
from typing import Any, List, Mapping, Optional

from provision.agent.events import Clock

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Reply:
    """An answer. ``status`` 0: none within the deadline, ``text`` says why.

    The names of ``headers`` are in small letters.
    """

    status: int
    text: str
    first_byte_s: float
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)


def exchange(
    method: str,
    port: int,
    path: str,
    *,
    headers: Mapping[str, str],
    body: Optional[Mapping[str, Any]] = None,
    deadline_s: float,
    clock: Clock,
) -> Reply:
    """Ask, and read the answer to its end; never raises for what the other side does."""
    begun = clock.monotonic()
    connection = http.client.HTTPConnection(_HOST, port, timeout=deadline_s)
    try:
        data = json.dumps(body) if body is not None else None
        connection.request(method, path, data, dict(headers))
        return _read(connection, begun, deadline_s, clock)
    except (OSError, http.client.HTTPException) as error:
        seconds = clock.monotonic() - begun
        return Reply(0, str(error) or type(error).__name__, seconds, seconds)
    finally:
        connection.close()


def _read(
    connection: http.client.HTTPConnection, begun: float, deadline_s: float, clock: Clock
) -> Reply:
    sock = connection.sock
    answer = connection.getresponse()
    parts: List[bytes] = []
    first_s = 0.0
    while True:
        left = deadline_s - (clock.monotonic() - begun)
        if left <= 0:
            raise socket.timeout("timed out")
        sock.settimeout(left)
        part = answer.read1(65536)
        if not parts:
            first_s = clock.monotonic() - begun
        if not part:
            break
        parts.append(part)
    text = b"".join(parts).decode("utf-8", "replace")
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(answer.status, text, first_s, clock.monotonic() - begun, headers)
