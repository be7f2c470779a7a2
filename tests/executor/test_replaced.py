"""Ending a host, and waiting for the one in its place."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from provision.errors import CloudError, FleetError, HostError, NotReady
from provision.executor.replaced import replacing
from provision.planning.actions import Bake, TerminateHost, WaitReplaced
from provision.planning.plan import Step
from provision.testing import samples
from provision.testing.clock import FakeClock
from provision.testing.cloud import FakeCloud

OLD, NEW, ANOTHER = samples.hosts(3)


@dataclass
class Room:
    """A fleet of one host that is about to be replaced."""

    cloud: FakeCloud = field(default_factory=lambda: FakeCloud(samples.outputs(), (OLD,)))
    clock: FakeClock = field(default_factory=FakeClock)
    said: list[str] = field(default_factory=list)
    stop: bool = False

    def __post_init__(self) -> None:
        self.cloud.health = {OLD.name: ["healthy"]}

    def brings(self, *states: str) -> None:
        """What the load balancer will call the new host, look by look."""
        self.cloud.replacements = [(NEW, list(states))]

    def end(self) -> str:
        return self.carry_out(Step(OLD, "end it", "", TerminateHost()))

    def wait(self, *, count: int = 1, bake_s: float = 0.0) -> str:
        action = WaitReplaced((OLD.name,), count, 600.0, bake_s)
        return self.carry_out(Step(None, "wait", "", action))

    def carry_out(self, step: Step) -> str:
        return replacing(
            step,
            cloud=self.cloud,
            clock=self.clock,
            stopped=lambda: self.stop,
            say=self.said.append,
        )


def test_another_one_comes() -> None:
    """Its state is said when it changes; its name is what there is to tell."""
    room = Room()
    room.brings("unused", "initial", "initial", "unhealthy", "healthy")
    room.end()
    assert room.wait() == NEW.name
    assert room.said == [f"{NEW.name} is {state}" for state in ("unused", "initial", "unhealthy")]
    assert room.cloud.log == [f"terminate {OLD.name}"]


def test_those_of_before_do_not_count() -> None:
    """Two are awaited, one came, and one that was there all the time is healthy."""
    room = Room()
    room.brings("healthy")
    room.end()
    room.cloud.hosts = (*room.cloud.hosts, ANOTHER)
    with pytest.raises(NotReady) as late:
        room.wait(count=2)
    assert late.value.host == ANOTHER.name
    assert "the new host is not registered to the load balancer" in late.value.message


def test_none_comes() -> None:
    """No capacity, no quota: the group knows, and the message says where to look."""
    room = Room()
    room.end()
    with pytest.raises(FleetError, match="brought no new host within 600 s") as none:
        room.wait()
    assert "describe-scaling-activities" in none.value.hint
    assert "run it again" in none.value.hint
    assert room.said == ["no new host yet"]


def test_one_that_never_gets_ready() -> None:
    """The refresh stops there, with its name."""
    room = Room()
    room.brings("initial", "unhealthy")
    room.end()
    with pytest.raises(NotReady, match="is unhealthy to the load balancer after 600 s") as late:
        room.wait()
    assert late.value.host == NEW.name


def test_it_is_watched() -> None:
    """As long as a host after a rollout."""
    room = Room()
    room.brings("healthy")
    room.end()
    before = room.clock.monotonic()
    room.wait(bake_s=30.0)
    assert room.clock.monotonic() - before == 30.0


@pytest.mark.parametrize("then", ["unhealthy", "draining"])
def test_one_that_does_not_last(then: str) -> None:
    """It came into traffic and left it."""
    room = Room()
    room.brings("healthy", "healthy", then)
    room.end()
    with pytest.raises(HostError, match=f"it is {then} 10 s after it came into traffic"):
        room.wait(bake_s=30.0)


def test_whoever_asks_to_stop_is_heard() -> None:
    """The host that was ended is ended: running it again goes on from there."""
    room = Room()
    room.brings("initial")
    room.end()
    room.stop = True
    with pytest.raises(NotReady):
        room.wait()
    assert room.clock.slept == []


def test_a_group_that_refuses() -> None:
    """The call's own error."""
    room = Room()
    room.cloud.failures["terminate"] = CloudError("AccessDenied")
    with pytest.raises(CloudError, match="AccessDenied"):
        room.end()


def test_other_actions_are_not_its_business() -> None:
    """A mistake of ours, not of the fleet's."""
    with pytest.raises(TypeError, match="Bake replaces no host"):
        Room().carry_out(Step(OLD, "watch", "", Bake("r-1", 1.0)))
