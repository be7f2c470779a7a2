"""What AWS has in store for the rehearsal's hosts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rehearsal.notices import REBALANCE, SPOT, TARGET, Notices

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@dataclass
class Groups:
    """Auto Scaling, which knows the lifecycle state of some instances."""

    states: dict[str, str] = field(default_factory=dict)

    def describe_auto_scaling_instances(self, *, InstanceIds: list[str]) -> dict[str, Any]:
        known = [{"LifecycleState": self.states[n]} for n in InstanceIds if n in self.states]
        return {"AutoScalingInstances": known}


@pytest.fixture
def notices(tmp_path: Path) -> Notices:
    return Notices(tmp_path / "notices", Groups())


def test_nothing_is_in_store(notices: Notices) -> None:
    """No folder, no file, no group."""
    assert [notices.item("i-1", name) for name in (SPOT, REBALANCE, TARGET)] == [None] * 3
    assert notices.due(NOW) == []


def test_a_spot_notice_is_told_and_carried_out(notices: Notices) -> None:
    """To the host that it is for; when the time is over the host goes, and the notice with it."""
    notices.spot("i-1", NOW + timedelta(seconds=120))
    assert json.loads(notices.item("i-1", SPOT) or "") == {
        "action": "terminate",
        "time": "2026-11-21T03:02:00Z",
    }
    assert notices.item("i-2", SPOT) is None
    assert notices.due(NOW + timedelta(seconds=119)) == []
    assert notices.due(NOW + timedelta(seconds=120)) == ["i-1"]
    notices.forget("i-1")
    assert notices.due(NOW + timedelta(seconds=120)) == []


def test_a_recommendation_stands_beside_a_notice(notices: Notices) -> None:
    """It comes first, usually, and stays."""
    notices.rebalance("i-1", NOW)
    notices.spot("i-1", NOW)
    assert json.loads(notices.item("i-1", REBALANCE) or "") == {
        "noticeTime": "2026-11-21T03:00:00Z"
    }


@pytest.mark.parametrize(
    ("state", "target"),
    [
        ("InService", "InService"),
        ("Pending:Wait", "InService"),
        ("Terminating", "Terminated"),
        ("Terminating:Wait", "Terminated"),
        ("Terminating:Proceed", "Terminated"),
        ("EnteringStandby", "Standby"),
        ("Standby", "Standby"),
    ],
)
def test_where_the_group_takes_it(notices: Notices, state: str, target: str) -> None:
    """The steady state that follows the present one."""
    notices.autoscaling.states["i-1"] = state
    assert notices.item("i-1", TARGET) == target
