"""What a load balancer writes itself: headers for targets, and answers without a target."""

from __future__ import annotations

import asyncio
import secrets
import time

from rehearsal.alb_rules import Fixed
from rehearsal.http1 import HOP_BY_HOP, Head, request_body

REASONS = {
    400: "Bad Request",
    404: "Not Found",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


class Refusal(Exception):
    """The request can't be served: the load balancer answers with this status itself."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status

    def page(self) -> Fixed:
        """What the client reads."""
        title = f"{self.status} {REASONS[self.status]}"
        return Fixed(
            self.status, f"<html><head><title>{title}</title></head></html>\r\n", "text/html"
        )


def onward(head: Head, client: str, port: int) -> Head:
    """The request as a target gets it: who asked, how, and a trace id."""
    before = head.get("x-forwarded-for")
    trace = head.get("x-amzn-trace-id") or f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    mine = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-trace-id")
    return head.without(*HOP_BY_HOP, *mine, "expect").adding(
        ("X-Forwarded-For", f"{before}, {client}" if before else client),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Port", str(port)),
        ("X-Amzn-Trace-Id", trace),
    )


async def discard(head: Head, reader: asyncio.StreamReader) -> None:
    """Read a request's body and forget it."""
    async for _ in request_body(head, reader):
        pass


def write_fixed(
    writer: asyncio.StreamWriter, request: Head, fixed: Fixed, *, close: bool = False
) -> None:
    """Answer without a target."""
    body = fixed.body.encode()
    ends = close or request.wants_close()
    head = Head(
        ("HTTP/1.1", str(fixed.status), REASONS.get(fixed.status, "OK")),
        (
            ("Server", "awselb/2.0"),
            ("Content-Type", fixed.kind),
            ("Content-Length", str(len(body))),
            ("Connection", "close" if ends else "keep-alive"),
        ),
    )
    writer.write(head.encode() + (b"" if request.first[0] == "HEAD" else body))
