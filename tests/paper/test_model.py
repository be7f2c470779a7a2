"""The fleet on paper behaves as a real one where it matters: it loses requests when it must."""

from __future__ import annotations

import pytest

from provision.agent.bake import Limits, bake
from provision.agent.errors import AgentError
from provision.agent.events import Events
from provision.commands import host_program
from provision.commands.command import Command
from provision.errors import HostUnreachable, LockLost
from provision.executor.fenced import FencedShell
from tests.paper import stage
from tests.paper.balancer import LAG_S
from tests.paper.desk import Desk
from tests.paper.doors import PaperClock, Room
from tests.paper.engine import LOAD_S, WARM_UP_S
from tests.paper.host import FAULT, OPERATOR
from tests.paper.shell import PaperShell
from tests.paper.stage import OLD
from tests.paper.world import World

START_S = LOAD_S + WARM_UP_S + 10.0


def by(world: World, who: str) -> int:
    """How many requests were lost through *who*."""
    return sum(one.by == who for one in world.lost)


class TestWithoutCare:
    """The control: each part of a rollout's care is needed."""

    def test_an_engine_that_is_stopped_in_traffic_loses_what_it_carries(self) -> None:
        """And what is sent to it before the load balancer notices."""
        world = stage.fleet()
        world.hosts["i-1"].jobs.add(OLD, by=OPERATOR, restart=True)
        world.time.run(60.0)
        stopped = [one for one in world.lost if one.why == "its engine was stopped"]
        unwarmed = [one for one in world.lost if one.why == "its engine is not warm"]
        assert stopped
        assert unwarmed
        assert {one.by for one in world.lost} == {OPERATOR}

    def test_taken_out_and_not_emptied(self) -> None:
        """What it carries is lost still."""
        world = stage.fleet()
        world.balancer.deregister("i-1")
        world.time.run(LAG_S)
        world.hosts["i-1"].jobs.add(OLD, by=OPERATOR, restart=True)
        world.time.run(60.0)
        assert {one.why for one in world.lost} == {"its engine was stopped"}

    def test_not_waited_for_the_load_balancer(self) -> None:
        """It sends a request or two after it was told, also when nothing ran at that moment."""
        world = stage.fleet()
        host = world.hosts["i-1"]
        world.balancer.deregister("i-1")
        host.carried, asked = [], host.steps
        world.time.run(LAG_S)
        assert host.steps > asked

    def test_both_at_once(self) -> None:
        """Nobody is there to answer: through the operator, for nothing befell the hosts."""
        world = stage.fleet()
        for name in world.hosts:
            world.note_leaving(name)
            world.balancer.deregister(name)
        world.time.run(LAG_S + 5.0)
        assert world.too_few == ["i-2"]
        assert {one.why for one in world.lost} == {"no target at all"}

    def test_an_engine_that_is_not_warm_gets_nothing_while_another_serves(self) -> None:
        """The agent says so to the load balancer."""
        world = stage.fleet()
        world.balancer.deregister("i-1")
        world.time.run(30.0)
        host = world.hosts["i-1"]
        host.jobs.add(OLD, by=OPERATOR, restart=True)
        world.time.run(2.0)
        world.balancer.register("i-1")
        world.time.run(START_S)
        assert world.lost == []
        assert world.serving() == ["i-2", "i-1"]


class TestFaults:
    def test_a_crash_is_nobodys_doing(self) -> None:
        """Docker starts it again; it comes back when it is warm."""
        world = stage.fleet()
        world.befalls("i-1").engine_crashes()
        world.time.run(START_S)
        assert (by(world, OPERATOR), by(world, FAULT) > 0) == (0, True)
        assert sorted(world.serving()) == ["i-1", "i-2"]

    def test_a_terminated_host_is_replaced_by_one_with_the_current_release(self) -> None:
        """Unless somebody holds the group."""
        world = stage.fleet()
        world.account.suspend(("Launch",))
        world.is_terminated("i-1")
        world.time.run(120.0)
        assert world.serving() == ["i-2"]
        world.account.resume(("Launch",))
        world.time.run(200.0)
        assert sorted(world.serving()) == ["i-2", "i-new1"]
        assert world.hosts["i-new1"].current == OLD

    def test_power_comes_back(self) -> None:
        """The host takes what booting hosts take."""
        world = stage.fleet()
        world.befalls("i-1").power_off()
        world.time.run(30.0)
        assert world.serving() == ["i-2"]
        world.hosts["i-1"].power_on()
        world.time.run(100.0)
        assert sorted(world.serving()) == ["i-1", "i-2"]

    def test_a_boot_that_fails_is_tried_again(self) -> None:
        """By the agent, until there is space; then the host is in traffic."""
        world = stage.fleet()
        host = world.befalls("i-1")
        host.power_off()
        host.disk_full, host.ready_to_run = True, set()
        host.power_on()
        world.time.run(400.0)
        assert (host.booted, world.serving()) == (False, ["i-2"])
        host.disk_full = False
        world.time.run(60.0)
        assert sorted(world.serving()) == ["i-1", "i-2"]

    def test_nobody_is_healthy(self) -> None:
        """Then all registered targets get requests, as AWS does it."""
        world = stage.fleet()
        for name in world.hosts:
            world.befalls(name).engine_crashes()
        world.time.run(15.0)
        assert len(world.balancer.sent_to()) == 2
        assert by(world, OPERATOR) == 0


