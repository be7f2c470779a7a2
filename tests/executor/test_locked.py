"""A Plan under the lock: freed in every ending, and no effect without an entry before it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from provision.commands.command import Command, Result
from provision.connectors.protocols import Written
from provision.errors import HostError, LockHeld, PlanError
from provision.executor.executor import Executor
from provision.executor.journal import Journal
from provision.executor.lock_store import LockStore
from provision.executor.locked import Work, locked
from provision.executor.outcome import Outcome
from provision.facts.inventory import Host
from provision.planning.actions import Run as RunCommand
from provision.planning.journal import Ending, Run, Who, errand
from provision.planning.lock import State
from provision.planning.plan import Plan, Step, Wave
from provision.testing import samples
from provision.testing.http import FakeHttp
from provision.testing.shell import FakeShell
from tests.executor.lock_room import ANNA, BOB, Bucket, Killed, Laptop, take

HOSTS = samples.hosts(2)
STEPS = ("drain", "start", "enter")


def plan() -> Plan:
    """Three steps on two hosts, wave by wave."""
    return Plan(
        "deploy r-2",
        tuple(
            Wave(name, tuple(Step(host, name, "", RunCommand(Command((name,)))) for host in HOSTS))
            for name in STEPS
        ),
        expects={host.name: "r-1" for host in HOSTS},
    )


@dataclass
class Room:
    """Hosts and a bucket, and a way to die."""

    bucket: Bucket = field(default_factory=Bucket)
    shell: FakeShell = field(default_factory=FakeShell)
    clock: Laptop = field(default_factory=Laptop)
    effects: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shell.prepare("*readlink*", Result(0, "r-1\n"))
        for step in STEPS:
            self.shell.prepare(step, self.do)

    def do(self, host: Host, command: Command) -> Result:
        """The effect of a step."""
        self.effects.append((host.name, command.display()))
        return Result(0)

    def work(self, who: Who = ANNA, *, token: str = "a1", listener: Any = None) -> Outcome:
        """What a task does."""
        the_plan = plan()
        with self.hold(who, token=token) as work:
            executor = Executor(
                shell=self.shell,
                http=FakeHttp(),
                cloud=self.bucket,
                clock=self.clock,
                listener=listener or (lambda _: None),
            )
            work.outcomes.append(executor.execute(the_plan, work.journal))
        return work.outcomes[0]

    def hold(self, who: Who = ANNA, *, token: str = "a1") -> Any:
        return locked(
            LockStore(self.bucket),
            self.clock,
            who=who,
            what=errand("deploy", plan()),
            token=token,
        )

    @property
    def runs(self) -> tuple[Run, ...]:
        return LockStore(self.bucket).history(20)

    @property
    def state(self) -> State:
        return LockStore(self.bucket).look().state


@pytest.fixture
def unbeaten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written but by those who wait for it: every order can be told."""
    monkeypatch.setattr(Journal, "start", lambda _: None)


class TestEndings:
    def test_all_went_well(self) -> None:
        """The record has every step with its end, and the lock is free."""
        room = Room()
        assert room.work().ok
        (run,) = room.runs
        assert (run.ending, run.error, room.state) == (Ending.DONE, None, State.FREE)
        assert sorted((entry.host, entry.step) for entry in run.entries) == sorted(room.effects)
        assert not run.unfinished
        assert (run.what.before, run.who) == (("r-1",), ANNA)

    def test_a_host_fails(self) -> None:
        """With the first line of its error; the steps that it did not get are not there."""
        room = Room()
        room.shell.prepare("start", HostError("i-2", "engine died\n| OOM"), host="i-2")
        assert not room.work().ok
        (run,) = room.runs
        assert (run.ending, run.error, room.state) == (
            Ending.FAILED,
            "i-2: engine died",
            State.FREE,
        )
        said = {(entry.host, entry.step): entry.failed for entry in run.entries}
        assert said[("i-2", "start")] == "i-2: engine died"
        assert ("i-2", "enter") not in said

    def test_the_plan_was_stale(self) -> None:
        """The hosts are looked at under the lock; nothing was done, and the lock is free."""
        room = Room()
        room.shell.prepare("*readlink*", Result(0, "r-9\n"), host="i-2")
        with pytest.raises(PlanError, match="i-2 runs r-9 now"):
            room.work()
        (run,) = room.runs
        assert (run.ending, run.entries, room.effects) == (Ending.FAILED, (), [])
        assert run.returned
        assert (run.error or "").startswith("the plan is stale: i-2 runs r-9 now, not r-1")

    def test_ctrl_c(self) -> None:
        """Interrupted, and free."""
        room = Room()

        def pressed(host: Host, command: Command) -> Result:
            signal.raise_signal(signal.SIGINT)
            return room.do(host, command)

        room.shell.prepare("start", pressed)
        assert room.work().interrupted
        (run,) = room.runs
        assert (run.ending, room.state) == (Ending.INTERRUPTED, State.FREE)
        assert "enter" not in {entry.step for entry in run.entries}

    @pytest.mark.parametrize(
        ("error", "ending"),
        [
            (KeyboardInterrupt(), Ending.INTERRUPTED),
            (HostError("i-1", "gone"), Ending.FAILED),
            (ZeroDivisionError("a bug"), Ending.FAILED),
            (SystemExit(1), Ending.FAILED),
        ],
    )
    def test_an_exception_of_any_kind(self, error: BaseException, ending: Ending) -> None:
        """Also one that is a bug: it goes on, and the lock is free."""
        room = Room()
        with pytest.raises(type(error)), room.hold():
            raise error
        assert (room.runs[0].ending, room.state) == (ending, State.FREE)

    def test_a_second_one_at_the_same_time(self) -> None:
        """Refused with exit code 3 before a host was touched; the first one goes on."""
        room = Room()
        with room.hold() as work:
            with pytest.raises(LockHeld) as held:
                room.work(BOB, token="b1")
            assert held.value.exit_code == 3
            assert room.shell.log == []
            work.journal.around("start", "i-1", "one", lambda: None)
        assert [run.who for run in room.runs] == [ANNA]

    def test_ctrl_c_does_not_keep_the_lock_from_being_freed(self) -> None:
        """It comes while the last word is written: the word is written."""
        room = Room()

        def press(_key: str, write: Callable[[], Written]) -> Written:
            room.bucket.trouble = None
            signal.raise_signal(signal.SIGINT)
            return write()

        with room.hold():
            room.bucket.trouble = press
        assert room.state is State.FREE

    def test_a_second_ctrl_c_does(self) -> None:
        """Whoever can't wait for S3 leaves the lock to free itself."""
        room = Room()

        def press(_key: str, write: Callable[[], Written]) -> Written:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            return write()

        with pytest.raises(KeyboardInterrupt), room.hold():
            room.bucket.trouble = press
        room.bucket.server_time += 61
        assert room.state is State.EXPIRED


