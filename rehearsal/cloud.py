"""The cloud of a rehearsal, in a process of its own: it stays when the command that made it ends.

    python -m rehearsal.cloud ROOM.json

AWS API (moto), load balancer, instance metadata, registry, model hub, package repository, the
follower that turns instances into hosts, and for an outage the way out. Ends on SIGTERM, and takes
its hosts with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from rehearsal import aptrepo, hub, imds, moto_server, registry
from rehearsal.alb import LoadBalancer
from rehearsal.alb_follow import AlbFollower
from rehearsal.alb_health import Board
from rehearsal.ec2 import Follower, client
from rehearsal.host import Machine
from rehearsal.http_server import Server
from rehearsal.network import METADATA_ADDRESS
from rehearsal.settings import (
    ACCOUNT,
    API_PORT,
    HUB_PORT,
    PACKAGES_PORT,
    WEBHOOK_PORT,
    Settings,
    forget_aws_settings,
)
from rehearsal.volumes import VolumeStore
from rehearsal.way_out import WayOut

READY = "cloud.ready"


def main(room: Path) -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings.load(room)
    forget_aws_settings()
    asyncio.run(_live(settings))


async def _live(settings: Settings) -> None:
    network, loop, ended = settings.network, asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    board = Board()
    volumes = VolumeStore(settings.state / "volumes")
    moto = moto_server.serve(network.machine, API_PORT, board, volumes.snapshot)
    machine = Machine(settings.state, network, settings.binds)
    follower = Follower(settings, machine, volumes, _say)
    servers = _servers(settings, follower)
    images = registry.start(settings)
    balancer = LoadBalancer(network.load_balancer, board)
    rules = AlbFollower(settings, balancer, loop, follower.address_of, _say)
    follower.start()
    rules.start()
    way_out = WayOut(settings, board, _say) if settings.outage else None
    if way_out is not None:
        way_out.start()
    (settings.state / READY).write_text(f"{os.getpid()}\n")
    _say("ready")
    await ended.wait()
    (settings.state / READY).unlink(missing_ok=True)
    if way_out is not None:
        await asyncio.to_thread(way_out.stop)
    await asyncio.to_thread(rules.stop)
    await balancer.close()
    await asyncio.to_thread(follower.stop)
    for server in servers:
        server.stop()
    images.end(grace_s=5)
    moto.stop()
    _say("ended")


def _servers(settings: Settings, follower: Follower) -> list[Server]:
    network = settings.network
    metadata = imds.handler(
        follower.by_address,
        follower.user_data,
        follower.notices.item,
        region=settings.region,
        account=ACCOUNT,
    )
    events = registry.handler(client("ecr", settings), network.registry, _say)
    packages = aptrepo.handler(settings.state / "packages")
    return [
        Server(METADATA_ADDRESS, 80, metadata, ttl=1).start(),
        Server(network.machine, HUB_PORT, hub.handler(settings.hub, settings.gated)).start(),
        Server(network.machine, PACKAGES_PORT, packages).start(),
        Server(network.machine, WEBHOOK_PORT, events).start(),
    ]


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
