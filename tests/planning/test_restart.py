"""A rolling restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.errors import PlanError, Refused
from provision.facts.inventory import Inventory
from provision.planning.actions import ApplyRelease
from provision.planning.pace import CAREFUL
from provision.planning.restart import plan_restart
from provision.planning.situation import Situation
from provision.testing import samples

OLD, NEW = "r-000000000000", "r-111111111111"
HOSTS = samples.hosts(3)
NAMES = frozenset(host.name for host in HOSTS)


def fleet(**changes: object) -> Situation:
    """Three hosts that serve the old release, which is current."""
    facts = {host.name: samples.serving(OLD) for host in HOSTS}
    base = Situation(Inventory(HOSTS), facts, in_traffic=NAMES, current=OLD)
    return replace(base, **changes)  # type: ignore[arg-type]


class TestRestart:
    def test_each_host_with_what_it_runs(self) -> None:
        """One after the other, between holding and freeing the group; then an answer."""
        plan = plan_restart(samples.environment(), fleet(), CAREFUL)
        assert [wave.title for wave in plan] == [
            "before",
            "change i-1: 2 of 3 keep serving",
            "change i-2: 2 of 3 keep serving",
            "change i-3: 2 of 3 keep serving",
            "finish",
        ]
        starts = [s.action for w in plan for s in w.steps if isinstance(s.action, ApplyRelease)]
        assert starts == [ApplyRelease(OLD, restart=True)] * 3
        assert plan.expects == dict.fromkeys(sorted(NAMES), OLD)
        assert [step.summary for step in plan.afterwards] == ["free the group"]

    def test_only_those_that_ran_for_long(self) -> None:
        """By the oldest engine of the host; one whose age nobody knows is restarted, too."""
        serving = samples.serving(OLD)
        aged = {
            name: replace(serving, agent={**(serving.agent or {}), "replicas": replicas})
            for name, replicas in {
                "i-1": [{"uptime_s": 3600.0}, {"uptime_s": 90000.0}],
                "i-2": [{"uptime_s": 3600.0}],
                "i-3": [{"uptime_s": None}],
            }.items()
        }
        plan = plan_restart(samples.environment(), fleet(facts=aged), CAREFUL, older_than_s=86400.0)
        assert plan.hosts == ("i-1", "i-3")
        starts = {s.reason for w in plan for s in w.steps if isinstance(s.action, ApplyRelease)}
        assert starts == {"runs for 25.0 h", "nobody knows for how long it runs"}

    def test_nothing_is_old_enough(self) -> None:
        """An empty plan: nothing to do, and nothing to hold."""
        serving = samples.serving(OLD)
        young = replace(serving, agent={**(serving.agent or {}), "replicas": [{"uptime_s": 1.0}]})
        plan = plan_restart(
            samples.environment(),
            fleet(facts=dict.fromkeys(NAMES, young)),
            CAREFUL,
            older_than_s=86400.0,
        )
        assert not plan
        assert plan.afterwards == ()

    def test_nothing_runs(self) -> None:
        """There is nothing to restart; the hosts that can't be reached are named."""
        situation = fleet(facts={"i-1": samples.facts()}, unreachable={"i-2": "no route to host"})
        with pytest.raises(PlanError, match=r"no host of test runs a release\n  i-2: no route"):
            plan_restart(samples.environment(), situation, CAREFUL)

    def test_a_host_that_nobody_sees(self) -> None:
        """It may be the one that serves, or one that comes back in the middle: refused."""
        facts = {name: samples.serving(OLD) for name in ("i-1", "i-2")}
        lost = fleet(facts=facts, unreachable={"i-3": "no route to host\nmore"})
        with pytest.raises(Refused, match=r"can be seen\n  i-3: no route to host\n") as refused:
            plan_restart(samples.environment(), lost, CAREFUL)
        assert "--hosts" in refused.value.hint

    def test_a_host_that_lags_behind_is_named(self) -> None:
        """It restarts with what it runs: a restart changes no release."""
        facts = {**fleet().facts, "i-2": samples.serving(NEW)}
        plan = plan_restart(samples.environment(), fleet(facts=facts), CAREFUL)
        assert plan.notes == (f"i-2 do not run {OLD}, which booting hosts take: `fab deploy`",)
