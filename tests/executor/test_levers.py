"""Traffic moves because the switch moves it."""

from __future__ import annotations

import pytest

from provision.errors import FleetError
from provision.executor.levers import Levers
from provision.planning.fallback import Mode, Wish
from provision.planning.levers import Linger, PutWish, WaitShare
from provision.testing import samples
from provision.testing.clock import FakeClock
from provision.testing.cloud import FakeCloud
from provision.testing.switchboard import FakeSwitchboard

WISH = Wish(Mode.ON, "anna", "a drill")


class Room:
    """An account, its switch, and a clock."""

    def __init__(self) -> None:
        self.board, self.cloud = FakeSwitchboard(), FakeCloud(samples.outputs())
        self.clock, self.said = FakeClock(), list[str]()
        self.stop = False

    def pull(self, action: PutWish | WaitShare | Linger) -> str:
        levers = Levers(
            board=self.board, cloud=self.cloud, clock=self.clock, stopped=lambda: self.stop
        )
        return levers.pull(action, self.said.append)


def test_a_wish_is_written_and_the_switch_nudged() -> None:
    """It would look within a minute anyway; what it says is told."""
    room = Room()
    room.board.line = {"reason": "anna wants it"}
    assert room.pull(PutWish(WISH)) == "the switch says: anna wants it"
    assert [one.text for one in room.board.written] == [WISH.to_json()]
    assert room.board.looks == [False]


def test_a_switch_that_fails_does_not_keep_the_wish_from_being_written() -> None:
    """What it said is told; whoever waits for the traffic will see."""
    room = Room()
    room.board.error = "rule can't be read"
    assert room.pull(PutWish(WISH)) == "rule can't be read"
    assert room.board.written


def test_an_environment_without_a_fallback() -> None:
    """There is nobody to tell."""
    room = Room()
    levers = Levers(board=None, cloud=room.cloud, clock=room.clock, stopped=lambda: False)
    with pytest.raises(FleetError, match="has no fallback"):
        levers.pull(PutWish(WISH), room.said.append)


def test_waiting_for_traffic() -> None:
    """Step by step, each step told once."""
    room = Room()
    shares = iter([0, 0, 5, 25, 50, None, 100])
    room.cloud.primary_weight = lambda: next(shares)  # type: ignore[method-assign]
    assert room.pull(WaitShare(100, 60.0)) == "after 12 s"
    assert room.said == [f"our own hosts get {share} %" for share in (0, 5, 25, 50)]


def test_traffic_that_never_moves() -> None:
    """After its time: what there is, and where to look."""
    room = Room()
    room.cloud.weight = 70
    with pytest.raises(FleetError) as failed:
        room.pull(WaitShare(100, 10.0))
    assert failed.value.message == "our own hosts get 70 % of the traffic after 10 s, not 100 %"
    assert "fallback.status" in failed.value.hint


@pytest.mark.parametrize("action", [WaitShare(0, 600.0), Linger(600.0)])
def test_ctrl_c_ends_the_waiting(action: WaitShare | Linger) -> None:
    """At once."""
    room = Room()
    room.stop = True
    if isinstance(action, Linger):
        assert room.pull(action) == ""
    else:
        with pytest.raises(FleetError):
            room.pull(action)
    assert sum(room.clock.slept) < 5.0


def test_lingering_takes_as_long_as_it_was_told() -> None:
    """And not longer."""
    room = Room()
    room.pull(Linger(7.0))
    assert sum(room.clock.slept) == 7.0
