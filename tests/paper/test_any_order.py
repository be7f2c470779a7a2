"""Any order of people who roll, are killed, sleep, go on, take back; and of faults.

Forty orders by default, always the same: who is red has broken something. Under soak two thousand,
and other ones each time.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from provision.planning import lock
from provision.planning.lock import LOCK
from tests.paper import stage
from tests.paper.desk import Desk
from tests.paper.doors import Room
from tests.paper.engine import Fate
from tests.paper.stage import OLD, troubles, wrongs
from tests.paper.turns import Turn
from tests.paper.world import World

PEOPLE = ("anna", "bob")
people = st.sampled_from(PEOPLE)
tasks = st.sampled_from(["restart", "deploy", "rollback"])
faults = st.sampled_from(["crash", "crash", "power", "power", "end", "line", "disk"])
_LONGEST_S = 500.0  # a lease of 330 s has ended, and whoever came back by that is healthy


def other_than(name: str) -> str:
    """The other one."""
    return next(one for one in PEOPLE if one != name)


class Fleet(RuleBasedStateMachine):
    """Two or three hosts, two people with a laptop each."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: dict[str, Turn] = {}
        self.epochs: dict[str, int] = {}

    @initialize(
        hosts=st.integers(2, 3),
        fate=st.sampled_from([Fate.FINE, Fate.FINE, Fate.DIES, Fate.SHORT_LIVED]),
    )
    def begins_with(self, hosts: int, fate: Fate) -> None:
        """A fleet that serves; the release that comes may be no good."""
        self.new = stage.new(hosts)
        self.room = Room(stage.fleet(hosts))
        self.world.fates[self.new] = fate
        self.desks = {name: Desk(self.room, person=name, machine=f"{name}s") for name in PEOPLE}

    @property
    def world(self) -> World:
        return self.room.world

    def works(self, name: str) -> Turn | None:
        """What somebody works on now."""
        turn = self.turns.get(name)
        return None if turn is None or turn.ended else turn

    def at_work(self, name: str) -> Turn | None:
        """What *name* works on; what the other one does, when *name* does nothing."""
        return self.works(name) or self.works(other_than(name))

    @property
    def somebody_works(self) -> bool:
        return any(self.works(name) for name in PEOPLE)

    @property
    def somebody_is_idle(self) -> bool:
        return not all(self.works(name) for name in PEOPLE)

    @precondition(lambda self: self.somebody_is_idle)
    @rule(name=people, task=tasks, most=st.sampled_from(["1", "2"]))
    def begins(self, name: str, task: str, most: str) -> None:
        """Types a task, which stops before its first write."""
        self.types(name, task, bake="5", max_unavailable=most)

    @precondition(lambda self: self.somebody_is_idle)
    @rule(name=people, how=st.sampled_from(["resume", "abort"]))
    def settles(self, name: str, how: str) -> None:
        """Goes on with what broke off, or takes it back."""
        self.types(name, "deploy", **{how: True})

    def types(self, name: str, task: str, **flags: Any) -> None:
        """*name* does so, or the other one, when *name* is busy."""
        idle = other_than(name) if self.works(name) else name
        if self.works(idle) is None:
            self.turns[idle] = Turn(self.desks[idle], task, flags)

    @precondition(lambda self: self.somebody_works)
    @rule(name=people, calls=st.integers(1, 40))
    def goes_on(self, name: str, calls: int) -> None:
        """Some calls further."""
        if turn := self.at_work(name):
            turn.go(calls)

    @precondition(lambda self: self.somebody_works)
    @rule(name=people)
    def comes_to_an_end(self, name: str) -> None:
        """Without being disturbed."""
        if turn := self.at_work(name):
            turn.go(float("inf"))

    @precondition(lambda self: self.somebody_works)
    @rule(name=people, seconds=st.sampled_from([0.0, 0.3, 1.5, 4.0, 15.0]))
    def is_killed(self, name: str, seconds: float) -> None:
        """Between two calls, or while it waits for something."""
        if turn := self.at_work(name):
            self.world.time.after(seconds, self.world.dies, turn.process.id)
            if seconds:
                turn.go(3)
            turn.is_killed()

    @precondition(lambda self: self.somebody_works)
    @rule(name=people, seconds=st.sampled_from([10.0, 61.0, 400.0]), other=st.booleans())
    def sleeps(self, name: str, seconds: float, other: bool) -> None:
        """The lid is closed, and nothing is heard of it. Others may go on meanwhile."""
        turn = self.at_work(name)
        if turn is None or not turn.process.looks_first:
            return
        process = turn.process.id
        self.world.silence(process)
        self.world.asleep.add(process)
        self.world.time.run(seconds)
        if other:
            someone = other_than(turn.desk.person)
            self.types(someone, "deploy", resume=True)
            if them := self.works(someone):
                them.go(float("inf"))
        self.world.asleep.discard(process)

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        """For everybody."""
        self.world.time.run(seconds)

    @rule(fault=faults, number=st.integers(0, 2))
    def something_happens(self, fault: str, number: int) -> None:
        """To a host; what is broken already is mended."""
        names = sorted(self.world.hosts)
        host = self.world.befalls(names[number % len(names)])
        if fault == "crash":
            host.engine_crashes()
        elif fault == "power":
            (host.power_off if host.on else host.power_on)()
        elif fault == "end" and len(names) > 1:
            self.world.is_terminated(host.name)
        elif fault == "line":
            host.ssh = not host.ssh and host.on
        elif fault == "disk":
            host.disk_full = not host.disk_full

    @rule(seconds=st.sampled_from([20.0, 200.0, 290.0, 400.0]))
    def s3_is_away(self, seconds: float) -> None:
        """For a while."""
        if not self.world.s3_away:
            self.world.s3_goes()
            self.world.time.after(seconds, self.world.s3_comes_back)

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
        if hasattr(self, "room"):
            self.ends()

    def ends(self) -> None:
        world = self.world
        for turn in self.turns.values():
            turn.is_killed()
        world.cure()
        world.time.run(_LONGEST_S)
        self.settled()
        assert wrongs(world) == []

    def settled(self) -> None:
        """``--resume`` or ``--abort`` ends well, and leaves one release everywhere.

        A restart that somebody began over a deploy that had broken off leaves what it found, and
        says what ends that.
        """
        desk = Desk(self.room, person="carol", machine="desk")
        for how in ("resume", "abort", "abort"):
            said = desk.fab("deploy", resume=how == "resume", abort=how == "abort")
            self.world.time.run(200.0)
            if said.code == 0:
                break
        assert said.code == 0, said.text
        if "which booting hosts take: `fab deploy`" in said.text:
            said = desk.fab("deploy", bake="5")
            self.world.time.run(200.0)
            assert said.code == 0, said.text
        found = troubles(self.world, {OLD, self.new})
        if "no rollout broke off" in said.text:  # then a host may have booted with an older one
            found = [one for one in found if not one.startswith("hosts run")]
        assert found == []


