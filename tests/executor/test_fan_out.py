"""One command on many hosts."""

from __future__ import annotations

import signal
import threading

import pytest

from provision.commands.command import Command, Result
from provision.errors import HostUnreachable
from provision.executor.fan_out import stream_all
from provision.facts.inventory import Host
from provision.testing import samples
from provision.testing.shell import FakeShell

UPTIME = Command(("uptime",))


def test_lines_come_with_their_host_and_failures_stay_on_theirs() -> None:
    """A host that can't be reached and one whose command fails; the third is heard."""
    shell, lines = FakeShell(), list[str]()
    shell.prepare("uptime", Result(0, "up\n"))
    shell.prepare("uptime", HostUnreachable("i-2", "timed out"), host="i-2")
    shell.prepare("uptime", Result(127, "", "not found"), host="i-3")
    failed = stream_all(
        samples.hosts(3), UPTIME, shell, lambda host, line: lines.append(f"{host} {line}")
    )
    assert lines == ["i-1 up"]
    assert [error.message.splitlines()[0] for error in failed] == [
        "i-2: timed out",
        "i-3: exit 127 from: uptime",
    ]


def test_no_host_is_no_work() -> None:
    """Nothing is asked."""
    assert stream_all((), UPTIME, FakeShell(), lambda _host, _line: None) == ()


def test_ctrl_c_ends_the_streams() -> None:
    """Connections are closed, so that nobody waits for a log that follows for ever."""
    shell = FakeShell()

    def follow(host: Host, _command: Command) -> Result:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert shell.closing.wait(10)
        raise HostUnreachable(host.name, "closed")

    shell.prepare("uptime", follow)
    with pytest.raises(KeyboardInterrupt):
        stream_all(samples.hosts(1), UPTIME, shell, lambda _host, _line: None)
