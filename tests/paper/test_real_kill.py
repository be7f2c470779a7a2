"""``kill -9`` of real processes, over HTTP: after each entry, between each effect and its entry."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from provision.connectors.aws import AwsCloud
from provision.executor.lock_store import LockStore
from tests.connectors import bucket_server
from tests.connectors.bucket_server import BucketServer
from tests.paper import child, stage
from tests.paper.child import NEVER, Kill
from tests.paper.doors import Room
from tests.paper.server import serving
from tests.paper.stage import OLD, troubles
from tests.paper.world import World

ON_THE_LOCK: tuple[Kill, ...] = tuple((0, what) for what in ("took", "taken", "closing", "closed"))
PHASES = ("begun", "done", "ended")
_LONGEST_S = 120.0
_FORKS = multiprocessing.get_context("forkserver")


@dataclass
class Theatre:
    """A world behind HTTP, and the S3 double with the lock."""

    room: Room
    address: tuple[str, int]
    s3: BucketServer

    def new(self) -> World:
        """A fleet that serves the new release, after the old one; nobody ever held the lock."""
        self.s3.fill()
        self.room.world = stage.fleet(runs=stage.new(), before=OLD)
        return self.room.world

    def run(self, task: str, *, kill: Kill = NEVER, **flags: Any) -> int:
        """A process from its start to its end; its exit code, or minus the signal."""
        words = (self.address, self.s3.url, task, flags, kill, self.room.world.environment)
        process = _FORKS.Process(target=child.main, args=words)
        process.start()
        process.join(_LONGEST_S)
        assert process.exitcode is not None
        for name in list(self.room.world.alive):
            self.room.world.dies(name)
        return process.exitcode


@pytest.fixture(scope="module")
def theatre() -> Iterator[Theatre]:
    _FORKS.set_forkserver_preload(["tests.paper.child"])
    room = Room(stage.fleet())
    with serving(room) as address, bucket_server.serving() as s3:
        yield Theatre(room, address, s3)


def steps(theatre: Theatre) -> int:
    """How many a rollback has that nobody disturbs; it ends well."""
    world = theatre.new()
    assert theatre.run("rollback", bake="5") == 0
    world.time.run(20.0)
    assert troubles(world, {OLD}) == []
    (run,) = LockStore(AwsCloud(theatre.s3.environment)).history(10)
    assert {entry.ended is not None for entry in run.entries} == {True}
    return len(run.entries)


def killed(theatre: Theatre, kill: Kill, how: str) -> list[str]:
    """What is wrong when one is killed there, and the next one settles it."""
    world = theatre.new()
    died = theatre.run("rollback", bake="5", kill=kill)
    if died != -signal.SIGKILL:
        return [f"{kill}: it was not killed: exit {died}"]
    code = theatre.run("deploy", resume=how == "resume", abort=how == "abort")
    world.time.run(20.0)
    over = kill == (0, "closed")  # it had said that all is done
    wanted = OLD if how == "resume" or over else stage.new()
    found = troubles(world, {wanted})
    return [f"{kill}, {how}: exit {code}: {one}" for one in found or [""] if found or code]


def everywhere(count: int) -> list[Kill]:
    """All places of a run of so many steps."""
    return [*ON_THE_LOCK, *((step, phase) for step in range(1, count + 1) for phase in PHASES)]


def test_some(theatre: Theatre) -> None:
    """Amid taking and freeing the lock, and around the start of the second host's release."""
    places = [(0, "took"), (0, "closed"), *((15, phase) for phase in PHASES)]
    ways = ("resume", "abort")
    wrong = [killed(theatre, kill, ways[at % 2]) for at, kill in enumerate(places)]
    assert [one for some in wrong for one in some] == []


@pytest.mark.lab
@pytest.mark.parametrize("how", ["resume", "abort"])
def test_everywhere(theatre: Theatre, how: str) -> None:
    """Each step of a rollback, and the lock."""
    places = everywhere(steps(theatre))
    assert len(places) > 60
    wrong = [killed(theatre, kill, how) for kill in places]
    assert [one for some in wrong for one in some] == []
