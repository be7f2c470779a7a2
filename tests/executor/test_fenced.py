"""Every command of a run carries its epoch, and a host's refusal ends the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from provision.commands.command import Command, Result
from provision.commands.fence import REFUSED
from provision.errors import CommandFailed, LockLost
from provision.executor.executor import Executor
from provision.executor.fenced import FencedShell
from provision.executor.journal import Journal
from provision.executor.lock_store import LockStore
from provision.facts.inventory import Host
from provision.planning.actions import Run as RunCommand
from provision.planning.plan import Plan, Step, Wave
from provision.testing import samples
from provision.testing.http import FakeHttp
from provision.testing.shell import FakeShell
from tests.executor.lock_room import Bucket, Laptop, take

[HOST] = samples.hosts(1)
DOCKER = Command(("docker", "ps"))
NEWER = Result(REFUSED, "", "llm-fleet epoch 9\n")
Way = Callable[[FencedShell], Result]
WAYS: dict[str, Way] = {
    "checked": lambda shell: shell.run(HOST, DOCKER),
    "unchecked": lambda shell: shell.run(HOST, DOCKER, check=False),
    "streamed": lambda shell: shell.stream(HOST, DOCKER, lambda _: None),
}


def shell_of(*replies: Result, epoch: int | None = 8) -> tuple[FencedShell, FakeShell]:
    fake = FakeShell()
    fake.prepare("*", *replies)
    shell = FencedShell(fake)
    shell.epoch = epoch
    return shell, fake


@pytest.mark.parametrize("way", WAYS)
def test_a_command_carries_the_epoch(way: str) -> None:
    """However it is sent."""
    shell, fake = shell_of(Result(0))
    WAYS[way](shell)
    assert [command.epoch for _, command in fake.commands] == [8]


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_says_who_is_newer(way: str) -> None:
    """The host's epoch, this run's, and what to look at."""
    shell, _ = shell_of(NEWER)
    with pytest.raises(LockLost, match="i-1 works for epoch 9 by now, this run has") as lost:
        WAYS[way](shell)
    assert "`fab history`" in lost.value.hint


def test_a_failure_is_a_failure() -> None:
    """Also one with the same exit code."""
    shell, _ = shell_of(Result(REFUSED, "", "out of cheese"))
    with pytest.raises(CommandFailed, match="out of cheese"):
        shell.run(HOST, DOCKER)


def test_outside_of_a_run_nothing_is_fenced() -> None:
    """The bench works on hosts that belong to nobody."""
    shell, fake = shell_of(Result(0), epoch=None)
    shell.run(HOST, DOCKER)
    assert fake.commands[0][1].epoch is None


def test_a_command_that_is_not_roots_can_not_ask() -> None:
    """Only root reads and writes the host's epoch."""
    shell, fake = shell_of(Result(0))
    shell.run(HOST, Command(("true",), sudo=False))
    assert fake.commands[0][1].epoch is None


class TestExecutor:
    def plan(self) -> Plan:
        steps = tuple(
            Step(host, "one", "", RunCommand(Command(("one",)))) for host in samples.hosts(2)
        )
        return Plan("it", (Wave("all", steps),), expects={"i-1": None, "i-2": None})

    def execute(self, shell: FakeShell, bucket: Bucket) -> Executor:
        return Executor(shell=shell, http=FakeHttp(), cloud=bucket, clock=Laptop())

    def test_hosts_hear_of_the_epoch_before_the_first_change(self) -> None:
        """With the look whether they still run what the plan expects: no command more."""
        shell, bucket = FakeShell(), Bucket()
        shell.prepare("*readlink*", Result(0, "/\n"))
        shell.prepare("one", Result(0))
        journal = Journal(LockStore(bucket), take(bucket), Laptop())
        assert self.execute(shell, bucket).execute(self.plan(), journal).ok
        assert sorted((host, command.epoch) for host, command in shell.commands) == [
            *[("i-1", 1)] * 2,
            *[("i-2", 1)] * 2,
        ]

    def test_a_host_that_knows_a_newer_run_stops_it_before_any_change(self) -> None:
        """Even if S3 says nothing."""
        shell, bucket = FakeShell(), Bucket()
        shell.prepare("*readlink*", Result(0, "/\n"))
        shell.prepare("*readlink*", NEWER, host="i-2")
        journal = Journal(LockStore(bucket), take(bucket), Laptop())
        with pytest.raises(LockLost, match="i-2 works for epoch 9"):
            self.execute(shell, bucket).execute(self.plan(), journal)
        assert not any(command.display() == "one" for _, command in shell.commands)

    def test_a_laptop_that_slept_between_the_entry_and_the_command(self) -> None:
        """The entry stood in S3, then it was closed for hours: the host refuses what comes late."""
        shell, bucket = FakeShell(), Bucket()

        def late(host: Host, command: Command) -> Result:
            return NEWER if host.name == "i-1" else Result(0)

        shell.prepare("*readlink*", Result(0, "/\n"))
        shell.prepare("one", late)
        journal = Journal(LockStore(bucket), take(bucket), Laptop())
        outcome = self.execute(shell, bucket).execute(self.plan(), journal)
        _, one, two = outcome.hosts
        assert "i-1 works for epoch 9 by now" in str(one.error)
        assert (two.ok, outcome.exit_code) == (True, 1)
