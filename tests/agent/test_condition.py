"""One word for how a host is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from provision.agent.condition import Condition, condition
from provision.agent.report import ReplicaReport, may_serve
from provision.agent.supervise import Phase
from tests.agent.test_report import HOSTS, NOW, report

READY, BUSY = report(0), replace(report(0), busy=True)


def said(*reports: ReplicaReport, ready: bool = False, away: bool = False) -> Condition:
    return condition(reports, ready=ready, away=away, now=NOW)


@pytest.mark.parametrize(
    ("reports", "ready", "word"),
    [
        ([READY], True, "ok"),
        ([BUSY], True, "overloaded"),
        ([READY, replace(BUSY, index=1)], True, "ok"),
        ([report(0, Phase.HUNG), replace(BUSY, index=1)], True, "overloaded"),
        ([report(0, away=True), replace(BUSY, index=1)], True, "overloaded"),
        ([], False, "starting"),
        ([report(0, Phase.STARTING)], False, "starting"),
        ([report(0, Phase.WARMING)], False, "starting"),
        ([READY], False, "starting"),
        ([report(0, changing=True)], False, "starting"),
        ([report(0, Phase.HUNG)], False, "hung"),
        ([report(0, last_good=NOW - 500)], False, "hung"),
        ([report(0, Phase.STOPPED)], False, "dead"),
        ([report(0, Phase.HUNG), report(1, Phase.CRASH_LOOP)], False, "dead"),
    ],
)
def test_of_each_host(reports: list[ReplicaReport], ready: bool, word: str) -> None:
    """The worst engine speaks where nobody is served; where somebody is, all must be busy."""
    assert said(*reports, ready=ready) == word


def test_away_on_purpose_is_neither_dead_nor_well() -> None:
    """Whatever its engines are meanwhile."""
    assert said(report(0, Phase.STOPPED), away=True) is Condition.AWAY
    assert said(READY, ready=True, away=True) is Condition.AWAY


@given(HOSTS)
def test_load_never_ejects_a_host(host: list[ReplicaReport]) -> None:
    """Busy engines change the word, and only among those that take traffic."""
    ready, _ = may_serve(host, leaves_out=True, problem="", now=NOW)
    busy, _ = may_serve(
        [replace(one, busy=True) for one in host], leaves_out=True, problem="", now=NOW
    )
    assert ready is busy
    loaded = said(*[replace(one, busy=True) for one in host], ready=ready)
    assert loaded is (Condition.OVERLOADED if ready else said(*host))
