"""Process 1 of a rehearsal host: builds the root, starts services, reaps, answers systemctl.

    python -m rehearsal.host_init SPECIFICATION.json READY_FD

Writes "ready" to READY_FD when the enabled services are up, or else what went wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from dataclasses import asdict
from pathlib import Path

from rehearsal import host_files, host_root
from rehearsal.manager import Manager, Reply
from rehearsal.nursery import Nursery
from rehearsal.services import RUN

DOOR = RUN / "init.sock"


def main(specification: Path, ready: int) -> None:
    """Never returns while the host lives."""
    os.set_inheritable(ready, False)
    said = json.loads(specification.read_text())
    who = host_files.Identity(**{**said["who"], "names": _pairs(said["who"]["names"])})
    try:
        root = host_root.build(
            specification.parent,
            hide=Path(said["hide"]),
            binds=tuple(Path(path) for path in said["binds"]),
        )
        host_files.write(root, who)
        host_root.enter(root)
        socket.sethostname(who.name)
    except Exception as error:
        os.write(ready, f"{type(error).__name__}: {error}".encode())
        raise
    asyncio.run(_live(ready))


async def _live(ready: int) -> None:
    nursery = Nursery()
    manager = Manager(nursery)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, nursery.reap)
    await asyncio.start_unix_server(lambda r, w: _serve(manager, r, w), path=str(DOOR))
    await manager.boot(only=("ssh.service", "docker.service"))
    os.write(ready, b"ready")
    os.close(ready)
    await manager.boot()
    await asyncio.Event().wait()


async def _serve(
    manager: Manager, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        argv = json.loads(await reader.readline())
        reply = await manager.answer(argv)
    except Exception as error:
        reply = Reply(1, stderr=f"rehearsal init: {type(error).__name__}: {error}\n")
    writer.write(json.dumps(asdict(reply)).encode() + b"\n")
    await writer.drain()
    writer.close()


def _pairs(names: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, address) for name, address in names)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
