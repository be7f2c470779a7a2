"""Any order of people who roll, are killed, sleep, go on, take back; and of faults."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from provision.executor import executor
from provision.planning import lock
from provision.planning.lock import LOCK
from tests.paper import stage
from tests.paper.desk import Desk, OneAfterTheOther, all_done
from tests.paper.doors import Room
from tests.paper.engine import Fate
from tests.paper.host import PaperHost
from tests.paper.stage import OLD, troubles, wrongs
from tests.paper.turns import Turn
from tests.paper.world import World

PEOPLE = ("anna", "bob")
people = st.sampled_from(PEOPLE)
tasks = st.sampled_from(["restart", "deploy", "rollback"])
_LONGEST_S = 1500.0  # until an engine that never loads is given up, and more


class Fleet(RuleBasedStateMachine):
    """Three hosts, two people with a laptop each."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(executor, "ThreadPoolExecutor", OneAfterTheOther)
        self.patch.setattr(executor, "wait", all_done)
        self.turns: dict[str, Turn] = {}
        self.epochs: dict[str, int] = {}

    @initialize(fate=st.sampled_from([Fate.FINE, Fate.FINE, Fate.DIES, Fate.SHORT_LIVED]))
    def begins_with(self, fate: Fate) -> None:
        """A fleet that serves; the release that comes may be no good."""
        self.new = stage.new(3)
        self.room = Room(stage.fleet(3, before=None))
        self.world.fates[self.new] = fate
        self.desks = {name: Desk(self.room, person=name, machine=f"{name}s") for name in PEOPLE}

    @property
    def world(self) -> World:
        return self.room.world

    def turn(self, name: str) -> Turn | None:
        """What somebody works on now."""
        turn = self.turns.get(name)
        return None if turn is None or turn.ended else turn

    def awake(self, name: str) -> Turn | None:
        turn = self.turn(name)
        return turn if turn and turn.process.id not in self.world.asleep else None

    @rule(name=people, task=tasks, most=st.sampled_from(["1", "2"]))
    def begins(self, name: str, task: str, most: str) -> None:
        """Types a task, which stops before its first write."""
        self.types(name, task, bake="5", max_unavailable=most)

    @rule(name=people, how=st.sampled_from(["resume", "abort"]))
    def settles(self, name: str, how: str) -> None:
        """Goes on with what broke off, or takes it back."""
        self.types(name, "deploy", **{how: True})

    def types(self, name: str, task: str, **flags: Any) -> None:
        if self.turn(name) is None:
            self.turns[name] = Turn(self.desks[name], task, flags)

    @rule(name=people, calls=st.integers(1, 12))
    def goes_on(self, name: str, calls: int) -> None:
        """Some calls further."""
        if turn := self.awake(name):
            turn.go(calls)

    @rule(name=people)
    def comes_to_an_end(self, name: str) -> None:
        """Without being disturbed."""
        if turn := self.awake(name):
            turn.go(float("inf"))

    @rule(name=people)
    def is_killed(self, name: str) -> None:
        """Between two calls."""
        if turn := self.turn(name):
            turn.is_killed()

    @rule(name=people, seconds=st.sampled_from([0.3, 1.5, 4.0, 15.0]))
    def is_killed_in_the_middle(self, name: str, seconds: float) -> None:
        """While it waits for something."""
        if turn := self.awake(name):
            self.world.time.after(seconds, self.world.dies, turn.process.id)
            turn.go(3)

    @rule(name=people)
    def falls_asleep(self, name: str) -> None:
        """The lid is closed: nothing is heard of it."""
        turn = self.awake(name)
        if turn and not turn.at.startswith(("register", "deregister", "suspend", "resume")):
            self.world.silence(turn.process.id)
            self.world.asleep.add(turn.process.id)

    @rule(name=people)
    def wakes(self, name: str) -> None:
        """And goes on as if nothing had been."""
        if turn := self.turn(name):
            self.world.asleep.discard(turn.process.id)

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        """For everybody."""
        self.world.time.run(seconds)

    def someone(self, number: int) -> PaperHost:
        names = sorted(self.world.hosts)
        return self.world.befalls(names[number % len(names)])

    @rule(number=st.integers(0, 2))
    def an_engine_crashes(self, number: int) -> None:
        """Docker starts it again."""
        self.someone(number).engine_crashes()

    @rule(number=st.integers(0, 2))
    def power_fails(self, number: int) -> None:
        """Or comes back: the host boots."""
        host = self.someone(number)
        if host.on:
            host.power_off()
        else:
            host.power_on()

    @rule(number=st.integers(0, 2))
    def a_host_is_terminated(self, number: int) -> None:
        """For good."""
        if len(self.world.hosts) > 2:
            self.world.is_terminated(self.someone(number).name)

    @rule(number=st.integers(0, 2))
    def a_line_is_cut(self, number: int) -> None:
        """Or mended."""
        host = self.someone(number)
        host.ssh = not host.ssh and host.on

    @rule(number=st.integers(0, 2))
    def a_disk_is_full(self, number: int) -> None:
        """Or has space again."""
        host = self.someone(number)
        host.disk_full = not host.disk_full

    @rule()
    def s3_goes_away(self) -> None:
        """Or comes back."""
        if self.world.s3_away:
            self.world.s3_comes_back()
        else:
            self.world.s3_goes()

    @invariant()
    def nothing_went_wrong(self) -> None:
        """No request is lost through people; somebody serves unless a fault took all."""
        if hasattr(self, "room"):
            assert wrongs(self.world) == []

    @invariant()
    def epochs_only_grow(self) -> None:
        """On each host, and none is newer than the lock's."""
        if not hasattr(self, "room"):
            return
        newest = 0
        if LOCK in self.world.account.objects:
            newest = lock.parse(self.world.account.objects[LOCK]).epoch
        for name, host in self.world.hosts.items():
            assert self.epochs.get(name, 0) <= host.epoch <= newest
            self.epochs[name] = host.epoch

    def teardown(self) -> None:
        """All faults end; whoever still works is killed; somebody settles what is left."""
        try:
            if hasattr(self, "room"):
                self.ends()
        finally:
            self.patch.undo()

    def ends(self) -> None:
        world = self.world
        for turn in self.turns.values():
            turn.is_killed()
        world.cure()
        world.time.run(_LONGEST_S)
        self.settled()
        assert wrongs(world) == []

    def settled(self) -> None:
        """``--resume`` or ``--abort`` ends well, and leaves one release everywhere."""
        desk = Desk(self.room, person="carol", machine="desk")
        for how in ("resume", "abort", "abort"):
            said = desk.fab("deploy", resume=how == "resume", abort=how == "abort")
            self.world.time.run(200.0)
            if said.code == 0:
                break
        assert said.code == 0, said.text
        if "no rollout broke off" not in said.text:
            assert troubles(self.world, {OLD, self.new}) == []


Fleet.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestFleet = Fleet.TestCase
