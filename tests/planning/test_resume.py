"""A rollout that broke off: what is left of it, and what would undo it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from provision.errors import Refused
from provision.facts.host import HostFacts
from provision.facts.inventory import Inventory
from provision.planning.actions import ApplyRelease, Bake, FreeFleet, HoldFleet, SetCurrent
from provision.planning.gateway import MOVED_STAYS, STAYS
from provision.planning.gateway_actions import AskGateway, MoveGateway
from provision.planning.intent import Intent, Kind
from provision.planning.journal import Ending, Entry, Errand, Run, Who
from provision.planning.pace import CAREFUL
from provision.planning.plan import Plan
from provision.planning.resume import broke_off, plan_abort, plan_resume
from provision.planning.rollback import Published
from provision.planning.rollout import HELD
from provision.planning.situation import Situation
from provision.testing import samples

OLD, NEW = "r-000000000000", "r-111111111111"
HOSTS = samples.hosts(3)
NAMES = frozenset(host.name for host in HOSTS)
BEFORE: Mapping[str, str | None] = dict.fromkeys(sorted(NAMES), OLD)
CHANGE = Intent(Kind.RELEASE, "mistral-7b", True, CAREFUL, BEFORE, NEW, current=OLD, held=HELD)
RESTART = Intent(Kind.RESTART, "mistral-7b", True, CAREFUL, BEFORE, current=OLD, held=HELD)
ANNA = Who("anna@laptop", "arn:aws:iam::123456789012:user/anna")
RELEASE = Published(NEW, "mistral-7b")


def run(intent: Intent | None = CHANGE, *entries: Entry, ending: Ending = Ending.DIED) -> Run:
    """What was written down when it broke off."""
    what = Errand("deploy", "deploy r-1 to test", intent=intent)
    return Run(7, ANNA, what, "2027-01-15T08:00:00+00:00", entries, ending=ending)


def did(host: str, action: type, *, failed: str | None = None, ended: bool = True) -> Entry:
    """An entry of the journal."""
    return Entry("w", host, "s", "t", "t" if ended else None, failed, action.__name__)


def fleet(facts: Mapping[str, HostFacts] | None = None, **changes: object) -> Situation:
    """Three hosts that serve the old release, which is current, but for *facts*."""
    found = {**{host.name: samples.serving(OLD) for host in HOSTS}, **(facts or {})}
    base = Situation(Inventory(HOSTS), found, in_traffic=NAMES, current=OLD, still_held=HELD)
    return replace(base, **changes)  # type: ignore[arg-type]


def aged(release: str, uptime_s: float) -> HostFacts:
    """A host that serves, whose engine has run for so long."""
    facts = samples.serving(release)
    return replace(facts, agent={**(facts.agent or {}), "replicas": [{"uptime_s": uptime_s}]})


def resume(
    now: Situation, of: Run, intent: Intent = CHANGE, published: Published | None = RELEASE
) -> Plan:
    """The rest of it, ten minutes after it began."""
    return plan_resume(samples.environment(), of, intent, now, published=published, elapsed_s=600.0)


def actions(plan: Plan, kind: type) -> list[tuple[str | None, object]]:
    return [
        (step.host.name if step.host else None, step.action)
        for wave in plan
        for step in wave.steps
        if isinstance(step.action, kind)
    ]


class TestBrokeOff:
    @pytest.mark.parametrize(
        ("ending", "returned", "is_so"),
        [
            (Ending.DIED, False, True),
            (Ending.BROKEN, False, True),
            (Ending.FAILED, False, True),
            (Ending.INTERRUPTED, False, True),
            (Ending.FAILED, True, False),
            (Ending.INTERRUPTED, True, False),
            (Ending.DONE, False, False),
        ],
    )
    def test_a_rollout(self, ending: Ending, returned: bool, is_so: bool) -> None:
        """Whose end nobody saw, or which failed without having been taken back."""
        assert broke_off(replace(run(ending=ending), returned=returned)) is is_so

    def test_what_is_no_rollout(self) -> None:
        """A setup that died leaves nothing between two states; one that runs is not broken off."""
        assert not broke_off(run(None))
        assert not broke_off(replace(run(), ending=None))


class TestResume:
    def test_hosts_that_have_it_are_left_alone(self) -> None:
        """The others get it; then it is current, as it was meant."""
        plan = resume(fleet({"i-1": samples.serving(NEW)}), run())
        assert plan.title == "go on: deploy r-1 to test"
        assert [host for host, _ in actions(plan, ApplyRelease)] == ["i-2", "i-3"]
        assert actions(plan, SetCurrent) == [(None, SetCurrent(NEW, before=OLD))]
        assert plan.intent == CHANGE

    def test_what_it_held_is_held_and_freed(self) -> None:
        """Suspended by the run that died, not by a person."""
        plan = resume(fleet(), run())
        assert actions(plan, HoldFleet) == [(None, HoldFleet(HELD))]
        assert [step.action for step in plan.afterwards] == [FreeFleet(HELD)]

    def test_all_was_done_but_the_end(self) -> None:
        """Nothing to change; the group is freed."""
        done = dict.fromkeys(NAMES, samples.serving(NEW))
        plan = resume(fleet(done, current=NEW), run())
        assert [s.action for w in plan for s in w.steps] == [FreeFleet(HELD)]

    def test_all_was_done_and_said_so(self) -> None:
        """An empty plan."""
        done = dict.fromkeys(NAMES, samples.serving(NEW))
        assert not resume(fleet(done, current=NEW, still_held=()), run())

    def test_a_host_that_nobody_watched_is_watched(self) -> None:
        """It was changed, and its watch broke off; one whose watch ended well is left alone."""
        entries = [
            did("i-1", ApplyRelease),
            did("i-1", Bake),
            did("i-2", ApplyRelease),
            did("i-2", Bake, ended=False),
        ]
        done = dict.fromkeys(NAMES, samples.serving(NEW))
        plan = resume(fleet(done, current=NEW), run(CHANGE, *entries))
        assert actions(plan, Bake) == [("i-2", Bake(NEW, 30.0))]
        assert [wave.title for wave in plan] == ["watch again", "finish", "finish"]

    def test_a_release_that_never_got_out(self) -> None:
        """Then no serving host was changed either."""
        with pytest.raises(Refused, match="never published whole") as refused:
            resume(fleet(), run(), published=None)
        assert "`fab deploy` begins anew" in refused.value.hint

    def test_a_restart_goes_on_with_the_engines_that_are_older_than_it(self) -> None:
        """By their age: who restarted an engine meanwhile does not matter."""
        now = fleet({"i-1": aged(OLD, 300.0), "i-2": aged(OLD, 4000.0), "i-3": aged(OLD, 4000.0)})
        plan = resume(now, run(RESTART), RESTART, None)
        starts = actions(plan, ApplyRelease)
        assert starts == [
            ("i-2", ApplyRelease(OLD, restart=True)),
            ("i-3", ApplyRelease(OLD, restart=True)),
        ]

    def test_a_restart_brings_back_the_host_that_it_left_out(self) -> None:
        """Restarted, and not yet in traffic: no second restart (an apply starts nothing anew)."""
        young = dict.fromkeys(NAMES, aged(OLD, 60.0))
        plan = resume(
            fleet(young, in_traffic=frozenset({"i-2", "i-3"})), run(RESTART), RESTART, None
        )
        assert plan.hosts == ("i-1",)
        assert actions(plan, ApplyRelease) == [("i-1", ApplyRelease(OLD))]

    def test_a_host_that_joined_is_not_restarted(self) -> None:
        """It is no part of what was meant."""
        old = dict.fromkeys(NAMES, aged(OLD, 4000.0))
        meant = replace(RESTART, before={"i-1": OLD})
        assert resume(fleet(old), run(meant), meant, None).hosts == ("i-1",)


class TestAbort:
    def test_all_goes_back(self) -> None:
        """Hosts, the pointer, and the group."""
        moved = dict.fromkeys(NAMES, samples.serving(NEW))
        plan = plan_abort(samples.environment(), run(), CHANGE, fleet(moved, current=NEW))
        assert plan.title == "take back: deploy r-1 to test"
        assert [host for host, _ in actions(plan, ApplyRelease)] == ["i-1", "i-2", "i-3"]
        assert actions(plan, SetCurrent) == [(None, SetCurrent(OLD))]
        assert [step.action for step in plan.afterwards] == [FreeFleet(HELD)]

    def test_nothing_had_happened_yet(self) -> None:
        """Only the group is freed, if it was held at all."""
        plan = plan_abort(samples.environment(), run(), CHANGE, fleet())
        assert [s.action for w in plan for s in w.steps] == [FreeFleet(HELD)]
        assert not plan_abort(samples.environment(), run(), CHANGE, fleet(still_held=()))


class TestGateway:
    """It is `fab deploy`'s alone."""

    AWAY = samples.environment(fallback=samples.fallback())

    def resumed(self, of: Run, intent: Intent = CHANGE) -> tuple[str, ...]:
        return plan_resume(self.AWAY, of, intent, fleet(), published=RELEASE, elapsed_s=600.0).notes

    def test_whoever_goes_on_is_told_that_it_stays(self) -> None:
        """Nobody knows whether it was to come up: the run died before it began that."""
        assert STAYS in self.resumed(run(CHANGE, did("", MoveGateway)))
        assert STAYS not in resume(fleet(), run(CHANGE)).notes  # there is none

    def test_one_that_was_brought_to_its_end_lacks_nothing(self) -> None:
        """A token of a hosted API came."""
        assert STAYS not in self.resumed(run(CHANGE, did("", AskGateway)))
        assert STAYS in self.resumed(run(CHANGE, did("", AskGateway, failed="no token")))
        assert STAYS in self.resumed(run(CHANGE, did("", AskGateway, ended=False)))

    def test_restarts_and_some_hosts_never_had_to_do_with_it(self) -> None:
        """Not a word."""
        assert STAYS not in self.resumed(run(RESTART), RESTART)
        some = replace(CHANGE, whole=False)
        assert STAYS not in self.resumed(run(some), some)

    def test_whoever_takes_back_is_told_where_it_was_left(self) -> None:
        """Hosts go back, the gateway does not."""
        moved = run(CHANGE, did("", MoveGateway))
        assert MOVED_STAYS in plan_abort(self.AWAY, moved, CHANGE, fleet()).notes
        assert MOVED_STAYS not in plan_abort(self.AWAY, run(CHANGE), CHANGE, fleet()).notes
