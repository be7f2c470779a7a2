"""moto's DynamoDB in the rehearsal: as atomic as the real one."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from moto.server import ThreadedMotoServer

from provision.gateway import counter
from provision.gateway.counter import Priority
from provision.gateway.settings import Caps
from provision.gateway.table import Table, client
from rehearsal.moto_dynamodb import make_atomic
from tests.gateway.test_counter import HOLD_S, NOW, make_table

AT_ONCE, REQUESTS = 8, 160


def test_writers_at_the_same_moment_lose_nothing() -> None:
    """Eight of them reserve and settle, and the counter has every micro-dollar."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    make_atomic()
    make_atomic()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        dynamodb = client("dynamodb", "eu-north-1", f"http://{host}:{port}")
        make_table(dynamodb)
        table = Table(dynamodb, Caps("spend", 10**9, None, False, 0), HOLD_S, lambda *_: None)

        def once(micro: int) -> None:
            hold = table.reserve(1000, Priority.HIGH, NOW)
            assert hold is not None
            table.settle(hold, micro, NOW)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(once, range(REQUESTS)))
        total = sum(range(REQUESTS))
        assert table.spend("2026-11-21") == counter.Spend(
            "2026-11-21",
            spent_day=total,
            committed_day=total,
            spent_month=total,
            committed_month=total,
        )
    finally:
        server.stop()