class TestLease:
    def test_it_ends_by_itself(self) -> None:
        """The host registers itself, and is in traffic again."""
        world = stage.fleet()
        world.hosts["i-1"].maintain(lease_s=100.0, why="a test")
        world.balancer.deregister("i-1")
        world.time.run(90.0)
        assert world.serving() == ["i-2"]
        world.time.run(20.0)
        assert sorted(world.serving()) == ["i-1", "i-2"]
        assert world.lost == []

    def test_not_under_an_apply(self) -> None:
        """Whoever applies a release stops the engine in the end."""
        world = stage.fleet()
        host = world.hosts["i-1"]
        host.maintain(lease_s=10.0, why="a test")
        world.balancer.deregister("i-1")
        world.time.run(9.5)
        host.jobs.add(OLD, by=OPERATOR)
        world.time.run(1.9)
        assert "i-1" not in world.balancer.targets


class TestDoors:
    def test_an_older_epoch_is_refused(self) -> None:
        """By the host, with the newer one."""
        room = Room(stage.fleet())
        host = room.world.hosts["i-1"]
        older, newer = (FencedShell(PaperShell(Desk(room).process())) for _ in range(2))
        older.epoch, newer.epoch = 6, 7
        newer.stream(host.host, host_program.resume(), lambda _: None)
        with pytest.raises(LockLost, match="works for epoch 7 by now, this run has epoch 6"):
            older.stream(host.host, host_program.resume(), lambda _: None)

    def test_a_command_on_a_host_that_dies(self) -> None:
        """The connection ends in the middle."""
        room = Room(stage.fleet())
        host = room.world.hosts["i-1"]
        room.world.time.after(1.0, host.power_off)
        shell = PaperShell(Desk(room).process())
        with pytest.raises(HostUnreachable):
            shell.stream(host.host, host_program.drain(timeout_s=150.0), lambda _: None)

    def test_an_unknown_command(self) -> None:
        """The real parser reads it: what hosts do not understand is no part of this world."""
        room = Room(stage.fleet())
        shell = PaperShell(Desk(room).process())
        with pytest.raises(SystemExit):
            shell.run(
                room.world.hosts["i-1"].host, Command(("python3", "host.pyz", "dance"), epoch=1)
            )

    def test_the_real_bake_reads_what_the_host_says(self) -> None:
        """An engine that crashes while it is watched is seen."""
        room = Room(stage.fleet())
        host = room.world.hosts["i-1"]
        room.world.time.after(3.0, host.engine_crashes)
        clock = PaperClock(Desk(room).process())
        with pytest.raises(AgentError, match=r"not ready any more"):
            bake(
                OLD,
                10.0,
                limits=Limits(),
                ask=host.status,
                clock=clock,
                events=Events(clock, stream=None, file=None),
            )


class TestTime:
    def test_a_copy_goes_its_own_way(self) -> None:
        """What happens to one does not happen to the other."""
        world = stage.fleet()
        world.hosts["i-1"].jobs.add(OLD, by=OPERATOR, restart=True)
        twin = world.copy()
        twin.time.run(60.0)
        assert (len(world.lost), len(twin.lost) > 0) == (0, True)
        world.time.run(60.0)
        assert [one.at for one in world.lost] == [one.at for one in twin.lost]

    def test_nobody_is_lost_when_nothing_happens(self) -> None:
        """An hour of requests."""
        world = stage.fleet(3)
        world.time.run(3600.0)
        assert world.lost == []
        assert world.balancer.asked > 7000
