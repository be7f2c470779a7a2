"""Killed again: while going on, while taking back, and on the way back after a failure."""

from __future__ import annotations

import pytest

from tests.paper import stage
from tests.paper.deaths import EXPIRED_S, Death, comes_back, deaths, takes_over
from tests.paper.stage import OLD, troubles
from tests.paper.test_kill import BAKE, flat, told
from tests.paper.world import World

# Where the first one dies: a host is half started; one is new, and the other one away.
PLACES = ("during i-1 apply stops", "after deregister i-2")


def dies_again(first: Death, how: str) -> list[str]:
    """What is wrong after a third run, when the second one is killed at any moment."""
    left = first.world()
    left.time.run(EXPIRED_S)
    again = deaths(left, "deploy", desk="desk", **{how: True})
    return flat(settled(one, first=f"{first}, {how}") for one in again)


def settled(death: Death, *, first: str) -> list[str]:
    """What is wrong after a last ``--resume`` or ``--abort``, in turn."""
    abort = death.number % 2 == 1
    world = death.world()
    said = takes_over(world, "deploy", abort=abort, resume=not abort)
    over = "no rollout broke off" in said.text
    wanted = {OLD, stage.new()} if over else {OLD if abort else stage.new()}
    return told(death, f"{first}, {'abort' if abort else 'resume'}", said, troubles(world, wanted))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("how", ["resume", "abort"])
def test_killed_while_going_on_or_taking_back(place: str, how: str) -> None:
    """At every moment of the second run; the third one brings it to an end."""
    found = deaths(stage.fleet(), "deploy", bake=BAKE)
    first = next(death for death in found if death.moment == place)
    assert dies_again(first, how) == []


@pytest.mark.soak
@pytest.mark.parametrize("how", ["resume", "abort"])
def test_killed_at_every_two_moments(how: str) -> None:
    """Every moment of the first run with every moment of the second."""
    found = deaths(stage.fleet(), "deploy", bake=BAKE)
    assert flat(dies_again(first, how) for first in found) == []


def broken(world: World) -> World:
    """A disk that is full: the second host can't take the new release."""
    world.hosts["i-2"].disk_full = True
    return world


class TestTheWayBack:
    """The second host fails, so the first one goes back; and then the process is killed."""

    def test_taken_back(self) -> None:
        """At every moment, of the way there and of the way back: wholly old."""
        wrong = []
        for death in deaths(broken(stage.fleet()), "deploy", bake=BAKE):
            world = death.world()
            said = comes_back(world, "deploy", abort=True)
            wrong += told(death, "abort", said, troubles(world, {OLD}))
        assert wrong == []

    def test_gone_on_with(self) -> None:
        """When there is space again: wholly new, or, when all was taken back already, old."""
        wrong = []
        for death in deaths(broken(stage.fleet()), "deploy", bake=BAKE):
            world = death.world()
            world.hosts["i-2"].disk_full = False
            said = comes_back(world, "deploy", resume=True)
            if said.code == 3:
                said = comes_back(world, "deploy", abort=True)
            wrong += told(death, "resume", said, troubles(world, {OLD, stage.new()}))
        assert wrong == []

    @pytest.mark.soak
    def test_gone_on_with_in_vain(self) -> None:
        """The disk is still full: it fails again, and all goes back. Exit 1, wholly old."""
        wrong = []
        for death in deaths(broken(stage.fleet()), "deploy", bake=BAKE):
            world = death.world()
            said = comes_back(world, "deploy", resume=True)
            if said.code == 3:
                said = comes_back(world, "deploy", abort=True)
            wrong += [f"{death}: {one}" for one in troubles(world, {OLD})]
            wrong += [] if said.code in (0, 1) else [f"{death}: exit {said.code}"]
        assert wrong == []
