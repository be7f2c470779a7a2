"""One worker: LiteLLM, the door before it, and the books, in one process and one event loop.

The supervisor hands down the socket to listen on, a pipe to talk through, and on standard input
what nobody else may see: the hop secret and the providers' keys.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import uvicorn

from provision.gateway import engine
from provision.gateway.app import Door
from provision.gateway.books import Books, cap_reached
from provision.gateway.cupboard import Cupboard
from provision.gateway.events import Events
from provision.gateway.ledger import Ledger
from provision.gateway.meter import Meter
from provision.gateway.priorities import Priorities
from provision.gateway.settings import Settings
from provision.gateway.shelf import Shelf
from provision.gateway.spender import Spender
from provision.gateway.table import Table, client
from provision.gateway.talk import HOLD_MARGIN_S, KEYS_FILE, READY, REPLACE, Brief

KEEPALIVE_S = 75  # longer than the front keeps an idle connection
LOOK_S = 2.0
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def run(settings: Settings, brief: Brief, listener: socket.socket, talk: TextIO) -> None:
    """Serve until SIGTERM, then until the last answer is out."""
    # uvicorn takes SIGTERM while it serves, and repeats it afterwards; the books are open still.
    signal.signal(signal.SIGTERM, lambda *_: None)
    asyncio.run(_serve(settings, brief, listener, talk))


async def _serve(settings: Settings, brief: Brief, listener: socket.socket, talk: TextIO) -> None:
    books, door = _assemble(settings, brief)
    server = uvicorn.Server(
        uvicorn.Config(
            door,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEPALIVE_S,
            timeout_graceful_shutdown=int(settings.answer_s),
        )
    )
    tasks = [
        asyncio.create_task(books.keep()),
        asyncio.create_task(_tell(server, door, settings, talk)),
    ]
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in tasks:
            task.cancel()
        await books.finish(HOLD_MARGIN_S / 4)


def _assemble(settings: Settings, brief: Brief) -> tuple[Books, Door]:
    events = Events(settings.environment, time.time)
    ledger = Ledger({provider.name: provider.price for provider in settings.providers})
    dynamodb = client("dynamodb", settings.region, settings.aws_endpoint_url)
    hold_s = settings.answer_s + HOLD_MARGIN_S
    table = Table(dynamodb, settings.caps, hold_s, partial(cap_reached, events))
    spender = Spender(table, settings.caps, time.time)
    books = Books(settings, ledger=ledger, spender=spender, events=events, now=time.time)
    run_folder = Path(settings.run)
    inner = engine.load(
        settings, hop=brief.hop, keys=brief.keys, meter=Meter(ledger, events), folder=run_folder
    )
    return books, Door(
        settings,
        hop=brief.hop,
        inner=inner,
        books=books,
        cupboard=_cupboard(settings, dynamodb),
        priorities=Priorities(run_folder / KEYS_FILE),
        now=time.time,
        missing_keys=brief.missing,
    )


def _cupboard(settings: Settings, dynamodb: Any) -> Cupboard:
    kept = settings.stale
    if kept is None:
        return Cupboard(None, 0, time.time)
    return Cupboard(Shelf(dynamodb, kept.table, kept.max_age_s), kept.max_age_s, time.time)


async def _tell(server: uvicorn.Server, door: Door, settings: Settings, talk: TextIO) -> None:
    """Tell the supervisor when this worker serves, and when it has served enough."""
    while not server.started:
        await asyncio.sleep(0.05)
    print(READY, file=talk, flush=True)
    while True:
        await asyncio.sleep(LOOK_S)
        reason = worn_out(door.requests, rss_mib(), settings)
        if reason:
            print(f"{REPLACE} {reason}", file=talk, flush=True)
            return


def worn_out(requests: int, mib: int, settings: Settings) -> str:
    """Why another worker is to take over; "" while there is no reason. LiteLLM's memory grows."""
    if requests >= settings.max_requests:
        return f"{requests} requests"
    if mib >= settings.max_rss_mib:
        return f"{mib} MiB of memory"
    return ""


def rss_mib() -> int:
    """The memory that this process has."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * _PAGE_KIB // 1024
