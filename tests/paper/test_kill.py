"""Killed at every moment: whoever goes on, or takes it back, leaves a whole fleet, and no request
is lost.

The moments are found by an undisturbed run: before and after each effect, and before and after each
write of the journal, of the lock and of the history (see deaths.py). Each moment of each task on
two hosts by default; under soak on three as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from provision.planning.actions import ApplyRelease
from provision.planning.lock import HISTORY, LOCK
from tests.paper import stage
from tests.paper.deaths import Death, comes_back, deaths, takes_over
from tests.paper.desk import Said
from tests.paper.stage import OLD, troubles, wrongs
from tests.paper.world import World

TASKS = ("restart", "deploy", "rollback")
BAKE = "5"
LEASE_S = 330.0
_NEVER_BEGAN = "no rollout broke off"
_NEVER_PUBLISHED = "was never published whole"

Act = Callable[..., Said]


def scene(task: str, hosts: int) -> tuple[World, str, str]:
    """A fleet; what it runs, and what it shall run."""
    new = stage.new(hosts)
    if task == "rollback":
        return stage.fleet(hosts, runs=new, before=OLD), new, OLD
    return stage.fleet(hosts), OLD, OLD if task == "restart" else new


def resumed(death: Death, act: Act, *, old: str, new: str) -> list[str]:
    """What is wrong after ``--resume``: all hosts must run the new release."""
    world = death.world()
    said = act(world, "deploy", resume=True)
    if said.code == 3 and _NEVER_PUBLISHED in said.text:
        return aborted(death, act, old=old, new=new)
    return told(death, "resume", said, troubles(world, {new}))


def aborted(death: Death, act: Act, *, old: str, new: str) -> list[str]:
    """What is wrong after ``--abort``: all hosts must run the old release."""
    world = death.world()
    said = act(world, "restart", abort=True)
    return told(death, "abort", said, troubles(world, {new if _NEVER_BEGAN in said.text else old}))


def told(death: Death, how: str, said: Said, found: list[str]) -> list[str]:
    """*found*, with where it was found."""
    last = said.text.strip().splitlines()[-1:] if said.code else []
    return [f"{death}, {how}: exit {said.code}: {one}" for one in found or last]


def flat(found: Iterable[list[str]]) -> list[str]:
    """All that is wrong."""
    return [one for some in found for one in some]


@pytest.mark.parametrize("hosts", [2, pytest.param(3, marks=pytest.mark.soak)])
@pytest.mark.parametrize("task", TASKS)
class TestEveryMoment:
    def test_whoever_died_goes_on(self, task: str, hosts: int) -> None:
        """At once, on the same machine, which knows that the process is gone: wholly new."""
        world, old, new = scene(task, hosts)
        found = deaths(world, task, bake=BAKE)
        assert flat(resumed(death, comes_back, old=old, new=new) for death in found) == []

    def test_another_takes_it_back(self, task: str, hosts: int) -> None:
        """When the lock has run out: wholly old."""
        world, old, new = scene(task, hosts)
        found = deaths(world, task, bake=BAKE)
        assert flat(aborted(death, takes_over, old=old, new=new) for death in found) == []


class TestTheOtherWayRound:
    def test_another_goes_on(self) -> None:
        """When the lock has run out."""
        world, old, new = scene("deploy", 2)
        found = deaths(world, "deploy", bake=BAKE)
        assert flat(resumed(death, takes_over, old=old, new=new) for death in found) == []

    def test_whoever_died_takes_it_back(self) -> None:
        """At once, while what was begun on a host still works there."""
        world, old, new = scene("deploy", 2)
        found = deaths(world, "deploy", bake=BAKE)
        assert flat(aborted(death, comes_back, old=old, new=new) for death in found) == []

    @pytest.mark.parametrize("task", TASKS)
    def test_somebody_just_deploys(self, task: str) -> None:
        """Neither flag: the plan begins from what is there."""
        world, *_ = scene(task, 2)
        wrong = []
        for death in deaths(world, task, bake=BAKE):
            left = death.world()
            said = comes_back(left, "deploy", bake=BAKE)
            if "nothing to do" in said.text and left.account.stopped:
                assert "broke off: `fab deploy --resume` goes on with it" in said.text
                comes_back(left, "deploy", abort=task != "deploy", resume=task == "deploy")
            wrong += told(death, "deploy", said, troubles(left, {stage.new()}))
        assert wrong == []


@pytest.mark.parametrize("task", TASKS)
def test_nobody_comes(task: str) -> None:
    """When the lease is over all hosts are in traffic again by themselves, and nobody was lost."""
    world, *_ = scene(task, 2)
    wrong = []
    for death in deaths(world, task, bake=BAKE):
        left = death.world()
        left.time.run(LEASE_S + 30.0)
        out = sorted(left.hosts.keys() - set(left.serving()))
        wrong += [f"{death}: {one}" for one in (*wrongs(left), *(f"{name} is out" for name in out))]
    assert wrong == []


def test_no_moment_is_missing() -> None:
    """Each step has its three: it stands in the journal, it was done, its end stands there too;
    and an apply is seen from before the old engine stops until the new one has started."""
    world, *_ = scene("rollback", 3)
    found = [death.moment for death in deaths(world, "rollback", bake=BAKE)]
    record = stage.last_run(world)
    writes = found.count(f"after put_if {LOCK}")
    taken_and_closed = 2
    assert writes == 2 * len(record.entries) + taken_and_closed
    assert sum(HISTORY in moment for moment in found) == 1
    applied = [entry for entry in record.entries if entry.action == ApplyRelease.__name__]
    for what in ("prepares", "stops", "starts"):
        assert sum(moment.endswith(f"apply {what}") for moment in found) == len(applied) == 3
    hosts = {entry.host for entry in record.entries if entry.host}
    assert hosts == {"i-1", "i-2", "i-3"}
