"""The record of a run: what it is for, and that it reads back as itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.commands.command import Command
from provision.errors import FleetError
from provision.planning import journal
from provision.planning.actions import ApplyRelease, PublishRelease, SetCurrent
from provision.planning.actions import Run as RunCommand
from provision.planning.journal import Ending, Entry, Errand, Run, Who
from provision.planning.plan import Plan, Step, Wave
from provision.planning.release import assemble
from provision.testing import samples

ONE, TWO = samples.hosts(2)
RELEASE = assemble("mistral-7b", {"engine.yaml": "x: 1\n"}, {})
RUN = Run(
    7,
    Who("anna@laptop", "arn:aws:iam::1:user/anna"),
    Errand("deploy", "deploy r-2", ("r-1",), "r-2"),
    begun="2027-01-15T08:00:00+00:00",
    entries=(
        Entry("start", "i-2", "start r-2", "2027-01-15T08:00:01+00:00"),
        Entry("start", "i-1", "start r-2", *["2027-01-15T08:00:01+00:00"] * 2, failed="no"),
        Entry("finish", "", "make r-2 current", *["2027-01-15T08:00:02+00:00"] * 2),
    ),
)


def test_what_a_deploy_is_for() -> None:
    """From what its hosts ran to the one release that its steps name."""
    steps = (
        Step(None, "publish", "", PublishRelease(RELEASE)),
        Step(ONE, "start", "", ApplyRelease(RELEASE.id)),
        Step(None, "current", "", SetCurrent(RELEASE.id)),
    )
    expects = {"i-1": "r-1", "i-2": "r-0"}
    plan = Plan("deploy it", (Wave("all", steps),), expects=expects)
    assert journal.errand("deploy", plan) == Errand("deploy", "deploy it", ("r-1",), RELEASE.id)


def test_what_a_set_up_is_for() -> None:
    """It names no release; a host that ran nothing adds none."""
    step = Step(TWO, "install", "", RunCommand(Command(("true",))))
    plan = Plan("set up", (Wave("all", (step,)),), expects={"i-2": None})
    assert journal.errand("setup", plan) == Errand("setup", "set up", (), None)


def test_what_a_run_left_open() -> None:
    """Steps without an end are the ones that nobody knows about."""
    assert RUN.open
    assert [entry.host for entry in RUN.unfinished] == ["i-2"]
    assert RUN.hosts == ("i-1", "i-2")


@pytest.mark.parametrize("ending", [None, *Ending])
def test_a_record_reads_back_as_itself(ending: Ending | None) -> None:
    """However it ended."""
    run = replace(RUN, ending=ending)
    assert journal.parse_record(journal.record(run), key="k") == run


@pytest.mark.parametrize("text", [b"", b"{}", b'{"format": 2, "run": {}}', b"[]"])
def test_a_record_that_is_none(text: bytes) -> None:
    """Named by its key."""
    with pytest.raises(FleetError, match="rollouts/history/1 is not the record of a run"):
        journal.parse_record(text, key="rollouts/history/1")
