"""A mark that ended by itself is noticed before an engine is stopped."""

from __future__ import annotations

import pytest

from provision.commands import host_program
from provision.commands.command import Result
from provision.errors import HostError
from provision.executor.leases import Leases
from provision.planning.actions import BeginMaintenance
from provision.testing import samples
from provision.testing.shell import FakeShell

(HOST,) = samples.hosts(1)
MARK = BeginMaintenance(330.0)
APPLY = host_program.apply("r-1")


def marked(*since: float | None) -> tuple[FakeShell, Leases]:
    """A host that says since when it is away, one answer after the other."""
    shell = FakeShell()
    words = ["" if one is None else f', "since": {one}' for one in since]
    said = [Result(0, f'{{"event": "maintenance", "t": 1{word}}}\n') for word in words]
    shell.prepare("*maintain*", *said)
    shell.prepare("*resume*", Result(0, '{"event": "resumed", "t": 1}\n'))
    leases = Leases(shell)
    leases.begin(HOST, MARK, lambda _: None)
    return shell, leases


def test_one_that_holds_is_renewed() -> None:
    """It keeps its beginning, and its time begins anew."""
    shell, leases = marked(100.0, 100.0)
    leases.renewed(HOST, APPLY, lambda _: None)
    first, again = shell.ran("i-1")
    assert first == again
    assert "maintain --lease 330" in again


def test_the_apply_is_for_a_host_with_that_mark_only() -> None:
    """To the digit: the host compares."""
    _, leases = marked(1795230000.123457, 1795230000.123457)
    apply = leases.renewed(HOST, APPLY, lambda _: None)
    assert apply.argv == (*APPLY.argv, "--away-since", "1795230000.123457")


def test_one_that_ended_meanwhile() -> None:
    """The host went back into traffic by itself: its engine is left alone."""
    _, leases = marked(100.0, 500.0)
    with pytest.raises(HostError, match="its maintenance of 330 s ended before its turn came"):
        leases.renewed(HOST, APPLY, lambda _: None)


def test_a_host_that_does_not_say_since_when() -> None:
    """Then nobody can ask it for that."""
    _, leases = marked(None, None)
    assert leases.renewed(HOST, APPLY, lambda _: None) == APPLY


def test_given_up_it_ends_now_or_by_itself() -> None:
    """A host that can't be told is no new trouble."""
    shell, leases = marked(100.0)
    leases.give_up(HOST, lambda _: None)
    assert shell.ran("i-1")[-1].endswith("resume")
    shell.prepare("*resume*", Result(1, '{"event": "failed", "t": 1, "reason": "no"}\n'))
    leases.give_up(HOST, lambda _: None)


def test_a_host_that_is_not_away_needs_none() -> None:
    """A new host was never in traffic; one that is back is away no more."""
    shell, leases = marked(100.0, 500.0)
    leases.end(HOST, lambda _: None)
    assert leases.renewed(HOST, APPLY, lambda _: None) == APPLY
    assert [line.rpartition("host.pyz ")[2].split()[0] for line in shell.ran("i-1")] == [
        "maintain",
        "resume",
    ]
