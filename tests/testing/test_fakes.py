"""The public fakes are strict: what a test did not prepare is an error of the test."""

from __future__ import annotations

import pytest

from provision.commands.command import Command, Result
from provision.connectors.protocols import Answer
from provision.errors import CommandFailed
from provision.facts.gateway import TaskDefinition
from provision.secret import Secret
from provision.testing import samples
from provision.testing.clock import FakeClock
from provision.testing.cloud import FakeCloud
from provision.testing.gateway import FakeGateway
from provision.testing.http import FakeHttp
from provision.testing.shell import FakeShell

[HOST] = samples.hosts(1)


def test_a_command_that_nobody_prepared() -> None:
    """With the host and the masked command."""
    with pytest.raises(AssertionError, match=r"nobody prepared i-1 for: docker ps '\*\*\*'"):
        FakeShell().run(HOST, Command(("docker", "ps", Secret("s"))))


def test_replies_come_in_turn_and_the_newest_preparation_wins() -> None:
    """The last reply stays; a failure is raised only when it is checked."""
    shell = FakeShell()
    shell.prepare("*", Result(0, "any"))
    shell.prepare("uptime", Result(0, "1"), Result(3, "", "no"))
    uptime = Command(("uptime",))
    assert shell.run(HOST, uptime).stdout == "1"
    assert shell.run(HOST, uptime, check=False).exit_code == 3
    with pytest.raises(CommandFailed, match="exit 3"):
        shell.run(HOST, uptime)
    assert shell.run(HOST, Command(("ls",))).stdout == "any"


def test_an_address_that_nobody_prepared() -> None:
    """Method and URL are named."""
    http = FakeHttp()
    http.prepare("GET", "http://a", Answer(200))
    assert http.get("http://a", headers={}, timeout_s=1).status == 200
    with pytest.raises(AssertionError, match="nobody prepared POST http://a"):
        http.post("http://a", {}, headers={}, timeout_s=1)


def test_a_secret_that_nobody_provisioned() -> None:
    """One without a value is None; one that does not exist is an error."""
    cloud = FakeCloud(samples.outputs())
    assert cloud.get_secret(samples.outputs().probe_key_secret) is None
    with pytest.raises(AssertionError, match="nobody provisioned the secret other"):
        cloud.get_secret("other")


def test_a_group_launches_what_the_test_prepared() -> None:
    """In the place of a host that is ended, one by one, unless that is suspended."""
    old, new, never = samples.hosts(3)
    cloud = FakeCloud(samples.outputs(), (old,))
    cloud.replacements = [(new, ["initial", "healthy"]), (never, ["healthy"])]
    cloud.terminate(old.name)
    assert [host.name for host in cloud.inventory()] == [new.name]
    assert [one.state for one in (*cloud.target_health(), *cloud.target_health())] == [
        "initial",
        "healthy",
    ]
    cloud.suspend(("Launch",))
    cloud.terminate(new.name)
    assert len(cloud.inventory()) == 0


def test_sleeping_moves_the_clock() -> None:
    """And takes no time."""
    clock = FakeClock(start=100.0)
    clock.sleep(2.5)
    assert (clock.now(), clock.monotonic(), clock.slept) == (102.5, 102.5, [2.5])


def test_a_revision_that_nobody_described() -> None:
    """A gateway moves only to what the test gave, and then all its tasks run and are healthy."""
    one, two = TaskDefinition("arn:gateway:1", {}), TaskDefinition("arn:gateway:2", {})
    gateway = FakeGateway(one, two)
    with pytest.raises(AssertionError, match="nobody described arn:gateway:3"):
        gateway.move("arn:gateway:3", 2)
    gateway.move(two.arn, 2)
    assert gateway.service().steady(two.arn, 2)
    assert [target.state for target in gateway.targets()] == ["healthy", "healthy"]
    assert gateway.log == ["move to arn:gateway:2, 2 tasks"]
