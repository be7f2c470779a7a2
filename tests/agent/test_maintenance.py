"""The mark of a host that is away on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.agent.errors import AgentError
from provision.agent.maintenance import Maintenance, Mark


@pytest.fixture
def maintenance(tmp_path: Path) -> Maintenance:
    return Maintenance(tmp_path / "run" / "maintenance.json")


def test_holds_until_its_lease_runs_out(maintenance: Maintenance) -> None:
    """To the second; after that the host is not away any more."""
    maintenance.begin(100.0, lease_s=60, why="deploy")
    assert maintenance.mark(159.9) == Mark(100.0, 160.0, "deploy")
    assert maintenance.mark(160.0) is None


def test_renewed_it_keeps_its_beginning(maintenance: Maintenance) -> None:
    """So that the engine that ran before it is known all the time."""
    maintenance.begin(100.0, lease_s=60, why="deploy")
    maintenance.begin(150.0, lease_s=60, why="deploy")
    assert maintenance.mark(200.0) == Mark(100.0, 210.0, "deploy")


def test_emptied_it_stays_so_until_it_is_emptied_again(maintenance: Maintenance) -> None:
    """Renewing changes nothing of it; without a mark there is nothing to note it on."""
    maintenance.emptied(100.0, yes=True)
    assert maintenance.mark(100.0) is None
    maintenance.begin(100.0, lease_s=60, why="deploy")
    maintenance.emptied(110.0, yes=True)
    maintenance.begin(120.0, lease_s=60, why="go on")
    assert maintenance.mark(130.0) == Mark(100.0, 180.0, "go on", emptied=True)
    maintenance.emptied(130.0, yes=False)
    assert maintenance.mark(130.0) == Mark(100.0, 180.0, "go on")


def test_one_that_ran_out_begins_anew(maintenance: Maintenance) -> None:
    """A forgotten mark of yesterday says nothing about today's engine."""
    maintenance.begin(100.0, lease_s=60, why="deploy")
    assert maintenance.begin(500.0, lease_s=60, why="restart").since == 500.0


def test_ended_it_is_gone(maintenance: Maintenance) -> None:
    """Ending it twice is no mistake."""
    maintenance.begin(100.0, lease_s=60, why="deploy")
    assert maintenance.end()
    assert not maintenance.end()
    assert maintenance.mark(100.0) is None


class TestRequire:
    """What whoever is about to stop an engine believes."""

    def test_nothing_is_believed(self, maintenance: Maintenance) -> None:
        """Of a host that never served, or by a person who knows what he does."""
        maintenance.require(None)

    def test_it_is_there_also_when_its_time_is_over(self, maintenance: Maintenance) -> None:
        """Until somebody ends it; with a time given it must hold for 10 s more."""
        maintenance.begin(100.0, lease_s=60, why="deploy")
        maintenance.require(100.0)
        maintenance.require(100.0, now=149.0)
        with pytest.raises(AgentError, match="its engine was left alone"):
            maintenance.require(100.0, now=150.0)

    def test_it_was_ended_or_another_has_begun(self, maintenance: Maintenance) -> None:
        """In between it may have been in traffic."""
        maintenance.begin(100.0, lease_s=60, why="deploy")
        maintenance.begin(500.0, lease_s=60, why="restart")
        with pytest.raises(AgentError, match="it may be in traffic again"):
            maintenance.require(100.0)
        maintenance.end()
        with pytest.raises(AgentError, match="it may be in traffic again"):
            maintenance.require(500.0)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"since": 1}', '{"since": 1, "x": 2}'])
def test_an_unreadable_mark_is_none(maintenance: Maintenance, tmp_path: Path, text: str) -> None:
    """It must not keep a host out of traffic for good."""
    path = tmp_path / "run" / "maintenance.json"
    path.parent.mkdir()
    path.write_text(text)
    assert maintenance.mark(0.0) is None