def test_held_up_between_the_renewed_lease_and_the_apply() -> None:
    """Found by the machine: the host was in traffic again when it was told to stop its engine."""
    fleet = Fleet()
    fleet.begins_with(hosts=2, fate=Fate.FINE)
    fleet.begins(name="anna", task="restart", most="1")
    turn = fleet.turns["anna"]
    while turn.at != "i-1 apply" and not turn.ended:
        fleet.goes_on(name="anna", calls=1)
    fleet.time_passes(seconds=400.0)
    assert fleet.world.serving() == ["i-2", "i-1"]
    fleet.comes_to_an_end(name="anna")
    assert turn.said is not None
    assert turn.said.code == 1
    assert "i-1: its maintenance ended before its engine was stopped" in turn.said.text
    assert troubles(fleet.world, {OLD}) == []
    fleet.teardown()


def test_recovered_after_the_plan_was_made() -> None:
    """Found by the machine: it was missed by nobody then, and is the only one that serves now. Its
    own mark made it unhealthy, and so it was let go."""
    fleet = Fleet()
    fleet.begins_with(hosts=2, fate=Fate.FINE)
    fleet.something_happens(fault="crash", number=0)
    fleet.something_happens(fault="power", number=1)
    fleet.begins(name="anna", task="restart", most="1")
    fleet.time_passes(seconds=400.0)
    assert fleet.world.serving() == ["i-1"]
    fleet.comes_to_an_end(name="anna")
    said = fleet.turns["anna"].said
    assert said is not None
    assert "i-1: it serves, and fewer than 1 other host(s) do; it stays in traffic" in said.text
    assert fleet.world.serving() == ["i-1"]
    fleet.nothing_went_wrong()
    fleet.teardown()


def test_down_when_the_plan_was_made_and_up_when_its_turn_comes() -> None:
    """Found by the machine: it booted meanwhile, and was stopped without being emptied."""
    fleet = Fleet()
    fleet.begins_with(hosts=2, fate=Fate.FINE)
    fleet.something_happens(fault="power", number=1)
    fleet.time_passes(seconds=20.0)
    fleet.something_happens(fault="power", number=1)
    fleet.begins(name="anna", task="restart", most="1")
    fleet.time_passes(seconds=400.0)
    assert fleet.world.serving() == ["i-1", "i-2"]
    fleet.comes_to_an_end(name="anna")
    fleet.nothing_went_wrong()
    fleet.teardown()


def test_booted_between_the_plan_of_a_first_release_and_its_apply() -> None:
    """Found by the machine: it took what booting hosts take, and served when it was told to end."""
    fleet = Fleet()
    fleet.begins_with(hosts=3, fate=Fate.FINE)
    fleet.something_happens(fault="end", number=0)
    while "i-new1" not in fleet.world.hosts or not fleet.world.hosts["i-new1"].ssh:
        fleet.time_passes(seconds=1.0)
    fleet.begins(name="anna", task="deploy", most="1")
    turn = fleet.turns["anna"]
    while turn.at != "i-new1 apply" and not turn.ended:
        fleet.goes_on(name="anna", calls=1)
    fleet.time_passes(seconds=400.0)
    assert fleet.world.serving() == ["i-2", "i-3", "i-new1"]
    fleet.comes_to_an_end(name="anna")
    assert turn.said is not None
    assert f"i-new1: it runs {OLD} by now" in turn.said.text
    fleet.nothing_went_wrong()
    fleet.teardown()


Fleet.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, derandomize=True
)
TestFleet = Fleet.TestCase


class FleetInLong(Fleet):
    """The same, for minutes."""


FleetInLong.TestCase.settings = settings(
    max_examples=2000,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestFleetInLong = pytest.mark.soak(FleetInLong.TestCase)