class TestLoss:
    @pytest.mark.usefixtures("unbeaten")
    def test_the_lock_is_taken_in_the_middle(self) -> None:
        """No further step begins; the outcome says who has it, and its record is left alone."""
        room, said = Room(), []

        def sleep(host: Host, command: Command) -> Result:
            if host.name == "i-1":
                room.bucket.server_time += 3600
                take(room.bucket, BOB, token="b1")
            return room.do(host, command)

        room.shell.prepare("drain", sleep)
        outcome = room.work(listener=lambda event: said.append(event.text))
        assert (outcome.exit_code, outcome.interrupted) == (1, False)
        assert {step for _, step in room.effects} == {"drain"}
        (environment, *_) = outcome.hosts
        assert "bob@desk (user/bob) holds epoch 2" in str(environment.error)
        assert any(text.startswith("stopping, no further step begins: bob@") for text in said)
        newer, older = room.runs
        assert (newer.who, newer.ending, newer.entries) == (BOB, None, ())
        assert (older.who, older.ending) == (ANNA, Ending.DIED)

    def test_it_is_broken_in_the_middle(self) -> None:
        """By somebody whose name stands in the history."""
        room = Room()

        def broken(host: Host, command: Command) -> Result:
            store = LockStore(room.bucket)
            store.break_open(store.look(), by=BOB)
            return room.do(host, command)

        room.shell.prepare("start", broken)
        outcome = room.work()
        assert "bob@desk (user/bob) broke the lock" in str(outcome.hosts[0].error)
        assert "enter" not in {step for _, step in room.effects}
        assert (room.runs[0].ending, room.runs[0].closed_by) == (
            Ending.BROKEN,
            "bob@desk (user/bob)",
        )


@dataclass
class Death:
    """Kills the process at its *at*-th chance, once: then nothing of it happens any more.

    There is a chance before and after each write and each effect.
    """

    at: int
    chances: int = 0
    dead: bool = False

    def chance(self) -> None:
        self.chances += 1
        if self.dead or self.chances >= self.at:
            self.dead = True
            raise Killed

    def write(self, _key: str, write: Callable[[], Written]) -> Written:
        self.chance()
        done = write()
        self.chance()
        return done


def deaths() -> Iterator[tuple[int, Room]]:
    """The same work, killed at every point there is, until it gets to its end."""
    for at in range(1, 200):
        room, death = Room(), Death(at)

        def effect(host: Host, command: Command, room: Room = room, death: Death = death) -> Result:
            death.chance()
            done = room.do(host, command)
            death.chance()
            return done

        room.bucket.trouble = death.write
        for step in STEPS:
            room.shell.prepare(step, effect)
        try:
            room.work()
        except Killed:
            room.bucket.trouble = None
            yield at, room
        else:
            return
    raise AssertionError("it never ends")


@pytest.mark.usefixtures("unbeaten")
def test_killed_at_any_point() -> None:
    """Before and after every write and every effect: nothing was done that is not in the journal.

    The next operator waits for a minute of the server's, finds the dead run with what it was doing,
    and does the rest.
    """
    seen = 0
    for at, room in deaths():
        seen += 1
        done = list(room.effects)
        room.shell.prepare("*readlink*", Result(0, "r-1\n"))
        for step in STEPS:
            room.shell.prepare(step, room.do)
        before = LockStore(room.bucket).look()
        if before.state is State.HELD:
            with pytest.raises(LockHeld):
                take(room.bucket, BOB, token="b0")
            room.bucket.server_time += 61
        assert room.work(BOB, token="b1").ok, at
        newest, *older = room.runs
        assert (newest.who, newest.ending) == (BOB, Ending.DONE)
        if not older:  # killed before it had the lock
            assert not done
            continue
        (dead,) = older
        entries = {(entry.host, entry.step): entry for entry in dead.entries}
        assert set(done) <= entries.keys(), at
        finished = {key for key, entry in entries.items() if entry.ended}
        assert finished <= set(done), at
        if dead.ending is Ending.DIED:
            assert (dead.closed_by, newest.epoch) == ("bob@desk (user/bob)", dead.epoch + 1)
        assert room.state is State.FREE
    assert seen > 25


def test_work_is_a_value_with_outcomes() -> None:
    """Nothing carried out is nothing done: a run without an outcome ended well."""
    room = Room()
    with room.hold() as work:
        assert isinstance(work, Work)
    assert room.runs[0].ending is Ending.DONE
