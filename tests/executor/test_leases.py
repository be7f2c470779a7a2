"""A mark that ended by itself is noticed before an engine is stopped."""

from __future__ import annotations

import pytest

from provision.commands.command import Result
from provision.errors import HostError
from provision.executor.leases import Leases
from provision.planning.actions import BeginMaintenance
from provision.testing import samples
from provision.testing.shell import FakeShell

(HOST,) = samples.hosts(1)
MARK = BeginMaintenance(330.0)


def marked(*since: float) -> tuple[FakeShell, Leases]:
    """A host that says since when it is away, one answer after the other."""
    shell = FakeShell()
    said = [Result(0, f'{{"event": "maintenance", "t": 1, "since": {one}}}\n') for one in since]
    shell.prepare("*maintain*", *said)
    shell.prepare("*resume*", Result(0, '{"event": "resumed", "t": 1}\n'))
    leases = Leases(shell)
    leases.begin(HOST, MARK, lambda _: None)
    return shell, leases


def test_one_that_holds_is_renewed() -> None:
    """It keeps its beginning, and its time begins anew."""
    shell, leases = marked(100.0, 100.0)
    leases.renew(HOST, lambda _: None)
    first, again = shell.ran("i-1")
    assert first == again
    assert "maintain --lease 330" in again


def test_one_that_ended_meanwhile() -> None:
    """The host went back into traffic by itself: its engine is left alone."""
    _, leases = marked(100.0, 500.0)
    with pytest.raises(HostError, match="its maintenance of 330 s ended before its turn came"):
        leases.renew(HOST, lambda _: None)


def test_a_host_that_is_not_away_needs_none() -> None:
    """A new host was never in traffic; one that is back is away no more."""
    shell, leases = marked(100.0, 500.0)
    leases.end(HOST, lambda _: None)
    leases.renew(HOST, lambda _: None)
    assert [line.rpartition("host.pyz ")[2].split()[0] for line in shell.ran("i-1")] == [
        "maintain",
        "resume",
    ]
