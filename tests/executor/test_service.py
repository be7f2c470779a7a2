"""Who may leave traffic, and who is in it."""

from __future__ import annotations

from typing import Any

import pytest

from provision.errors import CloudError, HostError, LockLost
from provision.executor.service import Traffic
from provision.testing import samples
from provision.testing.clock import FakeClock
from provision.testing.cloud import FakeCloud

FIRST, SECOND, THIRD = samples.hosts(3)


class Room:
    """Three hosts in traffic."""

    def __init__(self) -> None:
        self.clock, self.cloud = FakeClock(), FakeCloud(samples.outputs())
        self.cloud.health = {host.name: ["healthy"] for host in (FIRST, SECOND, THIRD)}
        self.traffic = Traffic(self.cloud, self.clock)

    def leave(self, host: Any, others: int) -> None:
        self.traffic.leave(host, timeout_s=60.0, stopped=lambda: False, others=others)


class TestLeave:
    def test_while_enough_others_serve(self) -> None:
        """Two leave at the same time: neither counts on the other."""
        room = Room()
        room.leave(FIRST, 1)
        room.leave(SECOND, 1)
        with pytest.raises(HostError, match=r"i-3: it serves, and fewer than 1 other host\(s\) do"):
            room.leave(THIRD, 1)
        assert room.cloud.log == ["deregister i-1", "deregister i-2"]

    def test_the_others_are_waited_for(self) -> None:
        """One that came back a moment ago is not healthy yet."""
        room = Room()
        room.cloud.health = {"i-1": ["healthy"], "i-2": ["initial", "initial", "healthy"]}
        room.leave(FIRST, 1)
        assert room.cloud.log == ["deregister i-1"]
        assert sum(room.clock.slept) >= 2

    def test_who_does_not_serve_may_always_go(self) -> None:
        """It is missed by nobody."""
        room = Room()
        room.cloud.health = {"i-1": ["unhealthy"]}
        room.leave(FIRST, 1)
        assert room.cloud.log == ["deregister i-1"]

    def test_its_own_mark_is_no_way_out(self) -> None:
        """It makes the host unhealthy; it served when it asked, and so it is missed."""
        room = Room()
        way: dict[str, Any] = {"timeout_s": 60.0, "stopped": lambda: False, "others": 1}
        room.traffic.make_way(FIRST, **way)
        room.cloud.health = {"i-1": ["unhealthy"], "i-2": ["unhealthy"]}
        room.clock.sleep(10.0)
        stayed: list[str] = []
        with pytest.raises(HostError, match="it stays in traffic"):
            room.traffic.leave(FIRST, **way, stays=lambda: stayed.append("i-1"))
        assert (room.cloud.log, stayed) == ([], ["i-1"])

    def test_who_makes_way_is_counted_on_by_nobody(self) -> None:
        """Though it is healthy still."""
        room = Room()
        way: dict[str, Any] = {"timeout_s": 60.0, "stopped": lambda: False, "others": 2}
        room.traffic.make_way(FIRST, **way)
        with pytest.raises(HostError, match="i-2: it serves, and fewer than 2"):
            room.traffic.make_way(SECOND, **way)
        room.traffic.enter(FIRST)
        room.traffic.make_way(SECOND, **way)

    def test_one_that_came_back_counts_again(self) -> None:
        """From the moment at which it is healthy."""
        room = Room()
        room.leave(FIRST, 2)
        room.traffic.enter(FIRST)
        room.traffic.wait(FIRST, timeout_s=60.0, stopped=lambda: False)
        room.leave(SECOND, 2)
        assert room.cloud.log == ["deregister i-1", "register i-1", "deregister i-2"]

    def test_one_that_never_leaves(self) -> None:
        """Somebody else registers it again and again."""
        room = Room()
        room.cloud.deregister = lambda host: None  # type: ignore[method-assign]
        with pytest.raises(HostError, match="still calls it healthy 60 s after it was taken out"):
            room.leave(FIRST, 1)

    def test_who_lost_the_lock_while_waiting_moves_nobody(self) -> None:
        """AWS would do it for anybody."""
        room = Room()

        def lost() -> None:
            raise LockLost("bob holds epoch 2 now")

        traffic = Traffic(room.cloud, room.clock, confirm=lost)
        with pytest.raises(LockLost):
            traffic.leave(FIRST, timeout_s=60.0, stopped=lambda: False)
        with pytest.raises(LockLost):
            traffic.enter(FIRST)
        assert room.cloud.log == []

    def test_nobody_knows_who_serves(self) -> None:
        """Then nobody leaves."""
        room = Room()
        room.cloud.failures["target_health"] = CloudError("Throttling")
        with pytest.raises(CloudError):
            room.leave(FIRST, 1)
        assert room.cloud.log == []
