"""Disturbed at every moment: a fault befalls the fleet, or the one who works is held up.

Whatever the task makes of it, no request is lost through it, somebody serves, and in the end one
release runs everywhere: at once, or after ``--resume`` or ``--abort``.

Two hosts and five disturbances by default; under soak three hosts, restarts too, and all the other
disturbances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from provision.errors import CloudError
from tests.paper import stage
from tests.paper.deaths import EXPIRED_S
from tests.paper.desk import Desk, Said
from tests.paper.doors import Process, Room
from tests.paper.stage import OLD, troubles, wrongs
from tests.paper.world import World

BAKE = "5"
SETTLED_S = 400.0  # a lease ends within 330 s
Disturb = Callable[[World, Process], None]


@dataclass
class Once:
    """A gate at which something happens before the call of that number."""

    number: int
    disturb: Disturb
    process: Process | None = None
    passed: int = 0
    where: str = ""

    def __call__(self, what: str) -> None:
        self.passed += 1
        if self.passed == self.number and self.process is not None:
            self.where = what
            self.disturb(self.process.world, self.process)


def disturbed(task: str, hosts: int, number: int, disturb: Disturb) -> tuple[World, Once, Said]:
    """The task, with a disturbance before its call of that number."""
    room = Room(stage.fleet(hosts))
    desk = Desk(room)
    once = Once(number, disturb)
    once.process = desk.process(gate=once)
    return room.world, once, desk.fab(task, process=once.process, bake=BAKE)


def every_moment(task: str, disturb: Disturb, *, hosts: int = 2) -> list[str]:
    """What is wrong in the end, wherever it was disturbed."""
    wrong: list[str] = []
    number = 0
    while True:
        number += 1
        world, once, said = disturbed(task, hosts, number, disturb)
        if not once.where:
            assert number > 20 * hosts
            return wrong
        found = wrongs(world) + ends(world, hosts)
        wrong += [f"{number}, {once.where} (exit {said.code}): {one}" for one in found]


def ends(world: World, hosts: int) -> list[str]:
    """What is wrong when faults are over and somebody has settled what is left."""
    world.cure()
    world.time.run(SETTLED_S)
    for how in ("resume", "abort"):
        desk = Desk(Room(world), person="bob", machine="desk")
        said = desk.fab("deploy", resume=how == "resume", abort=how == "abort")
        world.time.run(60.0)
        if said.code == 0:
            return troubles(world, {OLD, stage.new(hosts)})
    return [f"exit {said.code}: {said.text.strip().splitlines()[-1]}"]


def s3_is_away(seconds: float) -> Disturb:
    """S3 answers nobody for a while."""

    def disturb(world: World, _: Process) -> None:
        world.s3_goes()
        world.time.after(seconds, world.s3_comes_back)

    return disturb


def sleeps(seconds: float) -> Disturb:
    """The lid is closed; nobody else comes."""

    def disturb(world: World, process: Process) -> None:
        if not process.looks_first:
            return
        world.silence(process.id)
        world.asleep.add(process.id)
        world.time.run(seconds)
        world.asleep.discard(process.id)

    return disturb


def crash(name: str) -> Disturb:
    """An engine dies; Docker starts it again."""

    def disturb(world: World, _: Process) -> None:
        world.befalls(name).engine_crashes()

    return disturb


def power(name: str) -> Disturb:
    """A host loses its power, for a minute."""

    def disturb(world: World, _: Process) -> None:
        host = world.befalls(name)
        host.power_off()
        world.time.after(60.0, host.power_on)

    return disturb


def terminated(name: str) -> Disturb:
    """A host is gone for good."""

    def disturb(world: World, _: Process) -> None:
        world.is_terminated(name)

    return disturb


def line_cut(name: str) -> Disturb:
    """SSH is away for two minutes."""

    def disturb(world: World, _: Process) -> None:
        host = world.befalls(name)
        host.ssh = False
        world.time.after(120.0, setattr, host, "ssh", True)

    return disturb


def denied(world: World, _: Process) -> None:
    """The operator may not move targets any more."""
    error = CloudError("elbv2:deregister_targets on i-1 failed: AccessDenied: no", hint="a right")
    for call in ("register", "deregister"):
        world.account.failures[call] = error
    world.time.after(30.0, world.account.failures.clear)


def another_tries(world: World, _: Process) -> None:
    """Refused: the first one lives."""
    said = Desk(Room(world), person="bob", machine="desk").fab("deploy", bake=BAKE)
    assert said.code in (0, 3), said.text  # 0: the first one has not taken the lock yet


def another_takes_over(how: str) -> Disturb:
    """The lid is closed for long enough, and another one settles it."""

    def disturb(world: World, process: Process) -> None:
        if not process.looks_first:
            return
        world.silence(process.id)
        world.asleep.add(process.id)
        world.time.run(EXPIRED_S)
        desk = Desk(Room(world), person="bob", machine="desk")
        desk.fab("deploy", resume=how == "resume", abort=how == "abort")
        world.asleep.discard(process.id)

    return disturb


MOST = [
    pytest.param(s3_is_away(200.0), id="S3 is away"),
    pytest.param(sleeps(400.0), id="asleep for longer than the lease"),
    pytest.param(crash("i-1"), id="the first engine dies"),
    pytest.param(line_cut("i-2"), id="the line to the second is cut"),
    pytest.param(denied, id="denied"),
]


@pytest.mark.parametrize("disturb", MOST)
def test_at_every_moment(disturb: Disturb) -> None:
    """Of a deploy to two hosts."""
    assert every_moment("deploy", disturb) == []


@pytest.mark.soak
@pytest.mark.parametrize("task", ["restart", "deploy"])
@pytest.mark.parametrize(
    "disturb",
    [
        *MOST,
        pytest.param(s3_is_away(30.0), id="S3 hesitates"),
        pytest.param(s3_is_away(400.0), id="S3 is away for too long"),
        pytest.param(sleeps(100.0), id="asleep for longer than the lock"),
        pytest.param(crash("i-2"), id="the second engine dies"),
        pytest.param(crash("i-3"), id="the third engine dies"),
        pytest.param(power("i-1"), id="the first host loses power"),
        pytest.param(power("i-3"), id="the third host loses power"),
        pytest.param(terminated("i-1"), id="the first host ends"),
        pytest.param(terminated("i-3"), id="the third host ends"),
        pytest.param(line_cut("i-1"), id="the line to the first is cut"),
        pytest.param(line_cut("i-3"), id="the line to the third is cut"),
        pytest.param(another_tries, id="another tries"),
        pytest.param(another_takes_over("resume"), id="another goes on"),
        pytest.param(another_takes_over("abort"), id="another takes it back"),
    ],
)
def test_at_every_moment_in_long(task: str, disturb: Disturb) -> None:
    """Of everything that may happen, to three hosts."""
    assert every_moment(task, disturb, hosts=3) == []
