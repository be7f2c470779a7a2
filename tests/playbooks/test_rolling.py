"""`fab rolling-restart`, and what a rollout does when it fails, as typed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provision.commands.command import Command, Result
from provision.facts.inventory import Host
from provision.planning.release import assemble, current_document, parse_before, parse_current
from provision.secret import Secret
from provision.testing import samples
from tests.playbooks.conftest import Fleet

OLD = "r-000000000000"


@pytest.fixture
def serving(fleet: Fleet) -> Fleet:
    """Two hosts that serve an old release, which is current."""
    fleet.facts = {name: samples.serving(OLD) for name in fleet.facts}
    fleet.shell.prepare("*readlink*", Result(0, f"{OLD}\n"))
    fleet.cloud.secrets["llm-fleet/test/probe-key"] = Secret("sk-fleet-probe")
    fleet.cloud.objects["releases/current"] = json.dumps({"release": OLD}).encode()
    return fleet


def traffic(fleet: Fleet) -> list[str]:
    return [line for line in fleet.cloud.log if line.startswith(("register", "deregister"))]


def calls(fleet: Fleet, host: str) -> list[str]:
    """What the host program was told on *host*."""
    return [line.split("host.pyz ", 1)[1] for line in fleet.shell.ran(host) if "host.pyz" in line]


class TestRollingRestart:
    def test_one_after_the_other(self, serving: Fleet) -> None:
        """Out, emptied, started anew, warmed, in, watched; the group is held meanwhile."""
        said = serving.run("rolling-restart", "--yes")
        assert said.code == 0, said.err
        assert calls(serving, "i-1") == [
            "maintain --lease 330 --why 'an operator'\"'\"'s rollout'",
            "drain --timeout 150",
            "maintain --lease 330 --why 'an operator'\"'\"'s rollout'",
            f"apply --release {OLD} --restart",
            f"wait --release {OLD} --timeout 1200",
            "ask --timeout 60",
            "resume",
            f"bake --release {OLD} --seconds 30",
        ]
        assert traffic(serving) == [
            "deregister i-1",
            "register i-1",
            "deregister i-2",
            "register i-2",
        ]
        assert serving.cloud.log[0] == "suspend Launch Terminate ReplaceUnhealthy"
        assert serving.cloud.log[-1] == "resume Launch Terminate ReplaceUnhealthy"

    def test_a_dry_run_changes_nothing(self, serving: Fleet) -> None:
        """The plan is what would run."""
        said = serving.run("rolling-restart", "--dry-run")
        assert said.code == 0
        assert "change i-1: 1 of 2 keep serving" in said.out
        assert serving.cloud.log == []

    def test_the_only_host(self, serving: Fleet) -> None:
        """Refused with exit 3; with --accept-downtime it is done."""
        serving.cloud.hosts = samples.hosts(1)
        serving.cloud.health = {"i-1": ["healthy"]}
        assert serving.run("rolling-restart", "--yes").code == 3
        assert serving.cloud.log == []
        assert serving.run("rolling-restart", "--yes", "--accept-downtime").code == 0

    def test_nothing_is_old_enough(self, serving: Fleet) -> None:
        """Exit 0 and no question."""
        young = {"state": "ready", "ready_for": OLD, "replicas": [{"uptime_s": 60.0}]}
        serving.facts = {name: replace(samples.serving(OLD), agent=young) for name in serving.facts}
        said = serving.run("rolling-restart", "--if-older-than", "24h")
        assert (said.code, said.out.splitlines()[-1]) == (0, "nothing to do")

    @pytest.mark.parametrize(
        "words",
        [("--if-older-than", "soon"), ("--max-unavailable", "0"), ("--bake", "a minute")],
    )
    def test_wrong_words(self, serving: Fleet, words: tuple[str, str]) -> None:
        """Exit 2, and nothing was asked of anybody."""
        assert serving.run("rolling-restart", "--yes", *words).code == 2
        assert serving.cloud.log == []


class TestWayBack:
    @pytest.fixture
    def breaking(self, serving: Fleet) -> Fleet:
        """The new release starts on i-1 and never gets ready on i-2; `current` follows."""
        new = serving.target.release.id

        def apply(host: Host, command: Command) -> Result:
            release = command.display().split("--release ")[1].split()[0]
            agent = {"state": "ready", "ready_for": release}
            if host.name == "i-2" and release == new:
                agent = {"state": "crash-loop"}
            serving.facts[host.name] = replace(samples.serving(release), agent=agent)
            serving.shell.prepare("*readlink*", Result(0, f"{release}\n"), host=host.name)
            return Result(0, '{"event": "applied", "t": 1}\n')

        serving.shell.prepare("*host.pyz apply *", apply)
        failed: dict[str, Any] = {"event": "failed", "t": 1, "reason": "engine died", "log": ["x"]}
        serving.shell.prepare(f"*wait --release {new} *", Result(1, json.dumps(failed)), host="i-2")
        return serving

    def test_all_hosts_go_back(self, breaking: Fleet) -> None:
        """Exit 1, and the service is as it was: both on the old release and in traffic."""
        said = breaking.run("deploy", "--yes")
        assert said.code == 1
        assert "error: i-2: engine died" in said.out
        assert {facts.release for facts in breaking.facts.values()} == {OLD}
        assert {states[-1] for states in breaking.cloud.health.values()} == {"healthy"}
        assert json.loads(breaking.cloud.objects["releases/current"]) == {"release": OLD}
        assert breaking.cloud.log[-1] == "resume Launch Terminate ReplaceUnhealthy"

    def test_keep_going_leaves_them(self, breaking: Fleet) -> None:
        """The one that was changed stays so; the broken one stays out of traffic."""
        said = breaking.run("deploy", "--yes", "--keep-going", "--json")
        assert said.code == 1
        assert said.json["way_back"] is None
        new = breaking.target.release.id
        assert breaking.facts["i-1"].release == new
        assert breaking.cloud.health["i-2"][-1] == "draining"

    def test_both_outcomes_are_told(self, breaking: Fleet) -> None:
        """What failed, and what was brought back."""
        said = breaking.run("deploy", "--yes", "--json").json
        assert said["ok"] is False
        assert said["outcome"]["ok"] is False
        assert said["way_back"]["ok"] is True


class TestRollback:
    @pytest.fixture
    def deployed(self, fleet: Fleet) -> Fleet:
        """The environment's release serves and is current; an older one was published before."""
        new = fleet.target.release
        old = assemble("mistral-7b", {"agent.json": '{"chat": true}'}, {"images": {}})
        for release in (new, old):
            for path, content in release.files.items():
                fleet.cloud.objects[f"releases/{release.id}/{path}"] = content
        fleet.cloud.objects["releases/current"] = current_document(new.id, before=old.id)
        fleet.cloud.secrets["llm-fleet/test/probe-key"] = Secret("sk-fleet-probe")
        there = replace(samples.serving(new.id), releases=(new.id, old.id))
        fleet.facts = dict.fromkeys(fleet.facts, there)
        fleet.shell.prepare("*readlink*", Result(0, f"{new.id}\n"))
        return fleet

    def before(self, fleet: Fleet) -> str:
        return str(parse_before(fleet.cloud.objects["releases/current"]))

    def test_to_the_one_before(self, deployed: Fleet) -> None:
        """Host by host; then it is current, and the other one is the one before."""
        new, old = deployed.target.release.id, self.before(deployed)
        said = deployed.run("rollback", "--yes")
        assert said.code == 0, said.err
        assert f"apply --release {old}" in calls(deployed, "i-2")
        pointer = deployed.cloud.objects["releases/current"]
        assert (parse_current(pointer), parse_before(pointer)) == (old, new)

    def test_a_named_one(self, deployed: Fleet) -> None:
        """Unknown ones are refused with those that there are, before anything changes."""
        assert deployed.run("rollback", "--to", self.before(deployed), "--dry-run").code == 0
        said = deployed.run("rollback", "--to", "r-ffffffffffff", "--yes")
        assert said.code == 2
        assert (
            f"there are: {', '.join(sorted((deployed.target.release.id, self.before(deployed))))}"
            in said.err
        )
        assert traffic(deployed) == []

    def test_nothing_before_it(self, deployed: Fleet) -> None:
        """Exit 2, and where to look."""
        deployed.cloud.objects["releases/current"] = current_document("r-1")
        said = deployed.run("rollback", "--yes")
        assert said.code == 2
        assert "`fab releases` shows what was published" in said.err

    def test_the_list(self, deployed: Fleet) -> None:
        """Current first."""
        rows = deployed.run("releases", "--json").json
        assert [row["id"] for row in rows] == [deployed.target.release.id, self.before(deployed)]
        assert "current" in deployed.run("releases").out

    def test_the_difference(self, deployed: Fleet) -> None:
        """Of two published ones."""
        new, old = deployed.target.release.id, self.before(deployed)
        out = deployed.run("diff", old, new).out
        assert f"+++ {new}/engine.yaml" in out
        assert deployed.run("diff", old, old).out == f"{old} and {old} say the same\n"
