"""Every moment at which a task can be killed, and the world that it would leave behind.

A process acts on the world through its doors alone. So the world at a moment of an undisturbed run
is what is left when it is killed there: one run gives all deaths. (That a real ``kill -9`` leaves
the same is proven in test_real_kill.py.)
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any

from tests.paper.desk import Desk, Said
from tests.paper.doors import Moment, Room
from tests.paper.world import World

EXPIRED_S = 61.0
SETTLED_S = 20.0  # a target that came back is healthy by then


@dataclass(frozen=True)
class Death:
    """A process that was killed at a moment."""

    number: int
    moment: str
    process: str
    _left: bytes = field(repr=False)

    def world(self) -> World:
        """What it left: a new copy, in which it is dead."""
        world: World = pickle.loads(self._left)
        world.dies(self.process)
        return world

    def __str__(self) -> str:
        return f"killed at {self.number}, {self.moment}"


def deaths(world: World, task: str, *, desk: str = "laptop", **flags: Any) -> list[Death]:
    """All moments of *task*, typed in *world*, after which something is different outside."""
    room = Room(world)
    typist = Desk(room, machine=desk)
    process = typist.process()
    found: list[Death] = []

    def watch(moment: Moment) -> None:
        if moment.when != "before":  # what is before a change is after the one before it
            left = pickle.dumps(room.world, pickle.HIGHEST_PROTOCOL)
            found.append(Death(len(found), str(moment), process.id, left))

    process.watch = watch
    typist.fab(task, process=process, **flags)
    return found


def comes_back(world: World, task: str, **flags: Any) -> Said:
    """The same person on the same machine types at once; then time passes."""
    return _types(Desk(Room(world)), task, **flags)


def takes_over(world: World, task: str, **flags: Any) -> Said:
    """Another person types when the lock has run out; then time passes."""
    world.time.run(EXPIRED_S)
    return _types(Desk(Room(world), person="bob", machine="desk"), task, **flags)


def _types(desk: Desk, task: str, **flags: Any) -> Said:
    said = desk.fab(task, **flags)
    desk.room.world.time.run(SETTLED_S)
    return said
